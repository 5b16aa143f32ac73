/* NGINX_CACHE_*: what nginx is to keep of the app's answers. */
#include <ctype.h>

#include "manifest/settings-internal.h"

enum { MAX_PREFIXES = 100, MAX_SECONDS = 10 * 365 * 86400, MAX_GIGABYTES = 1 << 16 };

/* By Piku's rule a number that is none is said and counts as unset. */
static unsigned read_number(const struct settings *s, const char *name, long min, long max, long def)
{
	const char *text = setting_text(s, name);
	long n;

	if (!text)
		return (unsigned) def;
	if (str_to_long(text, min, max, &n))
		return (unsigned) n;
	setting_problem(s, SEVERITY_WARNING, name, "is '%s', which is no number from %ld to %ld: %ld is used",
			text, min, max, def);
	return (unsigned) def;
}

/* It becomes part of a pattern, as itself. */
static bool is_prefix(const char *text)
{
	for (const char *c = text; *c; c++)
		if (!(isalnum((unsigned char) *c) && (unsigned char) *c < 0x80) && !strchr("/._~-@", *c))
			return false;
	return *text != '\0';
}

static void read_prefixes(struct plan_cache *cache, const struct settings *s)
{
	static const char name[] = "NGINX_CACHE_PREFIXES";
	const char *text = setting_text(s, name);
	_cleanup_(strv_done) struct strv all = { 0 };

	strv_split(&all, text ? text : "", ",| \t");
	if (all.n > MAX_PREFIXES)
		setting_problem(s, SEVERITY_ERROR, name, "has more than %d prefixes", MAX_PREFIXES);
	for (size_t i = 0; i < all.n && i < MAX_PREFIXES; i++) {
		const char *prefix = all.v[i] + (*all.v[i] == '/');

		if (!is_prefix(prefix))
			setting_problem(s, SEVERITY_ERROR, name,
					"has '%s': expected the beginning of a URL path, of letters, digits "
					"and / . _ ~ - @",
					all.v[i]);
		else if (!strv_has(&cache->prefixes, prefix))
			STRV_ADD(&cache->prefixes, prefix);
	}
}

/* nginx takes possession of the directory, as root where it runs as root. */
static void read_path(struct plan_cache *cache, const struct settings *s)
{
	static const char name[] = "NGINX_CACHE_PATH";
	const char *text = setting_text(s, name);
	_cleanup_(freep) char *path = text && *text == '/' ? path_clean(text) : NULL;

	if (!text)
		return;
	if (setting_is_of_code(s, name))
		setting_problem(s, SEVERITY_WARNING, name,
				"is '%s': only the operator may choose a directory (slipway config:set); the "
				"default is used",
				text);
	else if (!path || str_eq(path, "/"))
		setting_problem(s, SEVERITY_ERROR, name, "is '%s': expected an absolute directory", text);
	else
		cache->path = TAKE(path);
}

void cache_compile(struct plan_cache *cache, const struct settings *s)
{
	enum { HOUR = 3600 };

	read_prefixes(cache, s);
	if (cache->prefixes.n == 0)
		return;
	read_path(cache, s);
	cache->size_gb = read_number(s, "NGINX_CACHE_SIZE", 1, MAX_GIGABYTES, 1);
	cache->time_s = read_number(s, "NGINX_CACHE_TIME", 0, MAX_SECONDS, HOUR);
	cache->redirects_s = read_number(s, "NGINX_CACHE_REDIRECTS", 0, MAX_SECONDS, HOUR);
	cache->any_s = read_number(s, "NGINX_CACHE_ANY", 0, MAX_SECONDS, HOUR);
	cache->control_s = read_number(s, "NGINX_CACHE_CONTROL", 0, MAX_SECONDS, HOUR);
	cache->expiry_s = read_number(s, "NGINX_CACHE_EXPIRY", 1, MAX_SECONDS, 24 * HOUR);
}
