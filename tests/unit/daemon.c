/* What the daemon decides without a process: pauses, who is meant by a request, which operations there are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/daemon-internal.h"
#include "daemon/recover-text.h"
#include "daemon/server.h"

static const struct pause_row {
	unsigned exits, first_ms, want;
} pauses[] = {
	{ 0, 1000, 1000 },   { 1, 1000, 1000 },    { 2, 1000, 2000 },     { 3, 1000, 4000 },
	{ 9, 1000, 256000 }, { 10, 1000, 300000 }, { 99, 1000, 300000 },  { 4000000000u, 1000, 300000 },
	{ 1, 10, 10 },       { 5, 10, 160 },       { 1, 300000, 300000 },
};

static void pauses_grow(void **state UNUSED)
{
	for (size_t i = 0; i < COUNT(pauses); i++)
		assert_int_equal(backoff_ms(pauses[i].exits, pauses[i].first_ms), pauses[i].want);
}

static const struct filter_row {
	const char *name;
	struct filter filter;
	bool want;
} filters[] = {
	{ "everything", { 0 }, true },
	{ "its app", { .app = "blog" }, true },
	{ "another app", { .app = "blo" }, false },
	{ "its service", { .app = "blog", .service = "web" }, true },
	{ "another service", { .app = "blog", .service = "worker" }, false },
	{ "its deployment", { .deployment = 7 }, true },
	{ "another deployment", { .deployment = 8 }, false },
	{ "all but its deployment", { .but = 7 }, false },
	{ "all but another one", { .but = 8, .nor = 9 }, true },
	{ "nor its own", { .but = 8, .nor = 7 }, false },
	{ "two are kept", { .keep = 2 }, false },
	{ "one is kept", { .keep = 1 }, true },
	{ "only what stops", { .is_stopping = true }, false },
};

static void filters_match(void **state UNUSED)
{
	struct instance i = {
		.row = { .app = (char *) "blog", .service = (char *) "web", .deployment = 7, .ordinal = 2 },
		.state = INSTANCE_RUNNING
	};

	for (size_t k = 0; k < COUNT(filters); k++)
		if (instance_matches(&i, &filters[k].filter) != filters[k].want)
			fail_msg("%s", filters[k].name);
	i.state = INSTANCE_STOPPING;
	assert_true(instance_matches(&i, &(struct filter){ .is_stopping = true }));
}

static void operations_of_the_document(void **state UNUSED)
{
	static const char *const names[] = { "hello",     "deploy", "wait",       "start",
					     "stop",      "retire", "retire-now", "forget",
					     "instances", "reload", "shutdown",   "reexec" };

	for (size_t i = 0; i < COUNT(names); i++)
		assert_non_null(op_find(names[i]));
	assert_null(op_find("sto"));
	assert_null(op_find(""));
}

/* ---- what recovery reads ---- */

