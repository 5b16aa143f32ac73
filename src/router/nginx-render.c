/*
 * The text of one app's file. What every app has in common (gzip, buffers, timeouts) stands in the main
 * configuration instead, where an app's include file can still override it.
 */
#include "router/nginx-internal.h"

#include <assert.h>
#include <arpa/inet.h>

#include "base/file.h"
#include "plan/root.h"

#define CONF_MAX ((size_t) 1 << 20)

void nginx_put(struct strb *b, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	if (strb_adds(b, text) < 0)
		b->max = 0;
}

int nginx_put_end(struct strb *b, char **ret, struct err **e)
{
	if (b->max == 0) {
		strb_done(b);
		return err_set(e, ERR_REFUSED, "the configuration for nginx would be larger than %zu bytes",
			       CONF_MAX);
	}
	*ret = strb_take(b);
	return 0;
}

const char *nginx_tls_words(const struct nginx_facts *f)
{
	return f->http2 == HTTP2_LISTEN ? " ssl http2" : " ssl";
}

void nginx_put_listen(struct strb *b, const struct host *host, const struct plan_route *route,
		      const struct nginx_facts *f, unsigned port, const char *suffix)
{
	const char *v4 = route && route->ipv4_address ? route->ipv4_address : host->listen_ipv4;
	const char *v6 = route && route->ipv6_address ? route->ipv6_address : host->listen_ipv6;
	bool wants_v6 = f->has_ipv6 && (!route || route->has_ipv6) && host->listen_ipv6 && *host->listen_ipv6;

	if (v4 && *v4)
		nginx_put(b, "\tlisten %s:%u%s;\n", v4, port, suffix);
	if (wants_v6 && *v6)
		nginx_put(b, *v6 == '[' ? "\tlisten %s:%u%s;\n" : "\tlisten [%s]:%u%s;\n", v6, port, suffix);
}

void nginx_put_acme(struct strb *b, const char *root)
{
	_cleanup_(freep) char *path = root_path(root, "acme"), *quoted = nginx_quote(path);

	nginx_put(
		b,
		"\tlocation ^~ /.well-known/acme-challenge/ {\n\t\tallow all;\n\t\tdefault_type text/plain;\n"
		"\t\troot %s;\n\t}\n",
		quoted);
}

/* The address at which instances are reached: one that listens everywhere is asked on loopback. */
static char *upstream_host(const char *bind_address)
{
	struct in6_addr six;

	if (!bind_address || !*bind_address || str_eq(bind_address, "localhost") ||
	    str_eq(bind_address, "0.0.0.0"))
		return xstrdup("127.0.0.1");
	if (inet_pton(AF_INET6, bind_address, &six) == 1)
		return xasprintf("[%s]", IN6_IS_ADDR_UNSPECIFIED(&six) ? "::1" : bind_address);
	return xstrdup(bind_address);
}

static bool has_socket(const struct router_app *a)
{
	const struct plan_service *s = plan_routed_service(a->plan);

	return s && service_has_socket(s);
}

const char *nginx_protocol(const struct router_app *a)
{
	return has_socket(a) ? "uwsgi" : "proxy";
}

/*
 * The upstream has the app's name, as Piku's include files expect. Idle connections are dropped after a
 * second: application servers drop theirs after 2 (gunicorn) or 5 (Node, uvicorn), and a request that meets a
 * connection being closed would be lost unless it may be repeated.
 */
static void put_upstream(struct strb *b, const struct router_app *a)
{
	_cleanup_(freep) char *host = upstream_host(a->plan->bind_address);
	bool has_sockets = has_socket(a);

	nginx_put(b, "upstream %s {\n", a->plan->app);
	for (size_t i = 0; i < a->n_ports; i++) {
		_cleanup_(freep) char *socket = root_uwsgi_socket(a->root, a->ports[i]);

		if (has_sockets)
			nginx_put(b, "\tserver \"unix:%s\";\n", socket);
		else
			nginx_put(b, "\tserver %s:%u;\n", host, a->ports[i]);
	}
	if (a->n_ports == 0)
		nginx_put(b, "\tserver 127.0.0.1:9 down;\n"); /* there has to be one, and none runs */
	nginx_put(b, has_sockets ? "}\n" : "\tkeepalive 64;\n\tkeepalive_timeout 1s;\n}\n");
}

