/* What the daemon decides without a process: pauses, who is meant by a request, which operations there are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/daemon-internal.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_grow),
		cmocka_unit_test(filters_match),
		cmocka_unit_test(operations_of_the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
