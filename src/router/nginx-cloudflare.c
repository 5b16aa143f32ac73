/*
 * NGINX_CLOUDFLARE_ACL: only Cloudflare's addresses, this machine and who deployed reach the app. The list is
 * fetched from Cloudflare and kept; without one nothing is let in. Every address in it is parsed and printed
 * anew, so that nothing of what was fetched gets into a configuration as it came.
 *
 * `allow` and `deny` would judge by the address that CF-Connecting-IP claims, once nginx believes it: so who
 * may come in is decided by the address of the connection.
 */
#include "router/nginx-internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/http.h"
#include "base/json.h"
#include "plan/root.h"

#define KEPT_FILE "cache/.nginx/cloudflare"

enum { FETCH_MS = 10000, LIST_MAX = 1 << 20, RANGES_MAX = 1000, FRESH_S = 24 * 3600 };

/* Shorter than this, a range is no provider's: it would let in half the world. */
enum { SHORTEST_V4 = 8, SHORTEST_V6 = 16 };

bool nginx_range_add(struct strv *to, const char *text)
{
	char address[INET6_ADDRSTRLEN], clean[INET6_ADDRSTRLEN];
	unsigned char bytes[sizeof(struct in6_addr)];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t) (slash - text) : strlen(text);
	long bits;

	if (!slash || n >= sizeof address)
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;
	bool is_v6 = family == AF_INET6;

	if (inet_pton(family, address, bytes) != 1 || !inet_ntop(family, bytes, clean, sizeof clean) ||
	    !str_to_long(slash + 1, is_v6 ? SHORTEST_V6 : SHORTEST_V4, is_v6 ? 128 : 32, &bits))
		return false;
	_cleanup_(freep) char *range = xasprintf("%s/%ld", clean, bits);

	if (!strv_has(to, range))
		STRV_ADD(to, range);
	return to->n <= RANGES_MAX;
}

static int add_all(struct strv *to, const json_t *list, const char *what, struct err **e)
{
	json_t *at;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0)
		return err_set(e, ERR_REFUSED, "it has no %s", what);
	json_array_foreach(list, i, at)
	{
		const char *text = json_is_string(at) ? json_string_value(at) : "";

		if (!nginx_range_add(to, text))
			return err_set(e, ERR_REFUSED, "'%.60s' in %s is no range of addresses", text, what);
	}
	return 0;
}

int nginx_ranges_parse(struct strv *to, const char *text, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = json_loads(text, 0, NULL);
	const json_t *result = json_object_get(j, "result");

	if (!j || !json_flag(j, "success", false))
		return err_set(e, ERR_REFUSED, "it does not say \"success\": true");
	int r = add_all(to, json_object_get(result, "ipv4_cidrs"), "ipv4_cidrs", e);

	return r < 0 ? r : add_all(to, json_object_get(result, "ipv6_cidrs"), "ipv6_cidrs", e);
}

static int fetch(const char *url, struct strv *ret, struct err **e)
{
	_cleanup_(http_answer_done) struct http_answer answer = { 0 };
	const struct http_request request = {
		.method = "GET", .url = url, .timeout_ms = FETCH_MS, .max_answer = LIST_MAX, .follow = true
	};
	int r = http_run(&request, &answer, e);

	if (r == 0 && answer.status != 200)
		r = err_set(e, ERR_FAILED, "%s answered with %d", url, answer.status);
	if (r == 0) {
		r = nginx_ranges_parse(ret, answer.body, e);
		r = r < 0 ? err_wrap(e, r, "what %s answered", url) : 0;
	}
	return r;
}

/* The kept list, line by line as it was checked when it came. */
static int read_kept(const char *root, struct strv *ret, struct err **e)
{
	_cleanup_(freep) char *path = root_path(root, KEPT_FILE), *text = NULL;
	_cleanup_(strv_done) struct strv lines = { 0 };
	int r = file_read(path, LIST_MAX, &text, NULL, e);

	if (r < 0)
		return r;
	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++)
		if (!nginx_range_add(ret, lines.v[i]))
			return err_set(e, ERR_REFUSED, "%s: '%.60s' is no range of addresses", path,
				       lines.v[i]);
	return ret->n ? 0 : err_set(e, ERR_REFUSED, "%s is empty", path);
}

static int keep(const char *root, const struct strv *ranges, struct err **e)
{
	_cleanup_(freep) char *path = root_path(root, KEPT_FILE), *lines = strv_join(ranges, "\n"),
			      *text = xasprintf("%s\n", lines),
			      *dir = xstrndup(path, (size_t) (strrchr(path, '/') - path));
	int r = dir_make(dir, 0711, e);

	return r < 0 ? r : file_replace(path, text, strlen(text), 0644, e);
}

static bool is_fresh(const char *root)
{
	_cleanup_(freep) char *path = root_path(root, KEPT_FILE);
	struct stat st;

	return stat(path, &st) == 0 && time(NULL) - st.st_mtime < FRESH_S && st.st_mtime <= time(NULL);
}

