/*
 * NGINX_CACHE_*: answers that nginx keeps on disk. nginx takes possession of a cache's directory, as root
 * where it runs as root, and removes what it finds in it: so it is never one that an app may write to, nor
 * one that holds anything else.
 */
#include "router/nginx-internal.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "plan/root.h"

#define OWN_DIR "cache/.nginx/kept" /* no app is called so; see TEMPORARY_FILES */

bool nginx_has_cache(const struct router_app *a)
{
	return a->plan->route.cache.prefixes.n > 0 && nginx_is_proxied(a->plan) && !a->is_stopped &&
	       a->n_ports > 0;
}

static bool is_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* The operator's directory, if there is a way to use it. */
static bool is_usable(const struct router_app *a, const char *path)
{
	_cleanup_(freep) char *root = realpath(a->root, NULL), *real = NULL;

	if (!nginx_is_quotable(path) || strlen(path) > 1000 || dir_make(path, 0711, NULL) < 0)
		return false;
	real = realpath(path, NULL);
	return real && root && is_dir(real) && !is_in(real, root) && !is_in(root, real);
}

static char *find_dir(const struct router_app *a, const struct nginx_facts *f, bool *is_own)
{
	const char *wanted = a->plan->route.cache.path;

	*is_own = f->helper || !wanted || !is_usable(a, wanted);
	if (wanted && *is_own && a->notes)
		strv_addf(a->notes, "NGINX_CACHE_PATH: %s cannot be used%s: the cache is in its usual place",
			  wanted,
			  f->helper ? " with the system's nginx"
				    : " (it has to be a directory that can be made, outside of the root "
				      "directory)");
	if (f->helper)
		return path_join(a->host->nginx_cache, a->plan->app);
	return *is_own ? root_path(a->root, OWN_DIR "/%s", a->plan->app)
		       : xasprintf("%s/slipway-cache-%s", wanted, a->plan->app);
}

int nginx_cache_prepare(const struct router_app *a, const struct nginx_facts *f, struct nginx_cache *ret,
			struct err **e)
{
	_cleanup_(freep) char *own = root_path(a->root, OWN_DIR);
	struct hash *h = NULL;
	bool is_own;

	*ret = (struct nginx_cache){ 0 };
	if (!nginx_has_cache(a))
		return 0;
	ret->dir = find_dir(a, f, &is_own);
	ret->zone = xstrdup(a->plan->app);
	if (!is_own) { /* nginx refuses to change a zone's directory */
		h = hash_new();
		hash_text(h, ret->dir);
		_cleanup_(freep) char *sum = hash_end(h);

		free(ret->zone);
		ret->zone = xasprintf("%s@%.8s", a->plan->app, sum);
	}
	return is_own && !f->helper ? dir_make(own, 0711, e) : 0;
}

void nginx_cache_done(struct nginx_cache *c)
{
	free(c->dir);
	free(c->zone);
	*c = (struct nginx_cache){ 0 };
}

void nginx_cache_remove(const char *root, const char *app)
{
	_cleanup_(freep) char *dir = root_path(root, OWN_DIR "/%s", app);

	(void) tree_remove(dir, NULL); /* nobody misses it, and it may be in use for a moment yet */
}

/* A variable's name for the app's own: its name in hexadecimal, as it may have any of "._-". */
static char *told_name(const char *app)
{
	struct strb b = STRB(1024);

	(void) strb_adds(&b, "$slipway_told_");
	for (; *app; app++)
		(void) strb_addf(&b, "%02x", (unsigned char) *app);
	return strb_take(&b);
}

void nginx_put_cache_zone(struct strb *b, const struct router_app *a, const struct nginx_cache *c)
{
	const struct plan_cache *cache = &a->plan->route.cache;
	_cleanup_(freep) char *dir = NULL, *told = told_name(a->plan->app);

	if (!c->dir)
		return;
	dir = nginx_quote(c->dir);
	nginx_put(b,
		  "%s_cache_path %s levels=1:2 keys_zone=%s:20m inactive=%us max_size=%ug "
		  "use_temp_path=off;\n",
		  nginx_protocol(a), dir, c->zone, cache->expiry_s, cache->size_gb);
	/* What the app keeps from others' caches is not kept here, nor called public. */
	nginx_put(b,
		  "map $upstream_http_cache_control %s {\n\tdefault \"public, max-age=%u\";\n"
		  "\t\"~*private|no-store|no-cache\" $upstream_http_cache_control;\n}\n",
		  told, cache->control_s);
}

/* The prefixes as a pattern: "img|api/v1\.0". */
static char *pattern_of(const struct strv *prefixes)
{
	struct strb b = STRB(1 << 20);

	for (size_t i = 0; i < prefixes->n; i++) {
		if (i)
			(void) strb_adds(&b, "|");
		for (const char *c = prefixes->v[i]; *c; c++)
			(void) strb_addf(&b, *c == '.' ? "\\%c" : "%c", *c);
	}
	return strb_take(&b);
}

void nginx_put_cache_location(struct strb *b, const struct router_app *a, const struct nginx_cache *c)
{
	const struct plan_cache *cache = &a->plan->route.cache;
	const char *is = nginx_protocol(a);
	_cleanup_(freep) char *pattern = NULL, *told = told_name(a->plan->app);

	if (!c->dir)
		return;
	pattern = pattern_of(&cache->prefixes);
	nginx_put(b, "\tlocation ~* \"^/(%s)\" {\n", pattern);
	nginx_put(b,
		  "\t\t%s_cache %s;\n"
		  "\t\t%s_cache_key \"$scheme$host$request_uri\";\n"
		  "\t\t%s_cache_valid 200 304 %us;\n"
		  "\t\t%s_cache_valid 301 307 %us;\n"
		  "\t\t%s_cache_valid 500 502 503 504 0s;\n"
		  "\t\t%s_cache_valid any %us;\n",
		  is, c->zone, is, is, cache->time_s, is, cache->redirects_s, is, is, cache->any_s);
	/* What one who has signed in gets is not for all. */
	nginx_put(b,
		  "\t\t%s_cache_bypass $http_authorization;\n"
		  "\t\t%s_no_cache $http_authorization;\n"
		  "\t\t%s_hide_header Cache-Control;\n"
		  "\t\tadd_header Cache-Control %s;\n"
		  "\t\tadd_header X-Cache $upstream_cache_status;\n"
		  "\t\tadd_header X-Deployed-By \"Piku\" always;\n",
		  is, is, is, told);
	nginx_put_pass(b, a);
	nginx_put(b, "\t}\n");
}