static void put_tls(struct strb *b, const struct router_app *a, const struct nginx_facts *f)
{
	_cleanup_(freep) char *crt = root_path(a->root, "certs/%s.crt", a->plan->app);
	_cleanup_(freep) char *key = root_path(a->root, "certs/%s.key", a->plan->app);
	_cleanup_(freep) char *crt_quoted = nginx_quote(crt), *key_quoted = nginx_quote(key);

	nginx_put_listen(b, a->host, &a->plan->route, f, a->host->https_port, nginx_tls_words(f));
	if (f->http2 == HTTP2_DIRECTIVE)
		nginx_put(b, "\thttp2 on;\n");
	nginx_put(b, "\tssl_certificate %s;\n\tssl_certificate_key %s;\n", crt_quoted, key_quoted);
}

static void put_names(struct strb *b, const struct strv *hosts)
{
	_cleanup_(freep) char *names = strv_join(hosts, " ");

	nginx_put(b, "\tserver_name %s;\n", names);
}

/* HTTPS only: all that plain HTTP gets is where to go, under the name it asked for. */
static void put_redirect_server(struct strb *b, const struct router_app *a, const struct nginx_facts *f)
{
	_cleanup_(freep) char *port =
		a->host->https_port == 443 ? xstrdup("") : xasprintf(":%u", a->host->https_port);

	nginx_put(b, "server {\n");
	nginx_put_listen(b, a->host, &a->plan->route, f, a->host->http_port, "");
	put_names(b, &a->plan->route.hosts);
	nginx_put(b, "\tadd_header X-Deployed-By \"Piku\" always;\n");
	nginx_put_acme(b, a->root);
	nginx_put(b, "\tlocation / {\n\t\treturn 301 https://$host%s$request_uri;\n\t}\n}\n", port);
}

static void put_unavailable(struct strb *b, const char *location, const char *app, const char *why)
{
	nginx_put(b,
		  "\tlocation %s {\n\t\tdefault_type text/plain;\n\t\tadd_header X-Deployed-By \"Piku\" "
		  "always;\n"
		  "\t\tadd_header Retry-After 30 always;\n\t\tadd_header Cache-Control no-store always;\n"
		  "\t\treturn 503 \"%s %s. Please try again later.\\n\";\n\t}\n",
		  location, app, why);
}

/* Piku's parameters, and those without which an app believes that all requests are plain HTTP. What a client
 * sends in a header of one of these names does not reach the app. */
static void put_uwsgi(struct strb *b, const struct router_app *a)
{
	static const char *const params[][2] = {
		{ "QUERY_STRING", "$query_string" },
		{ "REQUEST_METHOD", "$request_method" },
		{ "CONTENT_TYPE", "$content_type" },
		{ "CONTENT_LENGTH", "$content_length" },
		{ "REQUEST_URI", "$request_uri" },
		{ "PATH_INFO", "$document_uri" },
		{ "DOCUMENT_ROOT", "$document_root" },
		{ "SERVER_PROTOCOL", "$server_protocol" },
		{ "REQUEST_SCHEME", "$scheme" },
		{ "HTTPS", "$https if_not_empty" },
		{ "X_FORWARDED_FOR", "$proxy_add_x_forwarded_for" },
		{ "REMOTE_ADDR", "$remote_addr" },
		{ "REMOTE_PORT", "$remote_port" },
		{ "SERVER_ADDR", "$server_addr" },
		{ "SERVER_PORT", "$server_port" },
		{ "SERVER_NAME", "$server_name" },
		{ "HTTP_X_FORWARDED_PROTO", "$scheme" },
		{ "HTTP_X_FORWARDED_FOR", "$proxy_add_x_forwarded_for" },
		{ "HTTP_X_REMOTE_ADDRESS", "$remote_addr" },
		{ "HTTP_X_FORWARDED_PORT", "$server_port" },
		{ "HTTP_X_REQUEST_START", "$msec" },
	};

	nginx_put(b, "\t\tuwsgi_pass %s;\n", a->plan->app);
	for (size_t i = 0; i < COUNT(params); i++)
		nginx_put(b, "\t\tuwsgi_param %s %s;\n", params[i][0], params[i][1]);
}

