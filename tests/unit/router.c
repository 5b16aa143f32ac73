/* The nginx router: what it writes, what it refuses, and a real nginx that serves, switches and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/proc.h"
#include "plan/root.h"
#include "router/certificate.h"
#include "router/nginx-internal.h"

/* ---- an app, made of as little as possible ---- */

#define S(text) ((char *) (text))

struct app {
	struct plan_service services[2];
	struct plan_static statics[4];
	struct plan plan;
	struct strv hosts;
	struct env env;
	struct router_app a;
	unsigned ports[4];
};

static struct host host = { .nginx_is_private = true,
			    .http_port = 8080,
			    .https_port = 8443,
			    .listen_ipv4 = S("127.0.0.1"),
			    .listen_ipv6 = S("[::1]") };

static void app_init(struct app *app, const char *name, const char *hosts)
{
	*app = (struct app){ 0 };
	strv_split(&app->hosts, hosts, ", ");
	app->services[0] = (struct plan_service){ .name = S("web"), .kind = SERVICE_WEB, .is_routed = true };
	app->plan =
		(struct plan){ .app = (char *) name,
			       .services = app->services,
			       .n_services = 1,
			       .bind_address = S("127.0.0.1"),
			       .route = { .hosts = app->hosts, .statics = app->statics, .has_ipv6 = true } };
	app->ports[0] = 20001;
	app->a = (struct router_app){ .root = "/srv/slipway",
				      .host = &host,
				      .plan = &app->plan,
				      .src = "/srv/slipway/releases/blog/v1/src",
				      .env = &app->env,
				      .ports = app->ports,
				      .n_ports = 1 };
}

static void app_static(struct app *app, const char *url, const char *path)
{
	app->statics[app->plan.route.n_statics++] = (struct plan_static){ (char *) url, (char *) path };
}

static void app_done(struct app *app)
{
	strv_done(&app->hosts);
	env_done(&app->env);
}

/* ---- what is written ---- */

struct render_row {
	const char *name;
	void (*change)(struct app *app);
	const char *has[6], *lacks[6];
};

static void as_is(struct app *app) {}

static void https_only(struct app *app)
{
	app->plan.route.is_https_only = true;
}

static void no_ipv6(struct app *app)
{
	app->plan.route.has_ipv6 = false;
}

static void no_ipv6_but_address(struct app *app)
{
	app->plan.route.has_ipv6 = false;
	app->plan.route.ipv6_address = S("[::]");
}

static void own_address(struct app *app)
{
	app->plan.route.ipv4_address = S("10.0.0.1");
	app->plan.route.ipv6_address = S("fe80::1");
}

static void with_static(struct app *app)
{
	app_static(app, "/static/", "static");
}

static void whole_code(struct app *app)
{
	app_static(app, "/all/", ".");
}

static void static_service(struct app *app)
{
	app->services[0] = (struct plan_service){ .name = S("static"),
						  .kind = SERVICE_STATIC,
						  .command = S("/public/") };
}

static void static_and_web(struct app *app)
{
	app->services[1] =
		(struct plan_service){ .name = S("static"), .kind = SERVICE_STATIC, .command = S("public") };
	app->plan.n_services = 2;
}

static void static_root(struct app *app)
{
	app->services[0] =
		(struct plan_service){ .name = S("static"), .kind = SERVICE_STATIC, .command = S("/") };
}

static void catch_all(struct app *app)
{
	static_service(app);
	app->plan.route.catch_all = S("index.html");
}

static void odd_path(struct app *app)
{
	app_static(app, "/s/", "a \"b\"; }");
}

static void git_folders(struct app *app)
{
	app->plan.route.allows_git = true;
}

static void three(struct app *app)
{
	app->ports[1] = 20003;
	app->ports[2] = 20005;
	app->a.n_ports = 3;
}

static void none_run(struct app *app)
{
	app->a.n_ports = 0;
}

static void stopped(struct app *app)
{
	app->a.is_stopped = true;
	with_static(app);
}

static void everywhere(struct app *app)
{
	app->plan.bind_address = S("0.0.0.0");
}

static void everywhere_v6(struct app *app)
{
	app->plan.bind_address = S("::");
}

