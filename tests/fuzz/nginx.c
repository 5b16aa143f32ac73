/*
 * What apps say that ends up in nginx's configuration, a line each: host name, static URL, static path,
 * catch-all, IPv4 address; the rest is an include file. Whatever passes the checks is rendered to a text that
 * its own blocks close, and quoting is undone by reading.
 */
#include "fuzz.h"

#include "router/nginx-allow.h"
#include "router/nginx-internal.h"

static void must_unquote(const char *text)
{
	_cleanup_(freep) char *quoted = nginx_quote(text), *line = xasprintf("a %s;", quoted);

	MUST(!nginx_is_quotable(text) || !nginx_include_fault(line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *name = fuzz_line(&data, &size), *url = fuzz_line(&data, &size),
			      *path = fuzz_line(&data, &size), *all = fuzz_line(&data, &size),
			      *four = fuzz_line(&data, &size), *include = fuzz_text(data, size), *conf = NULL;
	_cleanup_(strv_done) struct strv hosts = { 0 };
	struct plan_static mapping = { .url = url, .path = path };
	struct host host = { .router = (char *) "nginx",
			     .http_port = 80,
			     .https_port = 443,
			     .listen_ipv4 = (char *) "0.0.0.0",
			     .listen_ipv6 = (char *) "[::]" };
	struct plan_service web = { .name = (char *) "web", .kind = SERVICE_WEB, .is_routed = true };
	struct plan plan = { .app = (char *) "fuzz", .services = &web, .n_services = 1 };
	unsigned line;
	const unsigned ports[] = { 20000 };
	struct router_app a = { .root = "/srv/slipway",
				.host = &host,
				.plan = &plan,
				.src = "/srv/slipway/releases/fuzz/v1/src",
				.ports = ports,
				.n_ports = 1 };
	const struct nginx_facts facts = { .program = (char *) "nginx",
					   .version = 1022001,
					   .http2 = HTTP2_LISTEN };

	must_unquote(name);
	_cleanup_(freep) char *forbidden = nginx_allow_fault(include, strlen(include), "/var/cache", &line);
	MUST(forbidden || !nginx_include_fault(include));
	STRV_ADD(&hosts, name);
	plan.route = (struct plan_route){ .hosts = hosts,
					  .statics = &mapping,
					  .n_statics = *url ? 1 : 0,
					  .catch_all = *all ? all : NULL,
					  .ipv4_address = *four ? four : NULL };
	if (nginx_check_app(&a, NULL) < 0)
		return 0;
	if (nginx_render(&a, &facts, &conf, NULL) == 0)
		MUST(!nginx_include_fault(conf));
	return 0;
}