int nginx_ranges_refresh(const char *root, const struct host *host, struct strv *notes, struct err **e)
{
	_cleanup_(strv_done) struct strv kept = { 0 }, fetched = { 0 };
	_cleanup_(err_freep) struct err *why = NULL;
	bool has_kept = read_kept(root, &kept, NULL) == 0;
	int r;

	if (has_kept && is_fresh(root))
		return 0;
	r = fetch(host->cloudflare_ranges, &fetched, &why);
	if (r == 0)
		return keep(root, &fetched, e);
	_cleanup_(freep) char *text = err_text(why);

	if (!has_kept)
		return err_set(e, ERR_MISSING,
			       "NGINX_CLOUDFLARE_ACL: Cloudflare's addresses are not known, and without them "
			       "nobody could be let in: %s",
			       text);
	if (notes)
		strv_addf(notes, "Cloudflare's addresses could not be fetched, the kept list is used: %s",
			  text);
	return 0;
}

/* ---- what is written ---- */

/* What stands between these is replaced when the list changes. Both come before an app's include file. */
static const char geo_begin[] = "\t# Cloudflare may come in\n", geo_end[] = "\t# others may not\n",
		  real_begin[] = "\t# Cloudflare says who asks\n", real_end[] = "\t# nobody else does\n";

static void put_ranges(struct strb *b, const struct strv *ranges, bool is_geo)
{
	nginx_put(b, "%s", is_geo ? geo_begin : real_begin);
	for (size_t i = 0; i < ranges->n; i++)
		nginx_put(b, is_geo ? "\t%s 1;\n" : "\tset_real_ip_from %s;\n", ranges->v[i]);
	nginx_put(b, "%s", is_geo ? geo_end : real_end);
}

static char *hex_of(const char *app)
{
	struct strb b = STRB(1024);

	for (; *app; app++)
		(void) strb_addf(&b, "%02x", (unsigned char) *app);
	return strb_take(&b);
}

static bool is_address(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int nginx_put_acl(struct strb *b, const struct router_app *a, const struct nginx_facts *f, struct err **e)
{
	_cleanup_(strv_done) struct strv ranges = { 0 };
	_cleanup_(freep) char *hex = hex_of(a->plan->app);
	const char *deployer = a->plan->route.deployer;
	int r;

	if (!a->plan->route.is_cloudflare_only)
		return 0;
	if (!f->has_realip)
		return err_set(
			e, ERR_MISSING,
			"NGINX_CLOUDFLARE_ACL needs nginx's module realip, and %s was built without it",
			f->program ? f->program : "nginx");
	r = read_kept(a->root, &ranges, e);
	if (r < 0)
		return err_wrap(e, ERR_REFUSED, "NGINX_CLOUDFLARE_ACL: Cloudflare's addresses are not known");
	nginx_put(b, "geo $realip_remote_addr $slipway_in_%s {\n\tdefault 0;\n\t127.0.0.1 1;\n\t::1 1;\n",
		  hex);
	if (deployer && is_address(deployer) && !str_eq(deployer, "127.0.0.1") && !str_eq(deployer, "::1"))
		nginx_put(b, "\t%s 1;\n", deployer);
	put_ranges(b, &ranges, true);
	/* A certificate authority may come from anywhere. */
	nginx_put(b,
		  "}\nmap \"$slipway_in_%s$uri\" $slipway_out_%s {\n\tdefault 1;\n\t\"~^1\" 0;\n"
		  "\t\"~^0/\\.well-known/acme-challenge/[A-Za-z0-9_-]+$\" 0;\n}\n",
		  hex, hex);
	return 0;
}

void nginx_put_acl_server(struct strb *b, const struct router_app *a)
{
	_cleanup_(strv_done) struct strv ranges = { 0 };
	_cleanup_(freep) char *hex = hex_of(a->plan->app);

	if (!a->plan->route.is_cloudflare_only)
		return;
	(void) read_kept(a->root, &ranges, NULL); /* nginx_put_acl() has */
	nginx_put(b, "\tif ($slipway_out_%s) {\n\t\treturn 403;\n\t}\n\treal_ip_header CF-Connecting-IP;\n",
		  hex);
	put_ranges(b, &ranges, false);
}

/* ---- when the list has changed ---- */

/* text with what is between begin and end replaced; NULL: they are not there. */
static char *replaced(const char *text, const struct strv *ranges, bool is_geo)
{
	const char *at = strstr(text, is_geo ? geo_begin : real_begin);
	const char *last = is_geo ? geo_end : real_end, *end = at ? strstr(at, last) : NULL;
	struct strb b = STRB((size_t) 4 << 20);

	if (!end)
		return NULL;
	(void) strb_add(&b, text, (size_t) (at - text));
	put_ranges(&b, ranges, is_geo);
	(void) strb_adds(&b, end + strlen(last));
	return strb_take(&b);
}

int nginx_acl_renew(const char *root, const char *text, char **ret, struct err **e)
{
	_cleanup_(strv_done) struct strv ranges = { 0 };
	_cleanup_(freep) char *with_geo = NULL;

	*ret = NULL;
	if (!nginx_has_acl(text))
		return 0;
	int r = read_kept(root, &ranges, e);
	if (r < 0)
		return r;
	with_geo = replaced(text, &ranges, true);
	char *all = with_geo ? replaced(with_geo, &ranges, false) : NULL;
	if (all && str_eq(all, text)) {
		free(all);
		all = NULL;
	}
	*ret = all;
	return 0;
}

bool nginx_has_acl(const char *text)
{
	return strstr(text, geo_begin) != NULL;
}