static const struct render_row renders[] = {
	{ "piku-G01 one upstream, both names, both ports, both families, challenges, header",
	  as_is,
	  { "upstream blog {\n\tserver 127.0.0.1:20001;\n",
	    "\tlisten 127.0.0.1:8080;\n\tlisten [::1]:8080;\n\tlisten 127.0.0.1:8443 ssl http2;\n"
	    "\tlisten [::1]:8443 ssl http2;\n",
	    "\tserver_name a.example b.example;\n", "location ^~ /.well-known/acme-challenge/ {",
	    "add_header X-Deployed-By \"Piku\" always;", "proxy_set_header Connection $slipway_connection;" },
	  { "301" } },
	{ "piku-G02 https only redirects to the name that was asked for, with the port",
	  https_only,
	  { "return 301 https://$host:8443$request_uri;",
	    "server_name a.example b.example;\n\tadd_header X-Deployed-By "
	    "\"Piku\" always;\n\tlocation ^~ /.well-known" },
	  { "8080;\n\tlisten 127.0.0.1:8443" } },
	{ "piku-G14 no ipv6", no_ipv6, { "listen 127.0.0.1:8080" }, { "[::" } },
	{ "piku-G14 no ipv6 with an address set by hand",
	  no_ipv6_but_address,
	  { "listen 127.0.0.1:8080" },
	  { "[::" } },
	{ "own addresses",
	  own_address,
	  { "listen 10.0.0.1:8080;", "listen [fe80::1]:8443 ssl" },
	  { "127.0.0.1:8080" } },
	{ "piku-G04 static mapping ends in a slash, and without it is redirected",
	  with_static,
	  { "location \"/static/\" {\n\t\talias \"/srv/slipway/releases/blog/v1/src/static/\";",
	    "location = \"/static\" {\n\t\treturn 301 \"/static/$is_args$args\";",
	    "try_files $uri $uri.html $uri/ =404;", "open_file_cache max", "location / {" },
	  { "location /static ", "/ENV" } },
	{ "the whole code is served without its secrets",
	  whole_code,
	  { "alias \"/srv/slipway/releases/blog/v1/src/\";", "location = \"/all/ENV\" {",
	    "location = \"/all/Procfile\" {" },
	  { 0 } },
	{ "piku-G05 static: /public/",
	  static_service,
	  { "location \"/\" {\n\t\talias \"/srv/slipway/releases/blog/v1/src/public/\";" },
	  { "upstream", "proxy_pass", "location = \"\"" } },
	{ "piku-G05 static: /",
	  static_root,
	  { "alias \"/srv/slipway/releases/blog/v1/src/\";", "location = \"/ENV\"" },
	  { "proxy_pass" } },
	{ "piku-G06 a static site beside an app",
	  static_and_web,
	  { "try_files $uri $uri.html $uri/index.html @app;",
	    "location @app {\n\t\tproxy_pass http://blog;" },
	  { "location / {" } },
	{ "piku-G08 catch-all", catch_all, { "try_files $uri $uri.html $uri/ \"index.html\" =404;" }, { 0 } },
	{ "odd paths are quoted",
	  odd_path,
	  { "alias \"/srv/slipway/releases/blog/v1/src/a \\\"b\\\"; }/\";" },
	  { 0 } },
	{ "piku-G11 .git is forbidden", as_is, { "location ~ /\\.git {\n\t\treturn 403;" }, { 0 } },
	{ "piku-G11 unless allowed", git_folders, { "proxy_pass" }, { "\\.git" } },
	{ "piku-F04 all instances",
	  three,
	  { "server 127.0.0.1:20001;\n\tserver 127.0.0.1:20003;\n\tserver 127.0.0.1:20005;" },
	  { "down" } },
	{ "piku-F06 no instances",
	  none_run,
	  { "return 503 \"blog is not running", "add_header Retry-After 30 always" },
	  { "proxy_pass" } },
	{ "stopped",
	  stopped,
	  { "return 503 \"blog is stopped", "acme-challenge" },
	  { "proxy_pass", "alias", "upstream" } },
	{ "bound everywhere is reached on loopback",
	  everywhere,
	  { "server 127.0.0.1:20001;" },
	  { "0.0.0.0" } },
	{ "bound everywhere in IPv6", everywhere_v6, { "server [::1]:20001;" }, { 0 } },
};

static void render(void **state)
{
	const struct render_row *row = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(app_done) struct app app;
	_cleanup_(freep) char *text = NULL;
	struct nginx_facts f = { .http2 = HTTP2_LISTEN, .has_ipv6 = true };

	app_init(&app, "blog", "a.example, b.example");
	row->change(&app);
	assert_int_equal(nginx_check_app(&app.a, &e), 0);
	assert_int_equal(nginx_render(&app.a, &f, &text, &e), 0);
	for (size_t i = 0; i < COUNT(row->has) && row->has[i]; i++)
		if (!strstr(text, row->has[i]))
			fail_msg("'%s' is missing in\n%s", row->has[i], text);
	for (size_t i = 0; i < COUNT(row->lacks) && row->lacks[i]; i++)
		if (strstr(text, row->lacks[i]))
			fail_msg("'%s' is in\n%s", row->lacks[i], text);
	assert_null(nginx_include_fault(text)); /* it is complete, by nginx's own rules */
}

/* ---- Cloudflare's addresses ---- */

static void ranges(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "173.245.48.0/20", "173.245.48.0/20" },
		{ "2400:CB00:0:0::/32", "2400:cb00::/32" },
		{ "0.0.0.0/0", NULL },
		{ "10.0.0.0/7", NULL },
		{ "::/0", NULL },
		{ "10.0.0.0/33", NULL },
		{ "10.0.0.0", NULL },
		{ "10.0.0.0/24;", NULL },
		{ "10.0.0.0/24 1; x", NULL },
		{ "10.0.0/24", NULL },
		{ "/24", NULL },
		{ "", NULL },
		{ "2400:cb00::/129", NULL },
		{ "10.0.0.0/-8", NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/24", NULL },
	};

	(void) state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_(strv_done) struct strv all = { 0 };

		assert_int_equal(nginx_range_add(&all, rows[i].text), rows[i].want != NULL);
		if (rows[i].want)
			assert_string_equal(all.v[0], rows[i].want);
		else
			assert_int_equal(all.n, 0);
	}
}

/* ---- what is refused ---- */

static const struct refuse_row {
	const char *name, *hosts, *url, *path, *catch_all, *ipv4, *ipv6, *bind, *says;
} refusals[] = {
	{ "name with a semicolon", .hosts = "a;b", .says = "NGINX_SERVER_NAME: the name 'a;b'" },
	{ "name with a brace", .hosts = "a{", .says = "the name 'a{'" },
	{ "name with a variable", .hosts = "$host", .says = "the name '$host'" },
	{ "name that is a pattern", .hosts = "~^a", .says = "the name '~^a'" },
	{ "name with a port", .hosts = "a.example:80", .says = "the name 'a.example:80'" },
	{ "name with an empty part", .hosts = "a..b", .says = "empty or longer" },
	{ "name that ends in a dot", .hosts = "a.", .says = "ends in a dot" },
	{ "name not in ASCII",
	  .hosts = "b\xc3\xbc"
		   "cher.example",
	  .says = "xn--" },
	{ "URL with a quote", .url = "/a\"b/", .path = "x", .says = "the static mapping '/a\"b/:x'" },
	{ "URL with a variable", .url = "/$uri/", .path = "x", .says = "the URL may have" },
	{ "URL without a slash", .url = "/a", .path = "x", .says = "the URL may have" },
	{ "URL with dots", .url = "/a/../", .path = "x", .says = "the URL may have" },
	{ "path with dots", .url = "/a/", .path = "x/../..", .says = "the path may not have '..'" },
	{ "path with a variable", .url = "/a/", .path = "$host", .says = "the path may not have" },
	{ "path with a line break", .url = "/a/", .path = "x\ny", .says = "the path may not have" },
	{ "all of the machine", .url = "/a/", .path = "/", .says = "which is not the app's to serve" },
	{ "all of the root", .url = "/a/", .path = "/srv/slipway", .says = "which is not the app's" },
	{ "another app", .url = "/a/", .path = "/srv/slipway/releases/shop/v1/src",
	  .says = "which is not the app's" },
	{ "its own settings", .url = "/a/", .path = "/srv/slipway/releases/blog/v1",
	  .says = "which is not the app's" },
	{ "the keys", .url = "/a/", .path = "/srv/slipway/certs", .says = "which is not the app's" },
	{ "processes", .url = "/a/", .path = "/proc/1", .says = "which is not the app's" },
	{ "catch-all with dots", .catch_all = "../ENV", .says = "NGINX_CATCH_ALL: '../ENV'" },
	{ "catch-all with a variable", .catch_all = "$uri", .says = "NGINX_CATCH_ALL" },
	{ "catch-all that is a status", .catch_all = "=200", .says = "NGINX_CATCH_ALL" },
	{ "IPv4 address", .ipv4 = "1.2.3.4; root /", .says = "NGINX_IPV4_ADDRESS: '1.2.3.4; root /' is no" },
	{ "IPv6 address", .ipv6 = "[::1]:80", .says = "NGINX_IPV6_ADDRESS" },
	{ "bind address", .bind = "evil;", .says = "BIND_ADDRESS: 'evil;'" },
};

