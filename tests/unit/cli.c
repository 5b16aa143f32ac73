/* The command line's pure parts: options, the table, columns, settings as arguments, log lines across a
 * rotation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/cli-internal.h"
#include "cli/logs-internal.h"

static const struct option_def options[] = { { 'n', "lines", "N", "" }, { 'f', "follow", NULL, "" }, { 0 } };
static const struct command plain = { .words = "logs",
				      .args = "APP [SERVICE]",
				      .summary = "",
				      .min_args = 1,
				      .max_args = 2,
				      .needs = CLI_JSON,
				      .options = options };
static const struct command raw = { .words = "run",
				    .args = "APP COMMAND...",
				    .summary = "",
				    .min_args = 2,
				    .max_args = -1,
				    .needs = CLI_RAW };

/* args, then the options in order as "word=value" */
static void parses_options(void **state UNUSED)
{
	static const struct {
		const struct command *c;
		const char *line[8], *args, *options, *error;
		bool is_remote;
	} cases[] = {
		{ &plain, { "blog", "-f" }, "blog", "follow=", NULL },
		{ &plain, { "-n", "5", "blog", "web" }, "blog web", "lines=5", NULL },
		{ &plain, { "blog", "-fn5" }, "blog", "follow= lines=5", NULL },
		{ &plain, { "--lines=7", "--", "-f" }, "-f", "lines=7", NULL },
		{ &plain, { "blog", "--lines", "7", "--json" }, "blog", "lines=7 json=", NULL },
		{ &plain, { "--lines=7", "blog", "-n3" }, "blog", "lines=3", NULL },
		{ &plain, { "blog", "-" }, "blog -", "", NULL },
		{ &plain, { "blog", "--root", "/r" }, "blog", "root=/r", NULL },
		{ &plain, { "blog", "--root", "/r" }, NULL, NULL, "unknown option '--root'", true },
		{ &plain, { "blog", "--folow" }, NULL, NULL, "did you mean '--follow'?" },
		{ &plain, { "blog", "-x" }, NULL, NULL, "unknown option '-x'" },
		{ &plain,
		  { "blog", "-n" },
		  NULL,
		  NULL,
		  "--lines wants N; usage: slipway logs APP [SERVICE] [-n N]" },
		{ &plain, { "blog", "--follow=1" }, NULL, NULL, "--follow takes no value" },
		{ &raw, { "blog", "ls", "-l", "--json" }, "blog ls -l --json", "", NULL },
		{ &raw, { "blog", "--", "-l" }, "blog -l", "", NULL },
		{ &raw, { "blog", "-l" }, NULL, NULL, "unknown option '-l'" },
		{ &raw, { "blog", "echo", "--", "x" }, "blog echo -- x", "", NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		_cleanup_(err_freep) struct err *e = NULL;
		_cleanup_(strv_done) struct strv args = { 0 }, set = { 0 };
		struct cli cli = { .command = cases[i].c, .who.is_remote = cases[i].is_remote };
		int r = options_parse(&cli, (char **) (uintptr_t) cases[i].line, &args, &e);
		_cleanup_(freep) char *text = err_text(e), *all = strv_join(&args, " "), *opts = NULL;

		for (size_t k = 0; k < cli.options.n; k++)
			strv_addf(&set, "%s=%s", cli.options.v[k].name, cli.options.v[k].value);
		opts = strv_join(&set, " ");
		if (cases[i].error) {
			assert_int_equal(r, ERR_USAGE);
			if (!strstr(text, cases[i].error))
				fail_msg("case %zu: %s", i, text);
		} else {
			assert_int_equal(r, 0);
			assert_string_equal(all, cases[i].args);
			assert_string_equal(opts, cases[i].options);
		}
		env_done(&cli.options);
	}
}

static void asks_for_help(void **state UNUSED)
{
	static const struct {
		const struct command *c;
		const char *line[4];
	} cases[] = { { &plain, { "-h" } },
		      { &plain, { "blog", "--help" } },
		      { &raw, { "-h" } },
		      { &raw, { "blog", "--help" } } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		_cleanup_(strv_done) struct strv args = { 0 };
		struct cli cli = { .command = cases[i].c };

		assert_int_equal(options_parse(&cli, (char **) (uintptr_t) cases[i].line, &args, NULL), 1);
	}
}

static void counts_arguments(void **state UNUSED)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(strv_done) struct strv args = { 0 };

	assert_int_equal(options_count(&plain, &args, &e), ERR_USAGE);
	assert_string_equal(e->msg, "APP is missing; usage: slipway logs APP [SERVICE] [-n N] [-f] [--json]");
	STRV_ADD(&args, "blog", "web");
	assert_int_equal(options_count(&plain, &args, NULL), 0);
	STRV_ADD(&args, "more");
	assert_int_equal(options_count(&plain, &args, &e), ERR_USAGE);
	assert_non_null(strstr(e->msg, "unexpected argument 'more'"));
	assert_int_equal(options_count(&raw, &args, NULL), 0);
}

