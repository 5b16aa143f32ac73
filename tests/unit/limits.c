/* Limits as they are written and read, and the files of a directory that stands in for a tree of cgroups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cgroup.h"
#include "base/file.h"
#include "base/limit.h"

static const struct row {
	const char *name;
	enum limit kind;
	const char *text;
	int64_t want;      /* -1: refused */
	const char *again; /* limit_text() of it */
} rows[] = {
	{ "megabytes", LIMIT_MEMORY, "256M", 256 << 20, "256M" },
	{ "gigabytes", LIMIT_MEMORY, "1GiB", 1 << 30, "1G" },
	{ "small letters", LIMIT_MEMORY, "2048kb", 2 << 20, "2M" },
	{ "bytes", LIMIT_MEMORY, "1048577", 1048577, "1048577" },
	{ "no memory limit", LIMIT_MEMORY, "none", 0, "none" },
	{ "too little memory", LIMIT_MEMORY, "1023K", -1 },
	{ "a fraction of a size", LIMIT_MEMORY, "1.5G", -1 },
	{ "a size below nothing", LIMIT_MEMORY, "-1G", -1 },
	{ "a unit alone", LIMIT_MEMORY, "M", -1 },
	{ "an unknown unit", LIMIT_MEMORY, "1X", -1 },
	{ "a unit and more", LIMIT_MEMORY, "1Mbit", -1 },
	{ "more than there can be", LIMIT_MEMORY, "99999999999999999999T", -1 },
	{ "a product that does not fit", LIMIT_MEMORY, "9999999T", -1 },
	{ "no text", LIMIT_MEMORY, "", -1 },
	{ "half a processor", LIMIT_CPU, "0.5", 500, "0.5" },
	{ "a share of one", LIMIT_CPU, "25%", 250, "0.25" },
	{ "two processors", LIMIT_CPU, "2", 2000, "2" },
	{ "more than one in percent", LIMIT_CPU, "150%", 1500, "1.5" },
	{ "digits beyond a thousandth", LIMIT_CPU, "0.12345", 123, "0.123" },
	{ "next to nothing", LIMIT_CPU, "0.001", -1 },
	{ "no processor", LIMIT_CPU, "0", -1 },
	{ "a share of nothing", LIMIT_CPU, "%", -1 },
	{ "a very large number", LIMIT_CPU, "99999999999", -1 },
	{ "processes", LIMIT_PIDS, "64", 64, "64" },
	{ "no process", LIMIT_PIDS, "0", -1 },
	{ "processes and more", LIMIT_PIDS, "64x", -1 },
	{ "files", LIMIT_NOFILE, "1024", 1024, "1024" },
	{ "too few files to begin with", LIMIT_NOFILE, "15", -1 },
};

static void reads(void **state)
{
	const struct row *row = *state;
	const char *expected = NULL;
	uint64_t value = 7;

	assert_int_equal(limit_parse(row->kind, row->text, &value, &expected), row->want >= 0);
	assert_non_null(expected);
	if (row->want < 0)
		return;
	_cleanup_(freep) char *again = limit_text(row->kind, value);

	assert_int_equal(value, row->want);
	assert_string_equal(again, row->again);
}

static void prefixes(void **state UNUSED)
{
	const struct limits all = { { 1 << 20, 500, 9, 64 } }, none = { { 0 } };
	struct limit_means means = { .has_own_user = true };
	_cleanup_(strv_done) struct strv argv = { 0 };

	limits_prefix(&none, &means, &argv);
	assert_int_equal(argv.n, 0);
	limits_prefix(&all, &means, &argv);
	_cleanup_(freep) char *text = strv_join(&argv, " ");
	assert_string_equal(text, "/usr/bin/prlimit --data=1048576:1048576 --nproc=9:9 --nofile=64:64 --");
	strv_done(&argv);
	means = (struct limit_means){ .cgroup = { [LIMIT_MEMORY] = true } };
	limits_prefix(&all, &means, &argv);
	assert_string_equal(argv.v[1], "--nofile=64:64");
	assert_int_equal(argv.n, 3);
}

/* ---- a tree ---- */

static int enter(void **state)
{
	char *dir = xstrdup("/tmp/slipway-cgroup-XXXXXX");

	assert_non_null(mkdtemp(dir));
	*state = dir;
	return 0;
}