static void refuse(void **state)
{
	const struct refuse_row *row = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(app_done) struct app app;

	app_init(&app, "blog", row->hosts ? row->hosts : "a.example");
	if (row->url)
		app_static(&app, row->url, row->path);
	app.plan.route.catch_all = (char *) row->catch_all;
	app.plan.route.ipv4_address = (char *) row->ipv4;
	app.plan.route.ipv6_address = (char *) row->ipv6;
	app.plan.bind_address = (char *) row->bind;
	assert_int_equal(nginx_check_app(&app.a, &e), ERR_REFUSED);
	_cleanup_(freep) char *text = err_text(e);
	if (!strstr(text, row->says))
		fail_msg("%s", text);
}

static const struct include_row {
	const char *name, *text, *fault;
} includes[] = {
	{ "nothing", "", NULL },
	{ "a comment", "# }\n", NULL },
	{ "directives", "client_max_body_size 10m;\nlocation /x {\n\treturn 204;\n}\n", NULL },
	{ "a brace in quotes", "add_header A \"}\";", NULL },
	{ "a brace in a variable", "add_header A ${host};", NULL },
	{ "a brace within a word", "rewrite a} b;", NULL },
	{ "an escaped quote", "add_header A \"\\\"}\";", NULL },
	{ "the end of the server", "}\nserver {\nserver_name other.example;", "'}' too many" },
	{ "the end after a comment", "# {\n}", "'}' too many" },
	{ "the end after quotes", "add_header A 'x'; y '{';\n}\n", "'}' too many" },
	{ "a block left open", "location /x {", "'}' is missing" },
	{ "a directive left open", "return 204", "';' is missing" },
	{ "a quote left open", "return 200 \"x;\n", "quote is not closed" },
};

static void include_fault(void **state)
{
	const struct include_row *row = *state;
	const char *fault = nginx_include_fault(row->text);

	if (!row->fault)
		assert_null(fault);
	else if (!fault || !strstr(fault, row->fault))
		fail_msg("%s", fault ? fault : "no fault");
}

static const struct version_row {
	const char *name, *text;
	unsigned version;
	enum http2 http2;
} versions[] = {
	{ "piku-G17 1.22",
	  "nginx version: nginx/1.22.1\nbuilt with OpenSSL 3.0.9 30 May 2023\nTLS SNI support "
	  "enabled\nconfigure "
	  "arguments: --with-http_ssl_module --with-http_v2_module --with-http_dav_module\n",
	  1022001, HTTP2_LISTEN },
	{ "piku-G17 1.26",
	  "nginx version: nginx/1.26.3\nbuilt with OpenSSL 3.4.0 22 Oct 2024\nTLS SNI support "
	  "enabled\nconfigure "
	  "arguments: --with-http_ssl_module --with-http_v2_module --with-http_v3_module\n",
	  1026003, HTTP2_DIRECTIVE },
	{ "piku-G17 1.25.0", "nginx version: nginx/1.25.0\nconfigure arguments: --with-http_v2_module",
	  1025000, HTTP2_LISTEN },
	{ "piku-G17 without the module",
	  "nginx version: nginx/1.26.0\nconfigure arguments: --with-http_ssl_module\n", 1026000, HTTP2_NONE },
	{ "another maker's", "nginx version: openresty/1.25.3.1\n", 0, HTTP2_NONE },
};

static void version(void **state)
{
	const struct version_row *row = *state;
	struct nginx_facts f = { 0 };

	nginx_read_version(&f, row->text);
	assert_int_equal(f.version, row->version);
	assert_int_equal(f.http2, row->http2);
	assert_string_equal(nginx_tls_words(&f), row->http2 == HTTP2_LISTEN ? " ssl http2" : " ssl");
}

static void urls(void **state)
{
	const struct router_ops *nginx = router_find("nginx");
	_cleanup_(app_done) struct app app;
	struct host plain = { .http_port = 80, .https_port = 443 };

	app_init(&app, "blog", "*.example, blog.example");
	_cleanup_(freep) char *a = nginx->url(&host, &app.plan), *b = nginx->url(&plain, &app.plan);
	app.plan.route.is_https_only = true;
	_cleanup_(freep) char *c = nginx->url(&host, &app.plan), *d = nginx->url(&plain, &app.plan);
	assert_string_equal(a, "http://blog.example:8080");
	assert_string_equal(b, "http://blog.example");
	assert_string_equal(c, "https://blog.example:8443");
	assert_string_equal(d, "https://blog.example");
	assert_null(router_find("none")->url(&host, &app.plan));
	assert_null(router_find("apache"));
}

/* ---- a root of its own ---- */

static char *root;

static void put_file(const char *path, const char *text)
{
	_cleanup_(freep) char *full = root_path(root, "%s", path), *dir = xstrdup(full);

	*strrchr(dir, '/') = '\0';
	assert_int_equal(dir_make(dir, 0755, NULL), 0);
	assert_int_equal(file_replace(full, text, strlen(text), 0644, NULL), 0);
}