/* Every word leads to one command, and every entry can be shown. */
static void table_is_sound(void **state UNUSED)
{
	for (size_t i = 0; cli_commands[i]; i++) {
		const struct command *c = cli_commands[i];
		_cleanup_(strv_done) struct strv words = { 0 };
		_cleanup_(freep) char *usage = help_usage(c);

		strv_split(&words, c->words, " ");
		assert_true(words.n > 0 && c->summary && *c->summary && usage);
		assert_true(c->max_args < 0 || c->max_args >= c->min_args);
		assert_false((c->needs & NEEDS_APP) == NEEDS_APP && c->min_args < 1);
		for (size_t k = 0; k < words.n; k++)
			assert_ptr_equal(cli_find(words.v[k]), c);
	}
	assert_null(cli_find("nosuch"));
	assert_null(cli_find(""));
	assert_null(cli_find("ps:scale scale"));
}

static char *captured(void (*print)(void *ctx), void *ctx)
{
	FILE *saved = stdout;
	char *text = NULL;
	size_t n = 0;

	stdout = open_memstream(&text, &n);
	print(ctx);
	(void) fclose(stdout);
	stdout = saved;
	return text;
}

static void print_columns(void *ctx)
{
	columns_print(ctx);
}

static void aligns_columns(void **state UNUSED)
{
	_cleanup_(columns_done) struct columns c = { 0 };
	_cleanup_(freep) char *text = NULL;

	COLUMNS_ROW(&c, "APP", "STATE", "X");
	COLUMNS_ROW(&c, "blog", "\033[32mrunning\033[0m", "1");
	COLUMNS_ROW(&c, "caf\303\251s", "down", "22");
	text = captured(print_columns, &c);
	assert_string_equal(text, "APP    STATE    X\n"
				  "blog   \033[32mrunning\033[0m  1\n"
				  "caf\303\251s  down     22\n");
}