static int leave(void **state)
{
	int r = tree_remove(*state, NULL);

	free(*state);
	return r;
}

static void put(const char *dir, const char *name, const char *text)
{
	_cleanup_(freep) char *path = path_join(dir, name);

	assert_int_equal(file_replace(path, text, strlen(text), 0644, NULL), 0);
}

static void assert_file(const char *dir, const char *name, const char *want)
{
	_cleanup_(freep) char *path = path_join(dir, name), *text = NULL;

	assert_int_equal(file_read(path, 4096, &text, NULL, NULL), 0);
	assert_string_equal(text, want);
}

static void a_tree_hands_on_what_it_has(void **state)
{
	_cleanup_(cgroup_tree_done) struct cgroup_tree tree = { 0 }, again = { 0 };
	_cleanup_(freep) char *file = path_join(*state, "tree.json"), *group = NULL;
	const struct limits limits = { { 5 << 20, 250, 9, 64 } };

	put(*state, "cgroup.controllers", "cpuset memory hugetlb pids\n");
	assert_int_equal(cgroup_tree_open(&tree, *state, NULL), 0);
	assert_file(*state, "cgroup.subtree_control", "+memory +pids");
	assert_file(*state, "slipwayd/cgroup.procs", "0");
	assert_int_equal(cgroup_tree_write(&tree, file, NULL), 0);
	assert_int_equal(cgroup_tree_read(&again, file, NULL), 0);
	assert_string_equal(again.path, *state);
	assert_true(again.has[LIMIT_MEMORY] && again.has[LIMIT_PIDS]);
	assert_false(again.has[LIMIT_CPU] || again.has[LIMIT_NOFILE]);
	assert_int_equal(cgroup_make(&again, "blog:web.1:7", &limits, &group, NULL), 0);
	assert_file(group, "memory.max", "5242880");
	assert_file(group, "pids.max", "9");
	_cleanup_(freep) char *cpu = path_join(group, "cpu.max");
	assert_false(file_exists(cpu));
	assert_int_equal(cgroup_oom_kills(group), 0);
	put(group, "memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 1\n");
	assert_int_equal(cgroup_oom_kills(group), 2);
	cgroup_remove(group);
	assert_false(is_dir(group));
}

static bool keeps_web(const char *name, void *ctx UNUSED)
{
	return str_starts(name, "blog:web");
}

static void sweeps_only_its_own(void **state)
{
	struct cgroup_tree tree = { .path = *state };
	static const char *const names[] = { "blog:web.1:7", "blog:worker.1:7", "slipwayd", "other.slice" };

	for (size_t i = 0; i < COUNT(names); i++) {
		_cleanup_(freep) char *path = path_join(*state, names[i]);

		assert_int_equal(dir_make(path, 0755, NULL), 0);
	}
	cgroup_sweep(&tree, keeps_web, NULL);
	for (size_t i = 0; i < COUNT(names); i++) {
		_cleanup_(freep) char *path = path_join(*state, names[i]);

		assert_int_equal(is_dir(path), i != 1);
	}
}

static void what_is_no_tree_is_refused(void **state)
{
	_cleanup_(cgroup_tree_done) struct cgroup_tree tree = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *file = path_join(*state, "tree.json");

	assert_int_equal(cgroup_tree_open(&tree, *state, &e), ERR_MISSING);
	assert_null(tree.path);
	assert_int_equal(cgroup_tree_open(&tree, "none", NULL), 0);
	assert_null(tree.path);
	assert_int_equal(cgroup_tree_read(&tree, file, NULL), 0);
	assert_null(tree.path);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(prefixes),
		cmocka_unit_test_setup_teardown(a_tree_hands_on_what_it_has, enter, leave),
		cmocka_unit_test_setup_teardown(sweeps_only_its_own, enter, leave),
		cmocka_unit_test_setup_teardown(what_is_no_tree_is_refused, enter, leave),
	};
	struct CMUnitTest tests[COUNT(rows) + COUNT(others)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(rows); i++)
		tests[n++] = (struct CMUnitTest){ rows[i].name, reads, NULL, NULL, (void *) &rows[i] };
	for (size_t i = 0; i < COUNT(others); i++)
		tests[n++] = others[i];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