static char *get_file(const char *path)
{
	_cleanup_(freep) char *full = root_path(root, "%s", path);
	char *text = NULL;

	return file_read(full, 1 << 20, &text, NULL, NULL) < 0 ? NULL : text;
}

static int root_up(void **state)
{
	_cleanup_(freep) char *template = xstrdup("/tmp/slipway-router-XXXXXX");

	root = mkdtemp(template) ? TAKE(template) : NULL;
	return root && root_make(root, NULL, NULL) == 0 && chmod(root, 0711) == 0 ? 0 : -1;
}

static int root_down(void **state)
{
	int r = tree_remove(root, NULL);

	free(TAKE(root));
	return r;
}

static void certificates(void **state)
{
	_cleanup_(strv_done) struct strv one = { 0 }, two = { 0 };

	STRV_ADD(&one, "a.example");
	STRV_ADD(&two, "a.example", "*.b.example", "10.0.0.1");
	assert_int_equal(certificate_ensure(root, "blog", &one, NULL), 0);
	_cleanup_(freep) char *first = get_file("certs/blog.crt"), *first_key = get_file("certs/blog.key");
	assert_non_null(strstr(first, "slipway self-signed: a.example\n"));
	assert_non_null(strstr(first_key, "PRIVATE KEY"));

	/* the same names: the same pair */
	assert_int_equal(certificate_ensure(root, "blog", &one, NULL), 0);
	_cleanup_(freep) char *same = get_file("certs/blog.crt");
	assert_string_equal(first, same);

	/* piku-G21 as far as it needs no CA: other names, another certificate, with all of them */
	assert_int_equal(certificate_ensure(root, "blog", &two, NULL), 0);
	_cleanup_(freep) char *openssl = nginx_find_program("openssl"), *text = NULL;
	_cleanup_(freep) char *crt = root_path(root, "certs/blog.crt"),
			      *key = root_path(root, "certs/blog.key");
	char *const argv[] = { openssl,   S("x509"),           S("-in"), crt, S("-noout"),
			       S("-ext"), S("subjectAltName"), NULL };
	assert_int_equal(proc_run(argv, NULL, NULL, 10000, &text, NULL), 0);
	assert_non_null(strstr(text, "DNS:a.example, DNS:*.b.example, IP Address:10.0.0.1"));
	struct stat st;
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	/* piku-G22: a key without a certificate, or with an empty one, is kept and gets one */
	_cleanup_(freep) char *kept = get_file("certs/blog.key");
	assert_int_equal(unlink(crt), 0);
	assert_int_equal(certificate_ensure(root, "blog", &two, NULL), 0);
	put_file("certs/blog.crt", "");
	assert_int_equal(certificate_ensure(root, "blog", &two, NULL), 0);
	_cleanup_(freep) char *still = get_file("certs/blog.key"), *repaired = get_file("certs/blog.crt");
	assert_string_equal(kept, still);
	assert_non_null(strstr(repaired, "BEGIN CERTIFICATE"));

	/* an operator's own pair is never touched, whatever the names */
	put_file("certs/own.crt", strchr(repaired, '\n') + 1);
	put_file("certs/own.key", still);
	_cleanup_(freep) char *own = get_file("certs/own.crt");
	assert_int_equal(certificate_ensure(root, "own", &one, NULL), 0);
	assert_int_equal(certificate_remove(root, "own", NULL), 0);
	_cleanup_(freep) char *own_after = get_file("certs/own.crt");
	assert_string_equal(own, own_after);
	assert_int_equal(certificate_remove(root, "blog", NULL), 0);
	assert_false(file_exists(crt) || file_exists(key));
}

/* ---- a real nginx ---- */

static struct proc nginx = { .pid = 0, .pidfd = -1, .pipe = -1 };
static struct strv nginx_argv;
static struct upstream {
	pid_t pid;
	unsigned port;
} upstreams[3];

static int listen_anywhere(unsigned *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *) &at, n) < 0 || listen(fd, 512) < 0 ||
	    getsockname(fd, (struct sockaddr *) &at, &n) < 0)
		return -1;
	*port = ntohs(at.sin_port);
	return fd;
}

/* Up to the blank line; false at the end. */
static bool read_request(int fd, char *buf, size_t size)
{
	size_t n = 0;

	while (n < size - 1) {
		ssize_t got = read(fd, buf + n, 1); /* byte by byte: nothing of what follows is taken */

		if (got <= 0)
			return false;
		n++;
		buf[n] = '\0';
		if (n >= 4 && memcmp(buf + n - 4, "\r\n\r\n", 4) == 0)
			return true;
	}
	return false;
}

/* Answers with its name and the request it got; what is to be upgraded is echoed from then on. */
static void serve_connection(int fd, const char *name)
{
	char request[16384], bytes[4096];
	ssize_t n;

	while (read_request(fd, request, sizeof request)) {
		if (strstr(request, "Upgrade: websocket\r\n") && strstr(request, "Connection: upgrade\r\n")) {
			(void) dprintf(
				fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
				    "upgrade\r\n\r\n");
			while ((n = read(fd, bytes, sizeof bytes)) > 0)
				(void) write_all(fd, bytes, (size_t) n);
			return;
		}
		(void) dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s\n%s",
			       strlen(name) + 1 + strlen(request), name, request);
	}
}

static int upstream_start(struct upstream *u, const char *name)
{
	int fd = listen_anywhere(&u->port), conn;

	u->pid = fork();
	if (u->pid != 0) {
		(void) close(fd);
		return u->pid < 0 ? -1 : 0;
	}
	(void) setpgid(0, 0);
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void) signal(SIGCHLD, SIG_IGN);
	while ((conn = accept(fd, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve_connection(conn, name);
			_exit(0);
		}
		(void) close(conn);
	}
	_exit(0);
}

/* The socket that the configuration on disk will answer on. */
static char *current_socket(void)
{
	_cleanup_(freep) char *text = get_file("nginx/_generation.conf");
	const char *at = text ? strstr(text, "unix:") : NULL;

	return at ? xstrndup(at + 5, strcspn(at + 5, "\"")) : NULL;
}