static void reads_settings(void **state UNUSED)
{
	static const struct {
		const char *given[4], *want, *error;
	} cases[] = {
		{ { "A=\"x  y\"", "B=z" }, "A=x  y|B=z", NULL },
		{ { "A=x", "A=y" }, "A=y", NULL },
		{ { "A=" }, "A=", NULL },
		{ { "A=a=b" }, "A=a=b", NULL },
		{ { "A=x y" }, "A=x y", NULL },
		{ { "A=x", "y" }, NULL, "malformed setting 'y': expected KEY=VALUE" },
		{ { "\"A=x\" y" }, NULL, "malformed setting 'y': expected KEY=VALUE" },
		{ { "A='x" }, NULL, "malformed setting 'A...'" },
		{ { "=x", "#A=x" },
		  NULL,
		  "malformed setting '=...': the key is empty; malformed setting '#A=...'" },
		{ { "\"A B=x\"" }, NULL, "malformed setting 'A B=...'" },
		{ { "\"A=x\ny\"" }, NULL, "a value is one line" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		_cleanup_(err_freep) struct err *e = NULL;
		_cleanup_(env_done) struct env env = { 0 };
		_cleanup_(strv_done) struct strv strings = { 0 };
		int r = settings_read_arguments((char **) (uintptr_t) cases[i].given, &env, &e);
		_cleanup_(freep) char *text = err_text(e), *all = NULL;

		env_strings(&env, &strings);
		all = strv_join(&strings, "|");
		assert_int_equal(r, cases[i].error ? ERR_FAILED : 0);
		assert_string_equal(all, cases[i].want ? cases[i].want : "");
		if (cases[i].error && !strstr(text, cases[i].error))
			fail_msg("case %zu: %s", i, text);
	}
}

static void knows_secrets(void **state UNUSED)
{
	static const struct {
		const char *name, *value;
		bool is_secret;
	} cases[] = {
		{ "API_KEY", "x", true },
		{ "db_password", "x", true },
		{ "DATABASE_URL", "postgres://u:p@host/db", true },
		{ "DATABASE_URL", "postgres://host/db?x=a@b", false },
		{ "PORT", "5000", false },
		{ "NGINX_SERVER_NAME", "a.example", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(settings_is_secret(cases[i].name, cases[i].value), cases[i].is_secret);
}

static void chooses_logs(void **state UNUSED)
{
	static const struct {
		const char *pattern, *file;
		bool is_wanted;
	} cases[] = {
		{ NULL, "web.1.log", true },     { NULL, "web.1.log.old", false },
		{ NULL, "deploy-7.log", false }, { "web", "web.12.log", true },
		{ "web.1", "web.1.log", true },  { "web.1", "web.12.log", false },
		{ "w*", "worker.1.log", true },  { "nope", "web.1.log", false },
		{ "web", "web.x.log", false },   { "a.b", "a.b.1.log", true },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct logs l = { .pattern = cases[i].pattern };
		_cleanup_(freep) char *name = NULL;

		assert_int_equal(logs_want(&l, cases[i].file, &name), cases[i].is_wanted);
	}
}

/* SLIPWAY_TEST_NOW is 2026-11-23T21:37:00Z. */
static void reads_since(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "0s", "2026-11-23T21:37:00.000Z" },
		{ "90s", "2026-11-23T21:35:30.000Z" },
		{ "10m", "2026-11-23T21:27:00.000Z" },
		{ "1h30m", "2026-11-23T20:07:00.000Z" },
		{ "2d", "2026-11-21T21:37:00.000Z" },
		{ "1w", "2026-11-16T21:37:00.000Z" },
		{ "2026-11-23", "2026-11-22T23:00:00.000Z" },
		{ "2026-11-23T21:00", "2026-11-23T20:00:00.000Z" },
		{ "2026-11-23 21:00:05", "2026-11-23T20:00:05.000Z" },
		{ "2026-11-23T21:00:05Z", "2026-11-23T21:00:05.000Z" },
		{ "2026-11-23T21:00:05.5Z", "2026-11-23T21:00:05.500Z" },
		{ "2026-11-23T21:00:05.1234Z", "2026-11-23T21:00:05.123Z" },
		{ "2026-11-23T21:00:05+02:00", "2026-11-23T19:00:05.000Z" },
		{ "", NULL },
		{ "10", NULL },
		{ "m", NULL },
		{ "-5m", NULL },
		{ "5 m", NULL },
		{ "5y", NULL },
		{ "99999999999999999999m", NULL },
		{ "2026-13-01", NULL },
		{ "2026-11-23T", NULL },
		{ "2026-11-23T21:00x", NULL },
		{ "yesterday", NULL },
	};

	assert_int_equal(setenv("SLIPWAY_TEST_NOW", "1795469820", 1), 0);
	assert_int_equal(setenv("TZ", "XYZ-1", 1), 0); /* an hour ahead */
	tzset();
	for (size_t i = 0; i < COUNT(cases); i++) {
		_cleanup_(freep) char *got = NULL;
		int r = logs_since_read(cases[i].text, &got, NULL);

		assert_int_equal(r, cases[i].want ? 0 : ERR_USAGE);
		if (!str_eq(got, cases[i].want))
			fail_msg("'%s': %s", cases[i].text, got);
	}
	assert_int_equal(unsetenv("SLIPWAY_TEST_NOW"), 0);
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
}

/* A log of 100,000 lines, one a second: from anywhere in it the first line is found without reading it all.
 */
static void finds_since(void **state UNUSED)
{
	FILE *f = tmpfile();
	static const int seconds[] = { 0, 1, 59, 3600, 50000, 99998, 99999 };
	const int64_t begin = 1795469820;

	assert_non_null(f);
	for (int i = 0; i < 100000; i++) {
		_cleanup_(freep) char *at = time_text(begin + i);

		assert_true(fprintf(f, "%.19s.000Z line %d\n", at, i) > 0);
	}
	assert_int_equal(fflush(f), 0);
	for (size_t i = 0; i < COUNT(seconds); i++) {
		_cleanup_(freep) char *at = time_text(begin + seconds[i]),
				      *since = xasprintf("%.19s.000Z", at);
		char line[128];
		int n = 0;

		logs_seek_since(fileno(f), since);
		FILE *again = fdopen(dup(fileno(f)), "r");

		do
			assert_non_null(fgets(line, sizeof line, again));
		while (n++ < 3000 && !logs_stamp_is_since(line, logs_stamp_length(line), since));
		assert_int_equal(strncmp(line, since, 24), 0);
		(void) fclose(again);
	}
	(void) fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_options),   cmocka_unit_test(asks_for_help),
		cmocka_unit_test(counts_arguments), cmocka_unit_test(table_is_sound),
		cmocka_unit_test(aligns_columns),   cmocka_unit_test(reads_settings),
		cmocka_unit_test(knows_secrets),    cmocka_unit_test(chooses_logs),
		cmocka_unit_test(reads_since),      cmocka_unit_test(finds_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