void nginx_put_pass(struct strb *b, const struct router_app *a)
{
	if (has_socket(a)) {
		put_uwsgi(b, a);
		return;
	}
	nginx_put(b,
		  "\t\tproxy_pass http://%s;\n"
		  "\t\tproxy_http_version 1.1;\n"
		  "\t\tproxy_set_header Host $http_host;\n"
		  "\t\tproxy_set_header Upgrade $slipway_upgrade;\n"
		  "\t\tproxy_set_header Connection $slipway_connection;\n"
		  "\t\tproxy_set_header X-Forwarded-Proto $scheme;\n"
		  "\t\tproxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
		  "\t\tproxy_set_header X-Remote-Address $remote_addr;\n"
		  "\t\tproxy_set_header X-Forwarded-Port $server_port;\n"
		  "\t\tproxy_set_header X-Request-Start $msec;\n",
		  a->plan->app);
}

static void put_proxy(struct strb *b, const char *location, const struct router_app *a)
{
	if (a->n_ports == 0) {
		put_unavailable(b, location, a->plan->app, "is not running");
		return;
	}
	nginx_put(b, "\tlocation %s {\n", location);
	nginx_put_pass(b, a);
	nginx_put(b, "\t}\n");
}

static void put_links(struct strb *b, const struct nginx_static *s)
{
	_cleanup_(freep) char *word = s->from ? xasprintf("from=%s", s->from) : NULL,
			      *quoted = word ? nginx_quote(word) : NULL;

	if (quoted)
		nginx_put(b, "\t\tdisable_symlinks on %s;\n", quoted);
}

static void put_file(struct strb *b, const struct nginx_static *s)
{
	_cleanup_(freep) char *file = nginx_quote(s->dir);

	nginx_put(b, "\tlocation = \"%s\" {\n\t\talias %s;\n", s->url, file);
	put_links(b, s);
	nginx_put(b, "\t}\n");
}

static const char *const secrets[] = { "ENV", "Procfile", "SCALING", "LIVE_ENV", ".env" };

bool nginx_is_secret(const char *name)
{
	for (size_t i = 0; i < COUNT(secrets); i++)
		if (str_eq(name, secrets[i]))
			return true;
	return false;
}

/*
 * Large files go past the page cache, and no worker waits for the disk meanwhile. It costs small files a
 * third of their requests a second (bench/nginx), so it is for directories that have large ones, or that
 * nobody looks into.
 */
static void put_reading(struct strb *b, const struct nginx_facts *f, const struct nginx_static *s)
{
	nginx_put(b, "\t\tsendfile on;\n\t\tsendfile_max_chunk 1m;\n\t\ttcp_nopush on;\n");
	if (f->has_threads && (s->has_large || !s->from))
		nginx_put(b, "\t\tdirectio 8m;\n\t\taio threads;\n");
}

/* "location /static/" with a '/' at its end: without it, "/static../ENV" would be below the directory's
 * parent. */
static void put_static(struct strb *b, const struct router_app *a, const struct nginx_facts *f,
		       const struct nginx_static *s)
{
	_cleanup_(freep) char *slashed = path_join(str_eq(s->dir, "/") ? "" : s->dir, ""),
			      *dir = nginx_quote(slashed);
	const char *last = a->plan->route.catch_all;

	if (!str_eq(s->url, "/"))
		nginx_put(b, "\tlocation = \"%.*s\" {\n\t\treturn 301 \"%s$is_args$args\";\n\t}\n",
			  (int) strlen(s->url) - 1, s->url, s->url);
	for (size_t i = 0; s->is_code && i < COUNT(secrets); i++)
		nginx_put(b, "\tlocation = \"%s%s\" {\n\t\treturn 404;\n\t}\n", s->url, secrets[i]);
	nginx_put(b, "\tlocation \"%s\" {\n\t\talias %s;\n", s->url, dir);
	put_links(b, s);
	put_reading(b, f, s);
	if (s->is_immutable)
		nginx_put(b, "\t\topen_file_cache max=1024 inactive=20s;\n\t\topen_file_cache_valid 1s;\n");
	if (s->is_fallback) {
		nginx_put(b, "\t\ttry_files $uri $uri.html $uri/index.html @app;\n\t\terror_page 405 = "
			     "@app;\n\t}\n");
		return;
	}
	while (last && *last == '/')
		last++;
	_cleanup_(freep) char *quoted = last && *last ? nginx_quote(last) : NULL;
	nginx_put(b, "\t\ttry_files $uri $uri.html $uri/ %s%s=404;\n\t}\n", quoted ? quoted : "",
		  quoted ? " " : "");
}