static int guard = -1;

/* A child that ends what is left of nginx should the test die before it does. */
static int guard_nginx(void)
{
	int line[2];
	char c;

	if (pipe2(line, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		(void) close(line[1]);
		while (read(line[0], &c, 1) < 0)
			;
		(void) kill(-nginx.pid, SIGKILL);
		_exit(0);
	}
	(void) close(line[0]);
	return line[1];
}

/* The first answer comes when workers run, that is when the master is ready for signals. */
static bool is_ready(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c;

	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *) &at, sizeof at) < 0)
		return false;
	(void) dprintf(fd, "GET / HTTP/1.0\r\n\r\n");
	return read(fd, &c, 1) == 1;
}

/* From its socket's and its pid file's appearance nginx may be asked, and is asked whenever something
 * appears. */
static int nginx_start(void)
{
	_cleanup_(freep) char *run = root_path(root, "run"), *sock = NULL;
	_cleanup_(closep) int in = inotify_init1(IN_CLOEXEC);
	struct nginx_master m;
	char buf[4096];

	strv_done(&nginx_argv);
	nginx_argv = (struct strv){ 0 };
	if (nginx_private_prepare(root, &host, &nginx_argv, NULL) < 0 ||
	    inotify_add_watch(in, run, IN_CREATE | IN_MODIFY) < 0 || !(sock = current_socket()))
		return -1;
	nginx = PROC(nginx_argv.v);
	if (proc_start(&nginx, NULL) < 0)
		return -1;
	closep(&guard);
	guard = guard_nginx();
	while (!is_ready(sock)) {
		struct pollfd fds[] = { { .fd = in, .events = POLLIN },
					{ .fd = nginx.pidfd, .events = POLLIN } };

		if (poll(fds, 2, -1) < 0 || fds[1].revents ||
		    (fds[0].revents && read(in, buf, sizeof buf) < 0))
			return -1;
	}
	if (nginx_master_find(&m, root, NULL) < 0)
		return -1;
	nginx_master_done(&m);
	return 0;
}

static void nginx_stop(void)
{
	if (nginx.pid > 0)
		(void) kill(nginx.pid, SIGTERM);
	if (nginx.pid > 0)
		(void) proc_wait(&nginx, NULL);
	proc_done(&nginx);
	closep(&guard);
	guard = -1;
}

static int live_up(void **state)
{
	unsigned http, https;
	static const char *const names[] = { "one", "two", "three" };

	if (root_up(state) < 0)
		return -1;
	int a = listen_anywhere(&http), b = listen_anywhere(&https);
	(void) close(a);
	(void) close(b);
	host.http_port = http;
	host.https_port = https;
	host.listen_ipv6 = S("");
	for (size_t i = 0; i < COUNT(upstreams); i++)
		if (upstream_start(&upstreams[i], names[i]) < 0)
			return -1;
	return nginx_start();
}

static int live_down(void **state)
{
	nginx_stop();
	strv_done(&nginx_argv);
	for (size_t i = 0; i < COUNT(upstreams); i++) {
		(void) kill(upstreams[i].pid, SIGKILL); /* its children die with it */
		(void) waitpid(upstreams[i].pid, NULL, 0);
	}
	return root_down(state);
}

static int dial(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t) port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *) &at, sizeof at) < 0) {
		(void) close(fd);
		return -1;
	}
	return fd;
}

/* The whole answer; to be freed. more: further header lines, each with its line end. */
static char *ask_nginx(const char *method, const char *name, const char *path, const char *more)
{
	_cleanup_(closep) int fd = dial(host.http_port);
	struct strb b = STRB(1 << 20);
	char buf[4096];
	ssize_t n;

	if (fd >= 0)
		(void) dprintf(fd, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", method, path,
			       name, more);
	while (fd >= 0 && (n = read(fd, buf, sizeof buf)) > 0)
		(void) strb_add(&b, buf, (size_t) n);
	return strb_take(&b);
}

static int status_of(const char *answer)
{
	return str_starts(answer, "HTTP/1.1 ") ? (int) strtol(answer + 9, NULL, 10) : 0;
}

/* Asserts the status and that the answer has the text. */
static void expect(const char *name, const char *path, int status, const char *has)
{
	_cleanup_(freep) char *answer = ask_nginx("GET", name, path, "");

	if (status_of(answer) != status || (has && !strstr(answer, has)))
		fail_msg("GET %s%s: %s", name, path, answer);
}

static void live_app(struct app *app, const char *name, const char *hosts, size_t upstream)
{
	static char src[4096];

	(void) snprintf(src, sizeof src, "%s/releases/%s/v1/src", root, name);
	(void) dir_make(src, 0755, NULL);
	app_init(app, name, hosts);
	app->a.root = root;
	app->a.src = src;
	app->ports[0] = upstreams[upstream].port;
}

static void apply(struct app *app)
{
	struct err *e = NULL;
	_cleanup_(router_old_done) struct router_old old = { 0 };
	int r = router_find("nginx")->validate(&app->a, &e);

	if (r == 0)
		r = router_find("nginx")->apply(&app->a, &old, &e);
	_cleanup_(freep) char *text = r < 0 ? err_text(e) : NULL;
	(void) err_free(e);
	if (r < 0)
		fail_msg("%s", text);
	if (app->plan.route.hosts.n)
		assert_true(old.n > 0);
}

static void apply_fails(struct app *app, int code, const char *says)
{
	struct err *e = NULL;
	int r = router_find("nginx")->apply(&app->a, NULL, &e);
	_cleanup_(freep) char *text = err_text(e);

	(void) err_free(e);
	if (r != code || !strstr(text, says))
		fail_msg("%d: %s", r, text);
}

static void take_out(const char *app)
{
	assert_int_equal(router_find("nginx")->remove(root, &host, app, NULL), 0);
}

