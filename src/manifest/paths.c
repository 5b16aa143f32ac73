/* Paths and static mappings as settings write them, made safe for what is rendered from them. */
#include <jansson.h>

#include "manifest/settings-internal.h"

/* UTF-8 without anything that ends or begins something in nginx's configuration. */
static bool is_safe(const char *s, const char *unsafe)
{
	json_t *j = json_string(s);
	bool is_text = j != NULL;

	json_decref(j);
	for (; is_text && *s; s++)
		is_text = (unsigned char) *s >= ' ' && *s != 0x7f && !strchr(unsafe, *s);
	return is_text;
}

/* path without empty and "." parts; NULL when a part is "..". */
static char *without_dots(const char *path)
{
	_cleanup_(strv_done) struct strv parts = { 0 }, kept = { 0 };

	strv_split(&parts, path, "/");
	for (size_t i = 0; i < parts.n; i++) {
		if (str_eq(parts.v[i], ".."))
			return NULL;
		if (!str_eq(parts.v[i], "."))
			STRV_ADD(&kept, parts.v[i]);
	}
	return strv_join(&kept, "/");
}

char *path_below(const char *text)
{
	_cleanup_(freep) char *path = NULL;

	if (*text == '/' || !is_safe(text, "\"';{}$\\"))
		return NULL;
	path = without_dots(text);
	return path && *path ? TAKE(path) : NULL;
}

char *path_clean(const char *text)
{
	_cleanup_(freep) char *inner = without_dots(text);

	return inner ? xasprintf("/%s", inner) : NULL;
}

/* "/static", "/static/", "/" as "/static/", "/static/", "/"; NULL: no such URL can be mapped. */
static char *read_url(const char *text)
{
	_cleanup_(freep) char *inner = NULL;

	if (*text != '/' || !is_safe(text, "\"';{}$\\ "))
		return NULL;
	inner = without_dots(text);
	if (!inner)
		return NULL;
	return *inner ? xasprintf("/%s/", inner) : xstrdup("/");
}

static char *read_path(const char *text, bool is_worker)
{
	_cleanup_(freep) char *inner = NULL;

	if (!*text || !is_safe(text, "\"';{}$\\"))
		return NULL;
	inner = without_dots(text);
	if (!inner)
		return NULL;
	if (*text == '/' && !is_worker)
		return *inner ? xasprintf("/%s", inner) : NULL;
	return xstrdup(*inner ? inner : ".");
}

static const char *add_one(struct plan_route *route, const char *item, bool is_worker)
{
	const char *colon = strchr(item, ':');
	_cleanup_(freep) char *url_text = NULL, *path_text = NULL, *url = NULL, *path = NULL;
	struct plan_static *mapping;

	if (!colon || strchr(colon + 1, ':'))
		return "expected /URL:PATH with exactly one ':'";
	url_text = span_dup(span_trim(item, colon));
	path_text = span_dup(span_trim(colon + 1, item + strlen(item)));
	url = read_url(url_text);
	if (!url)
		return "expected a URL path that begins with '/' before the ':'";
	path = read_path(path_text, is_worker);
	if (!path)
		return "expected a directory without '..' after the ':'";
	for (size_t i = 0; i < route->n_statics; i++)
		if (str_eq(route->statics[i].url, url))
			return "this URL path is mapped already";
	mapping = GROW(&route->statics, &route->n_statics);
	*mapping = (struct plan_static){ TAKE(url), TAKE(path) };
	return NULL;
}

/* "public", "/public/" and "/" are the directory for the whole site; "/:public" and "/s:dir" are mappings. */
static char *worker_mappings(const char *text)
{
	struct span all = span_of(text);

	if (strchr(text, ':'))
		return xasprintf("%s%s", *text == '/' ? "" : "/", text);
	while (all.n && *all.s == '/')
		all = (struct span){ all.s + 1, all.n - 1 };
	while (all.n && all.s[all.n - 1] == '/')
		all.n--;
	return xasprintf("/:%.*s", all.n ? (int) all.n : 1, all.n ? all.s : ".");
}

const char *statics_add(struct plan_route *route, const char *text, bool is_worker, char **bad)
{
	_cleanup_(freep) char *items = is_worker ? worker_mappings(text) : xstrdup(text);
	_cleanup_(strv_done) struct strv all = { 0 };
	const char *why = NULL;

	strv_split(&all, items, ",");
	for (size_t i = 0; !why && i < all.n; i++) {
		_cleanup_(freep) char *item = span_dup(span_trim(all.v[i], all.v[i] + strlen(all.v[i])));

		if (!*item)
			continue;
		why = add_one(route, item, is_worker);
		if (why)
			*bad = TAKE(item);
	}
	return why;
}
