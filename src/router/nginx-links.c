/*
 * An app may plant links in what is served for it, and nginx's workers often may read as much as slipway may.
 * So nginx follows no link below the app's directories; those that are there at a deployment and lead to what
 * is the app's to serve (a shared upload directory, a link in the repository) become locations of their own.
 */
#include "router/nginx-internal.h"

#include <fts.h>
#include <stdlib.h>

#include "base/file.h"

enum { LINKS_MAX = 200, ENTRIES_MAX = 100000, DEEPEST = 16, LARGE = 8 << 20 };

static void note(const struct router_app *a, const char *fmt, ...) PRINTF(2, 3);

static void note(const struct router_app *a, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (a->notes)
		strv_push(a->notes, xvasprintf(fmt, args));
	va_end(args);
}

static bool is_same_url(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	n -= n > 1 && a[n - 1] == '/';
	m -= m > 1 && b[m - 1] == '/';
	return n == m && strncmp(a, b, n) == 0;
}

/* Something else answers there: another mapping, a file that is kept secret, the app's include file. */
static bool is_taken(const struct nginx_statics *all, size_t of, const char *rest, const char *include,
		     const char *url)
{
	_cleanup_(freep) char *bare = xstrndup(url, strlen(url) - str_ends(url, "/"));

	for (size_t i = 0; i < all->n; i++)
		if (is_same_url(all->v[i].url, url))
			return true;
	return (all->v[of].is_code && nginx_is_secret(rest + 1)) || strstr(include, bare);
}

/* rest: the link's path below its mapping, with a '/' in front. */
static void add_link(struct nginx_statics *all, const struct router_app *a, size_t of, const char *include,
		     const char *path, const char *rest)
{
	_cleanup_(freep) char *real = realpath(path, NULL), *url = NULL, *from = NULL;
	bool is_directory = real && is_dir(real);

	if (!real)
		return; /* it leads nowhere */
	url = xasprintf("%s%s%s", all->v[of].url, rest + 1, is_directory ? "/" : "");
	if (is_taken(all, of, rest, include, url))
		return;
	from = nginx_confines_of(a, real);
	if (!from || !nginx_is_plain_url(url)) {
		note(a, "%s is not served: it is a link to %s%s", path, real,
		     from ? ", and its name would need encoding" : ", which is not the app's to serve");
		return;
	}
	struct nginx_static *s = GROW(&all->v, &all->n);

	*s = (struct nginx_static){ .url = TAKE(url),
				    .dir = TAKE(real),
				    .from = TAKE(from),
				    .is_file = !is_directory,
				    .is_fallback = all->v[of].is_fallback };
}

/* What has a dot in front (.bin, .venv) is for nobody, but for .well-known. */
static bool is_hidden(const FTSENT *at)
{
	return at->fts_level > 0 && *at->fts_name == '.' && !str_eq(at->fts_name, ".well-known");
}

static void walk(struct nginx_statics *all, const struct router_app *a, size_t of, const char *include)
{
	_cleanup_(freep) char *dir = xstrdup(all->v[of].dir);
	char *const paths[] = { dir, NULL };
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	size_t entries = 0, before = all->n;
	FTSENT *at;

	while (walk && (at = fts_read(walk))) {
		if (++entries > ENTRIES_MAX || all->n - before >= LINKS_MAX) {
			note(a, "%s has too many entries: links in it that come after %s are not served", dir,
			     at->fts_path);
			break;
		}
		if (at->fts_info == FTS_D && (is_hidden(at) || at->fts_level >= DEEPEST))
			(void) fts_set(walk, at, FTS_SKIP);
		else if (at->fts_info == FTS_F && at->fts_statp->st_size >= LARGE)
			all->v[of].has_large = true;
		else if (at->fts_info == FTS_SL && !is_hidden(at))
			add_link(all, a, of, include, at->fts_path, at->fts_path + strlen(dir));
	}
	if (walk)
		(void) fts_close(walk);
}

void nginx_links_find(struct nginx_statics *all, const struct router_app *a, const char *include)
{
	size_t n = all->n;

	for (size_t i = 0; i < n; i++)
		if (all->v[i].from)
			walk(all, a, i, include);
}