static void serves(void **state)
{
	_cleanup_(app_done) struct app app;

	live_app(&app, "blog", "a.example,b.example", 0);
	apply(&app);
	expect("a.example", "/x?y", 200, "\r\n\r\none\nGET /x?y HTTP/1.1\r\n");
	expect("b.example", "/", 200, "X-Deployed-By: Piku\r\n");
	expect("a.example", "/", 200, "X-Forwarded-Proto: http\r\nX-Forwarded-For: 127.0.0.1\r\n");
	put_file("acme/.well-known/acme-challenge/token", "proof");
	expect("a.example", "/.well-known/acme-challenge/token", 200, "proof");
	take_out("blog");
	expect("a.example", "/", 404, NULL);
	take_out("blog"); /* not there already counts as removed */
	_cleanup_(freep) char *crt = get_file("certs/blog.crt");
	assert_null(crt);
}

static void https_redirect(void **state)
{
	_cleanup_(app_done) struct app app;
	_cleanup_(freep) char *want = xasprintf("Location: https://b.example:%u/p?q\r\n", host.https_port);

	live_app(&app, "blog", "a.example,b.example", 0);
	app.plan.route.is_https_only = true;
	put_file("acme/.well-known/acme-challenge/token", "proof");
	apply(&app);
	expect("b.example", "/p?q", 301, want);
	expect("b.example", "/.well-known/acme-challenge/token", 200, "proof");
	take_out("blog");
}

static void names_unset(void **state)
{
	_cleanup_(app_done) struct app app;

	live_app(&app, "blog", "a.example", 0);
	apply(&app);
	app.plan.route.hosts = (struct strv){ 0 };
	apply(&app);
	expect("a.example", "/", 404, NULL);
	_cleanup_(freep) char *conf = get_file("nginx/blog.conf");
	assert_null(conf);
}

static void statics(void **state)
{
	_cleanup_(app_done) struct app app;

	live_app(&app, "blog", "a.example", 0);
	put_file("releases/blog/v1/src/static/a.css", "body{}");
	put_file("releases/blog/v1/src/ENV", "SECRET=hidden");
	app_static(&app, "/static/", "static");
	app_static(&app, "/all/", ".");
	apply(&app);
	expect("a.example", "/static/a.css", 200, "Content-Type: text/css");
	expect("a.example", "/static?x=1", 301, "Location: /static/?x=1\r\n");
	expect("a.example", "/staticx", 200, "one\nGET /staticx");
	expect("a.example", "/static/missing", 404, NULL);
	expect("a.example", "/all/static/a.css", 200, "body{}");
	static const char *const tries[] = { "/static../ENV",      "/static%2e%2e/ENV", "/static/../ENV",
					     "/static/%2e%2e/ENV", "/all/ENV",          "/all//ENV",
					     "/all/x/../ENV",      "/all/%45NV",        "/all/ENV/",
					     "/all/ENV%00",        "/static/..%2fENV" };
	for (size_t i = 0; i < COUNT(tries); i++) {
		_cleanup_(freep) char *answer = ask_nginx("GET", "a.example", tries[i], "");

		if (strstr(answer, "SECRET") || *answer == '\0')
			fail_msg("%s: %s", tries[i], answer);
	}
	take_out("blog");
}

static void static_beside_app(void **state)
{
	_cleanup_(app_done) struct app app;

	live_app(&app, "blog", "a.example", 0);
	put_file("releases/blog/v1/src/public/hit.txt", "from a file");
	put_file("releases/blog/v1/src/public/page.html", "page");
	static_and_web(&app);
	apply(&app);
	expect("a.example", "/hit.txt", 200, "from a file");
	expect("a.example", "/page", 200, "page");
	expect("a.example", "/miss", 200, "one\nGET /miss");
	expect("a.example", "/", 200, "one\nGET / ");
	_cleanup_(freep) char *posted = ask_nginx("POST", "a.example", "/hit.txt", "Content-Length: 0\r\n");
	assert_non_null(strstr(posted, "one\nPOST /hit.txt"));
	take_out("blog");
}

static void single_page(void **state)
{
	_cleanup_(app_done) struct app app;

	live_app(&app, "blog", "a.example", 0);
	put_file("releases/blog/v1/src/public/index.html", "the index");
	put_file("releases/blog/v1/src/public/page.html", "the page");
	catch_all(&app);
	app.a.n_ports = 0;
	apply(&app);
	expect("a.example", "/deep/link", 200, "the index");
	expect("a.example", "/", 200, "the index");
	expect("a.example", "/page", 200, "the page");
	take_out("blog");
}

static void git_directory(void **state)
{
	static const struct {
		bool allows;
		int status;
	} rows[] = { { false, 403 }, { true, 200 }, { false, 403 } };
	_cleanup_(app_done) struct app app;

	live_app(&app, "blog", "a.example", 0);
	put_file("releases/blog/v1/src/.git/config", "[core]");
	put_file("releases/blog/v1/src/.gitmodules", "[submodule]");
	static_root(&app);
	for (size_t i = 0; i < COUNT(rows); i++) {
		app.plan.route.allows_git = rows[i].allows;
		apply(&app);
		expect("a.example", "/.git/config", rows[i].status, NULL);
		expect("a.example", "/.gitmodules", rows[i].status, NULL);
	}
	expect("a.example", "/%2egit/config", 403, NULL);
	take_out("blog");
}

static void include_file(void **state)
{
	_cleanup_(app_done) struct app app;

	live_app(&app, "blog", "a.example", 0);
	apply(&app);
	app.plan.route.include_file = S("nginx.inc");
	env_set(&app.env, "GREETING", "hello", "test");
	put_file("releases/blog/v1/src/nginx.inc",
		 "location = /greet {\n\treturn 200 \"$GREETING $host\";\n}\n");
	apply(&app);
	expect("a.example", "/greet", 200, "hello a.example");

	/* G12: nginx's own words, and what was there stays */
	put_file("releases/blog/v1/src/nginx.inc", "location /x { }\nbogus on;\n");
	_cleanup_(freep) char *before = get_file("nginx/blog.conf");
	apply_fails(&app, ERR_REFUSED, "unknown directive \"bogus\" (line ");
	_cleanup_(freep) char *after = get_file("nginx/blog.conf");
	assert_string_equal(before, after);
	expect("a.example", "/greet", 200, "hello a.example");

	put_file("releases/blog/v1/src/nginx.inc", "}\nserver {\n\tserver_name other.example;\n");
	apply_fails(&app, ERR_REFUSED, "nginx.inc: there is a '}' too many");

	/* G13 */
	app.plan.route.include_file = S("missing.inc");
	apply_fails(&app, ERR_REFUSED, "NGINX_INCLUDE_FILE names 'missing.inc'");
	app.plan.route.include_file = S("../../../../certs/blog.key");
	apply_fails(&app, ERR_REFUSED, "leads out of the app's directory");
	expect("a.example", "/greet", 200, "hello a.example");
	take_out("blog");
}