/* A static site beside an app: what is a file is answered with it, all else goes to the app. */
static void put_locations(struct strb *b, const struct router_app *a, const struct nginx_facts *f,
			  struct nginx_statics *statics, const struct nginx_cache *cache, const char *include)
{
	bool is_proxied = nginx_is_proxied(a->plan), has_site = false;

	if (!a->plan->route.allows_git)
		nginx_put(b, "\tlocation ~ /\\.git {\n\t\treturn 403;\n\t}\n");
	nginx_put_cache_location(b, a, cache);
	for (size_t i = 0; i < statics->n; i++) {
		bool is_site = str_eq(statics->v[i].url, "/");

		statics->v[i].is_fallback = is_site && is_proxied;
		has_site |= is_site;
	}
	nginx_links_find(statics, a, include);
	for (size_t i = 0; i < statics->n; i++) {
		if (statics->v[i].is_file)
			put_file(b, &statics->v[i]);
		else
			put_static(b, a, f, &statics->v[i]);
	}
	if (is_proxied)
		put_proxy(b, has_site ? "@app" : "/", a);
	else if (!has_site)
		nginx_put(b, "\tlocation / {\n\t\treturn 404;\n\t}\n");
}

static int put_server(struct strb *b, const struct router_app *a, const struct nginx_facts *f,
		      const struct nginx_cache *cache, struct err **e)
{
	_cleanup_(nginx_statics_done) struct nginx_statics statics = { 0 };
	_cleanup_(freep) char *include = NULL;
	int r = nginx_statics_find(&statics, a, e);

	if (r == 0)
		r = nginx_include_read(a, &include, e);
	if (r < 0)
		return r;
	assert(include);
	nginx_put(b, "server {\n");
	if (!a->plan->route.is_https_only)
		nginx_put_listen(b, a->host, &a->plan->route, f, a->host->http_port, "");
	put_tls(b, a, f);
	put_names(b, &a->plan->route.hosts);
	nginx_put_acl_server(b, a);
	if (f->helper)
		nginx_put_defaults(b, include);
	nginx_put(b, "\tadd_header X-Deployed-By \"Piku\" always;\n");
	if (!a->plan->route.is_https_only)
		nginx_put_acme(b, a->root);
	if (a->is_stopped) {
		put_unavailable(b, "/", a->plan->app, "is stopped");
	} else {
		if (*include)
			nginx_put(b, "\t# NGINX_INCLUDE_FILE\n%s\n\t# end of NGINX_INCLUDE_FILE\n", include);
		put_locations(b, a, f, &statics, cache, include);
	}
	nginx_put(b, "}\n");
	return 0;
}

int nginx_render(const struct router_app *a, const struct nginx_facts *f, char **ret, struct err **e)
{
	_cleanup_(nginx_cache_done) struct nginx_cache cache = { 0 };
	struct strb b = STRB(CONF_MAX);
	int r = nginx_cache_prepare(a, f, &cache, e);

	if (r < 0)
		return r;
	nginx_put(&b, "# Made by slipway for the app %s at its deployment, and made anew at the next.\n",
		  a->plan->app);
	if (nginx_is_proxied(a->plan) && !a->is_stopped)
		put_upstream(&b, a);
	nginx_put_cache_zone(&b, a, &cache);
	r = nginx_put_acl(&b, a, f, e);
	if (r < 0) {
		strb_done(&b);
		return r;
	}
	if (a->plan->route.is_https_only)
		put_redirect_server(&b, a, f);
	r = put_server(&b, a, f, &cache, e);
	if (r < 0) {
		strb_done(&b);
		return r;
	}
	return nginx_put_end(&b, ret, e);
}
