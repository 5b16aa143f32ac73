/* What a release's own words (commands, PATH, variables) can and cannot do to the sandbox around it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "runner/launch.h"

/* The arguments and environment of a command in a release whose operator's tools are in DIR/tools/bin. */
struct place {
	char *dir;
	struct spec spec;
	struct strv argv, envp;
};

static void put_program(const struct place *p, const char *path)
{
	_cleanup_(freep) char *full = path_join(p->dir, path),
			      *dir = xstrndup(full, (size_t) (strrchr(full, '/') - full));

	assert_int_equal(dir_make(dir, 0755, NULL), 0);
	assert_int_equal(file_replace(full, "#!/bin/sh\n", 10, 0755, NULL), 0);
}

static int enter(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);

	p->dir = xstrdup("/tmp/slipway-launch-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	put_program(p, "tools/bin/tool");
	put_program(p, "other/bin/tool");
	p->spec.sandbox.level = SANDBOX_BWRAP;
	p->spec.cwd = xstrdup("/");
	strv_push(&p->spec.sandbox.tools, path_join(p->dir, "tools/bin"));
	*state = p;
	return 0;
}

static int leave(void **state)
{
	struct place *p = *state;
	int r = tree_remove(p->dir, NULL);

	spec_done(&p->spec);
	strv_done(&p->argv);
	strv_done(&p->envp);
	free(p->dir);
	free(p);
	return r;
}

static void compose(struct place *p, const char *command)
{
	struct launch l = { .spec = &p->spec, .command = command };

	strv_done(&p->argv);
	strv_done(&p->envp);
	launch_compose(&l, &p->argv, &p->envp);
}

static void bwrap_does_not_get_what_loads_code(void **state)
{
	static const char *const unsafe[] = { "LD_PRELOAD", "LD_LIBRARY_PATH", "GCONV_PATH", "GLIBC_TUNABLES",
					      "MALLOC_PERTURB_" };
	struct place *p = *state;
	size_t command = 0;

	env_set(&p->spec.env, "SAFE", "1", "ENV:1");
	for (size_t i = 0; i < COUNT(unsafe); i++)
		env_set(&p->spec.env, unsafe[i], "/evil.so", "ENV:2");
	compose(p, "true");
	while (command < p->argv.n && !str_eq(p->argv.v[command], "/bin/sh"))
		command++;
	assert_int_equal(p->envp.n, 1);
	assert_string_equal(p->envp.v[0], "SAFE=1");
	for (size_t i = 0; i < COUNT(unsafe); i++) {
		_cleanup_(freep) char *want = xasprintf("%s=/evil.so", unsafe[i]);
		size_t at = command - 1 - 2 * COUNT(unsafe) + 2 * i; /* before "--" */

		assert_string_equal(p->argv.v[at], "--set"); /* for slipway-enter, inside */
		assert_string_equal(p->argv.v[at + 1], want);
	}
}

static void without_a_sandbox_all_is_handed_on(void **state)
{
	struct place *p = *state;

	p->spec.sandbox.level = SANDBOX_OFF;
	env_set(&p->spec.env, "LD_PRELOAD", "/mine.so", "config");
	compose(p, "true");
	assert_string_equal(p->envp.v[0], "LD_PRELOAD=/mine.so");
}

static const struct row {
	const char *name, *command, *path; /* %s: the test's directory */
	bool is_shown;                     /* the installation around it */
} rows[] = {
	{ "a tool in the operator's directory", "tool --flag", "%s/tools/bin", true },
	{ "the same by its path", "%s/tools/bin/tool", "/usr/bin", true },
	{ "a program elsewhere by its path", "%s/other/bin/tool", "%s/tools/bin", false },
	{ "a PATH that leads elsewhere", "tool", "%s/other/bin", false },
	{ "a way around to the same place", "%s/tools/../other/bin/tool", "%s/tools/bin", false },
	{ "a directory as the command", "%s/other || cat secrets", "%s/tools/bin", false },
	{ "a directory with tools", "%s/tools/bin || cat secrets", "%s/tools/bin", false },
};

static char *in(const struct place *p, const char *text)
{
	const char *mark = strstr(text, "%s");

	return mark ? xasprintf("%.*s%s%s", (int) (mark - text), text, p->dir, mark + 2) : xstrdup(text);
}

static void shows(void **state)
{
	const struct row *row = *state;
	void *place;

	assert_int_equal(enter(&place), 0);
	struct place *p = place;
	_cleanup_(freep) char *command = in(p, row->command), *path = in(p, row->path);
	bool is_shown = false;

	env_set(&p->spec.env, "PATH", path, "ENV:1");
	compose(p, command);
	for (size_t i = 0; i < p->argv.n && !str_eq(p->argv.v[i], "--"); i++)
		is_shown |= strstr(p->argv.v[i], p->dir) != NULL;
	assert_int_equal(is_shown, row->is_shown);
	assert_int_equal(leave(&place), 0);
}

int main(void)
{
	struct CMUnitTest tests[COUNT(rows) + 2];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(rows); i++)
		tests[n++] = (struct CMUnitTest){ rows[i].name, shows, NULL, NULL, (void *) &rows[i] };
	tests[n++] = (struct CMUnitTest){ "bwrap does not get what loads code",
					  bwrap_does_not_get_what_loads_code, enter, leave, NULL };
	tests[n++] = (struct CMUnitTest){ "without a sandbox all is handed on",
					  without_a_sandbox_all_is_handed_on, enter, leave, NULL };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