static void refused_at_reload(void **state)
{
	_cleanup_(app_done) struct app app;
	unsigned taken;
	_cleanup_(closep) int holder UNUSED = listen_anywhere(&taken);
	_cleanup_(freep) char *text = xasprintf("listen 127.0.0.1:%u;\n", taken);

	live_app(&app, "blog", "a.example", 0);
	apply(&app);
	_cleanup_(freep) char *before = get_file("nginx/blog.conf");
	app.plan.route.include_file = S("nginx.inc");
	put_file("releases/blog/v1/src/nginx.inc",
		 text); /* a test run takes no port: only the reload can tell */
	apply_fails(&app, ERR_REFUSED, "Address already in use");
	_cleanup_(freep) char *after = get_file("nginx/blog.conf"), *next = root_path(root, NGINX_CANDIDATE);
	assert_string_equal(before, after);
	assert_false(file_exists(next));
	expect("a.example", "/", 200, "one\n");
	app.plan.route.include_file = NULL;
	app.ports[0] = upstreams[1].port;
	apply(&app);
	expect("a.example", "/", 200, "two\n");
	take_out("blog");
}

static void websocket(void **state)
{
	_cleanup_(app_done) struct app app;
	char buf[4096] = "", *end = buf;
	ssize_t n;

	live_app(&app, "blog", "a.example", 0);
	apply(&app);
	_cleanup_(closep) int fd = dial(host.http_port);
	(void) dprintf(
		fd,
		"GET /ws HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
	while (!strstr(buf, "\r\n\r\n") && (n = read(fd, end, (size_t) (buf + sizeof buf - 1 - end))) > 0)
		*(end += n) = '\0';
	assert_int_equal(status_of(buf), 101);
	assert_int_equal(write_all(fd, "ping", 4), 0);
	assert_int_equal(read(fd, buf, 4), 4);
	assert_memory_equal(buf, "ping", 4);
	_cleanup_(freep) char *plain = ask_nginx("GET", "a.example", "/", "");
	assert_null(strcasestr(strstr(plain, "\r\n\r\n"), "\nConnection:"));
	take_out("blog");
}

static void unavailable(void **state)
{
	_cleanup_(app_done) struct app app;

	live_app(&app, "blog", "a.example", 0);
	app.a.n_ports = 0;
	apply(&app);
	expect("a.example", "/", 503, "Retry-After: 30\r\n");
	app.a.n_ports = 1;
	app.a.is_stopped = true;
	apply(&app);
	expect("a.example", "/", 503, "blog is stopped");
	take_out("blog");
}

static void another_is_broken(void **state)
{
	_cleanup_(app_done) struct app app;
	_cleanup_(strv_done) struct strv notes = { 0 };

	live_app(&app, "blog", "a.example", 0);
	put_file("nginx/hand.conf", "server {\n\tlisten oops oops;\n}\n");
	app.a.notes = &notes;
	apply(&app);
	expect("a.example", "/", 200, "one\n");
	assert_true(notes.n == 1 && strstr(notes.v[0], "another app, hand"));
	_cleanup_(freep) char *gone = get_file("nginx/hand.conf"), *kept = get_file("nginx/hand.conf.broken");
	assert_null(gone);
	assert_non_null(strstr(kept, "oops"));
	take_out("hand");
	_cleanup_(freep) char *cleared = get_file("nginx/hand.conf.broken");
	assert_null(cleared);
	take_out("blog");
}

static void name_is_taken(void **state)
{
	_cleanup_(app_done) struct app blog, shop;
	_cleanup_(err_freep) struct err *e = NULL;

	live_app(&blog, "blog", "a.example,b.example", 0);
	apply(&blog);
	live_app(&shop, "shop", "shop.example,B.example", 1);
	apply_fails(&shop, ERR_REFUSED, "B.example belongs to the app blog already");
	assert_int_equal(router_find("nginx")->validate(&shop.a, &e), ERR_REFUSED);
	take_out("blog");
}

static char *handshake(const char *name, int *status)
{
	_cleanup_(freep) char *openssl = nginx_find_program("openssl"),
			      *at = xasprintf("127.0.0.1:%u", host.https_port);
	char *const argv[] = { openssl, S("s_client"), S("-connect"), at,  S("-servername"),
			       S(name), S("-alpn"),    S("h2"),       NULL };
	char *out = NULL;

	*status = proc_run(argv, NULL, NULL, 20000, &out, NULL);
	return out;
}

static void unknown_names(void **state)
{
	_cleanup_(app_done) struct app app;
	int status;

	live_app(&app, "blog", "a.example", 0);
	apply(&app);
	expect("unknown.example", "/", 404, NULL);
	_cleanup_(freep) char *known = handshake("a.example", &status);
	assert_int_equal(status, 0);
	/* OpenSSL 3.0 writes "CN = blog", 3.5 "CN=blog" */
	assert_true(strstr(known, "CN = blog") || strstr(known, "CN=blog"));
	assert_non_null(strstr(known, "ALPN protocol: h2"));
	_cleanup_(freep) char *unknown = handshake("unknown.example", &status);
	assert_int_not_equal(status, 0);
	assert_null(strstr(unknown, "CN"));
	take_out("blog");
}

/* Asks as fast as it can, a connection each, until told to stop; says how many went wrong of how many. */
static void bombard(int stop, int report)
{
	long counts[2] = { 0, 0 };
	struct pollfd end = { .fd = stop, .events = POLLIN };

	while (poll(&end, 1, 0) == 0) {
		_cleanup_(freep) char *answer = ask_nginx("GET", "a.example", "/", "");

		counts[0]++;
		counts[1] += status_of(answer) != 200;
	}
	(void) write_all(report, counts, sizeof counts);
}

static void switch_under_load(void **state)
{
	_cleanup_(app_done) struct app app;
	_cleanup_(close_pairp) int stop[2] = { -1, -1 }, report[2] = { -1, -1 };
	long counts[2] = { 0, 0 };

	live_app(&app, "blog", "a.example", 0);
	apply(&app);
	assert_int_equal(pipe(stop) | pipe(report), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
		bombard(stop[0], report[1]);
		_exit(0);
	}
	for (unsigned i = 1; i <= 8; i++) {
		app.ports[0] = upstreams[i % 3].port;
		apply(&app);
	}
	assert_int_equal(write_all(stop[1], "x", 1), 0);
	assert_int_equal(read(report[0], counts, sizeof counts), sizeof counts);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(counts[0] > 0);
	assert_int_equal(counts[1], 0);
	expect("a.example", "/", 200, "three\n");
	take_out("blog");
}

static void log_is_cut(void **state)
{
	_cleanup_(app_done) struct app app;
	_cleanup_(freep) char *path = root_path(root, "logs/nginx-error.log");
	struct stat st;

	live_app(&app, "blog", "a.example", 0);
	assert_int_equal(truncate(path, 2 << 20), 0);
	apply(&app);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < 1 << 20);
	take_out("blog");
}