static void fifo_names(void **state UNUSED)
{
	static const struct {
		const char *name, *app, *service;
		unsigned ordinal;
	} rows[] = {
		{ "blog:web.1", "blog", "web", 1 },
		{ "my.blog:web.12", "my.blog", "web", 12 },
		{ "blog:web.01", NULL, NULL, 0 },
		{ "blog:web.0", NULL, NULL, 0 },
		{ "blog:web.1.max", NULL, NULL, 0 },
		{ "blog:web.1 (deleted)", NULL, NULL, 0 },
		{ "blog.1:web", NULL, NULL, 0 },
		{ "../x:web.1", NULL, NULL, 0 },
		{ ":web.1", NULL, NULL, 0 },
		{ "blog:.1", NULL, NULL, 0 },
		{ "", NULL, NULL, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_(freep) char *app = NULL, *service = NULL;
		unsigned ordinal = 0;

		assert_int_equal(recover_fifo_name(rows[i].name, &app, &service, &ordinal),
				 rows[i].app != NULL);
		assert_true(str_eq(app, rows[i].app) && str_eq(service, rows[i].service));
		assert_int_equal(ordinal, rows[i].ordinal);
	}
}

static void live_links(void **state UNUSED)
{
	static const struct {
		const char *target;
		long version;
	} rows[] = {
		{ "../releases/blog/v7/src", 7 },
		{ "../releases/blog/v7/src/", 0 },
		{ "../releases/other/v7/src", 0 },
		{ "../releases/blog/v07/src", 0 },
		{ "/root/releases/blog/v7/src", 0 },
		{ "../releases/blog/v/src", 0 },
		{ "../releases/blog/v-1/src", 0 },
		{ "../releases/blog/v7/../v8/src", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		long version = 0;

		assert_int_equal(recover_live_link(rows[i].target, "blog", &version), rows[i].version != 0);
		assert_int_equal(version, rows[i].version);
	}
}

static void environments(void **state UNUSED)
{
#define ENVIRON(text) text, sizeof text
	static const struct {
		const char *text;
		size_t n;
		long version;
		unsigned port;
	} rows[] = {
		{ ENVIRON("A=b\0SLIPWAY_RELEASE=v3\0PROC_TYPE=web\0SLIPWAY_INSTANCE=2\0PORT=20001"), 3,
		  20001 },
		{ ENVIRON("SLIPWAY_RELEASE=v3\0PROC_TYPE=web\0SLIPWAY_INSTANCE=2"), 3, 0 },
		{ ENVIRON("PORT=1\0SLIPWAY_RELEASE=v3\0PROC_TYPE=web\0SLIPWAY_INSTANCE=2\0PORT=2"), 3, 2 },
		{ ENVIRON("SLIPWAY_RELEASE=v3\0PROC_TYPE=web\0SLIPWAY_INSTANCE=2\0PORT=http"), 3, 0 },
		{ ENVIRON("SLIPWAY_RELEASE=v3\0PROC_TYPE=web\0SLIPWAY_INSTANCE=1"), 0, 0 }, /* another one */
		{ ENVIRON("SLIPWAY_RELEASE=v3\0PROC_TYPE=webs\0SLIPWAY_INSTANCE=2"), 0, 0 },
		{ ENVIRON("SLIPWAY_RELEASE=3\0PROC_TYPE=web\0SLIPWAY_INSTANCE=2"), 0, 0 },
		{ ENVIRON("XSLIPWAY_RELEASE=v3\0PROC_TYPE=web\0SLIPWAY_INSTANCE=2"), 0, 0 },
		{ "SLIPWAY_RELEASE=v3", 18, 0, 0 }, /* cut off */
		{ ENVIRON(""), 0, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned port = 0;
		long version = 0;

		assert_int_equal(recover_environment(rows[i].text, rows[i].n, "web", 2, &version, &port),
				 rows[i].version != 0);
		assert_int_equal(version, rows[i].version);
		assert_int_equal(port, rows[i].port);
	}
}

static void nginx_ports(void **state UNUSED)
{
	_cleanup_(freep) unsigned *ports = NULL;
	size_t n = 0;

	recover_nginx_ports(
		"upstream x {\n\tserver 127.0.0.1:20001;\n\tserver [::1]:20002;\n\tserver unix:/x;\n"
		"server 127.0.0.1:20003;\n\tserver 127.0.0.1:0;\n\tserver 127.0.0.1:70000;\n"
		"\tserver_name a:1;\n}\n",
		&ports, &n);
	assert_int_equal(n, 2);
	assert_int_equal(ports[0], 20001);
	assert_int_equal(ports[1], 20002);
}

static void numbers_in_names(void **state UNUSED)
{
	assert_int_equal(recover_version("v12"), 12);
	assert_int_equal(recover_version("12"), 0);
	assert_int_equal(recover_version("v12.tmp"), 0);
	assert_int_equal(recover_version("v99999999999"), 0);
	assert_int_equal(recover_log_number("deploy-17.log"), 17);
	assert_int_equal(recover_log_number("deploy-.log"), 0);
	assert_int_equal(recover_log_number("deploy-17.log.old"), 0);
	assert_int_equal(recover_log_number("web.1.log"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_grow),
		cmocka_unit_test(filters_match),
		cmocka_unit_test(operations_of_the_document),
		cmocka_unit_test(fifo_names),
		cmocka_unit_test(live_links),
		cmocka_unit_test(environments),
		cmocka_unit_test(nginx_ports),
		cmocka_unit_test(numbers_in_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