static void many_apps(void **state)
{
	for (unsigned i = 0; i < 200; i++) {
		_cleanup_(freep) char *path = xasprintf("nginx/app-%u.conf", i);
		_cleanup_(freep) char *text =
			xasprintf("server {\n\tlisten 127.0.0.1:%u;\n\tserver_name "
				  "a-rather-long-name-of-an-app-%u.some-domain.example;\n"
				  "\treturn 200 \"app %u\";\n}\n",
				  host.http_port, i, i);
		put_file(path, text);
	}
	_cleanup_(app_done) struct app app;
	live_app(&app, "blog", "a.example", 0);
	apply(&app);
	expect("a-rather-long-name-of-an-app-117.some-domain.example", "/", 200, "app 117");
	take_out("blog");
}

/* Killed, it leaves its sockets, its pid file and perhaps a half-made candidate; a broken file keeps nobody
 * out. */
static void killed_and_started_again(void **state)
{
	_cleanup_(app_done) struct app app;

	live_app(&app, "blog", "a.example", 0);
	apply(&app);
	assert_int_equal(kill(-nginx.pid, SIGKILL), 0);
	assert_int_equal(proc_wait(&nginx, NULL), 0);
	proc_done(&nginx);
	apply_fails(&app, ERR_MISSING, "slipwayd runs it");
	put_file("nginx/hand.conf", "nonsense");
	put_file("nginx.next/half.conf", "half");
	assert_int_equal(nginx_start(), 0);
	expect("a.example", "/", 200, "one\n");
	_cleanup_(freep) char *broken = get_file("nginx/hand.conf.broken");
	assert_non_null(broken);
	app.ports[0] = upstreams[1].port;
	apply(&app);
	expect("a.example", "/", 200, "two\n");
	take_out("blog");
}

static void system_mode(void **state)
{
	_cleanup_(app_done) struct app app;
	struct host other = host;

	live_app(&app, "blog", "a.example", 0);
	other.nginx_is_private = false;
	other.nginx_helper = (char *) "/nonexistent/helper.sock";
	app.a.host = &other;
	apply_fails(&app, ERR_MISSING, "systemctl start slipway-nginx.socket");
}

#define TABLE(rows, fn)                                                                                      \
	for (size_t i = 0; i < COUNT(rows); i++)                                                             \
		tests[n++] = (struct CMUnitTest){ rows[i].name, fn, NULL, NULL, (void *) &rows[i] };

int main(void)
{
	static struct CMUnitTest
		tests[COUNT(renders) + COUNT(refusals) + COUNT(includes) + COUNT(versions) + 1];
	const struct CMUnitTest files[] = { cmocka_unit_test(certificates), cmocka_unit_test(ranges) };
	const struct CMUnitTest live[] = {
		{ "piku-G01 an app is served under all its names", serves, NULL, NULL, NULL },
		{ "piku-G02 https only", https_redirect, NULL, NULL, NULL },
		{ "piku-G03 the names are unset", names_unset, NULL, NULL, NULL },
		{ "piku-G04 static mappings, and no way out of them", statics, NULL, NULL, NULL },
		{ "piku-G06 static beside an app", static_beside_app, NULL, NULL, NULL },
		{ "piku-G08 single-page app", single_page, NULL, NULL, NULL },
		{ "piku-G11 .git", git_directory, NULL, NULL, NULL },
		{ "piku-G12 piku-G13 include file", include_file, NULL, NULL, NULL },
		{ "refused only at the reload", refused_at_reload, NULL, NULL, NULL },
		{ "piku-G15 websockets", websocket, NULL, NULL, NULL },
		{ "piku-F06 nothing runs", unavailable, NULL, NULL, NULL },
		{ "piku-G23 another app's file is broken", another_is_broken, NULL, NULL, NULL },
		{ "a name that is taken", name_is_taken, NULL, NULL, NULL },
		{ "piku-G24 unknown names", unknown_names, NULL, NULL, NULL },
		{ "no request is lost in a switch", switch_under_load, NULL, NULL, NULL },
		{ "the error log is cut", log_is_cut, NULL, NULL, NULL },
		{ "hundreds of names", many_apps, NULL, NULL, NULL },
		{ "killed and started again", killed_and_started_again, NULL, NULL, NULL },
		{ "a system's nginx", system_mode, NULL, NULL, NULL },
	};
	size_t n = 0;

	(void) signal(SIGPIPE, SIG_IGN);
	TABLE(renders, render)
	TABLE(refusals, refuse)
	TABLE(includes, include_fault)
	TABLE(versions, version)
	tests[n++] = (struct CMUnitTest){ "urls", urls, NULL, NULL, NULL };
	return cmocka_run_group_tests_name("text", tests, NULL, NULL) +
	       cmocka_run_group_tests_name("files", files, root_up, root_down) +
	       cmocka_run_group_tests_name("nginx", live, live_up, live_down);
}
