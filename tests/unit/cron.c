/* Schedules: which lines are accepted, what they match, and what is said about the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "base/clock.h"
#include "base/str.h"
#include "manifest/cron.h"

#define EVERY_MINUTE 0xfffffffffffffffULL
#define EVERY_HOUR   0xffffffu
#define EVERY_DAY    0xfffffffeu
#define EVERY_MONTH  0x1ffeu
#define EVERY_WDAY   0x7fu
#define BIT(n)       (1ULL << (n))

static const struct good {
	const char *name, *line;
	struct cron want;
	const char *command, *warning;
} good[] = {
	{ "piku-C01 every minute",
	  "* * * * * echo $FOO >> $DATA_ROOT/out",
	  { EVERY_MINUTE, EVERY_HOUR, EVERY_DAY, EVERY_MONTH, EVERY_WDAY, false },
	  "echo $FOO >> $DATA_ROOT/out" },
	{ "piku-C03 hour 24 never runs",
	  "0 24 * * * x",
	  { BIT(0), BIT(24), EVERY_DAY, EVERY_MONTH, EVERY_WDAY, false },
	  "x",
	  "never runs: hours" },
	{ "piku-C04 stars in the command stay",
	  "0 0 * * * rm -f tmp/*.log",
	  { BIT(0), BIT(0), EVERY_DAY, EVERY_MONTH, EVERY_WDAY, false },
	  "rm -f tmp/*.log" },
	{ "piku-C05 */5 days are the multiples of 5",
	  "0 0 */5 * * x",
	  { BIT(0), BIT(0), BIT(5) | BIT(10) | BIT(15) | BIT(20) | BIT(25) | BIT(30), EVERY_MONTH, EVERY_WDAY,
	    false },
	  "x" },
	{ "*/3 months are the multiples of 3",
	  "0 0 1 */3 * x",
	  { BIT(0), BIT(0), BIT(1), BIT(3) | BIT(6) | BIT(9) | BIT(12), EVERY_WDAY, false },
	  "x" },
	{ "*/20 minutes begin at 0",
	  "*/20 * * * * x",
	  { BIT(0) | BIT(20) | BIT(40), EVERY_HOUR, EVERY_DAY, EVERY_MONTH, EVERY_WDAY, false },
	  "x" },
	{ "*/24 hours is midnight",
	  "0 */24 * * * x",
	  { BIT(0), BIT(0), EVERY_DAY, EVERY_MONTH, EVERY_WDAY, false },
	  "x" },
	{ "piku-C06 day and weekday: either",
	  "0 0 13 * 5 x",
	  { BIT(0), BIT(0), BIT(13), EVERY_MONTH, BIT(5), true },
	  "x" },
	{ "piku-C07 weekday 0 is Sunday",
	  "0 0 * * 0 x",
	  { BIT(0), BIT(0), EVERY_DAY, EVERY_MONTH, BIT(0), false },
	  "x" },
	{ "piku-C07 weekday 7 is Sunday",
	  "0 0 * * 7 x",
	  { BIT(0), BIT(0), EVERY_DAY, EVERY_MONTH, BIT(0), false },
	  "x" },
	{ "piku-C08 lists, ranges, steps, names",
	  "0-5,30 8-18/2 * jan-mar mon-fri x",
	  { 0x3f | BIT(30), BIT(8) | BIT(10) | BIT(12) | BIT(14) | BIT(16) | BIT(18), EVERY_DAY,
	    BIT(1) | BIT(2) | BIT(3), 0x3e, false },
	  "x" },
	{ "piku-C08 @daily", "@daily y", { BIT(0), BIT(0), EVERY_DAY, EVERY_MONTH, EVERY_WDAY, false }, "y" },
	{ "@hourly", "@hourly y", { BIT(0), EVERY_HOUR, EVERY_DAY, EVERY_MONTH, EVERY_WDAY, false }, "y" },
	{ "@weekly", "@weekly y", { BIT(0), BIT(0), EVERY_DAY, EVERY_MONTH, BIT(0), false }, "y" },
	{ "@monthly", "@monthly y", { BIT(0), BIT(0), BIT(1), EVERY_MONTH, EVERY_WDAY, false }, "y" },
	{ "@yearly", "@yearly y", { BIT(0), BIT(0), BIT(1), BIT(1), EVERY_WDAY, false }, "y" },
	{ "any run of blanks",
	  "  0\t 3  *\t* *   x y ",
	  { BIT(0), BIT(3), EVERY_DAY, EVERY_MONTH, EVERY_WDAY, false },
	  "x y " },
	{ "fri-sun",
	  "0 0 * * fri-sun x",
	  { BIT(0), BIT(0), EVERY_DAY, EVERY_MONTH, BIT(5) | BIT(6) | BIT(0), false },
	  "x" },
	{ "names in capitals",
	  "0 0 * DEC Sun x",
	  { BIT(0), BIT(0), EVERY_DAY, BIT(12), BIT(0), false },
	  "x" },
	{ "31 February never runs",
	  "0 0 31 2 * x",
	  { BIT(0), BIT(0), BIT(31), BIT(2), EVERY_WDAY, false },
	  "x",
	  "no month has such a day" },
	{ "29 February runs", "0 0 29 2 * x", { BIT(0), BIT(0), BIT(29), BIT(2), EVERY_WDAY, false }, "x" },
	{ "day 0 never runs",
	  "0 0 0 * * x",
	  { BIT(0), BIT(0), BIT(0), EVERY_MONTH, EVERY_WDAY, false },
	  "x",
	  "no month has such a day" },
	{ "day 31 of February or any Monday runs",
	  "0 0 31 2 1 x",
	  { BIT(0), BIT(0), BIT(31), BIT(2), BIT(1), true },
	  "x" },
};

static const struct bad {
	const char *name, *line;
	int column;
	const char *says;
} bad[] = {
	{ "piku-C02 minute 60", "60 * * * * x", 1, "60 is no minute: expected 0 to 59" },
	{ "piku-C02 hour 25", "* 25 * * * x", 3, "25 is no hour: expected 0 to 24" },
	{ "piku-C02 day 32", "* * 32 * * x", 5, "32 is no day of the month: expected 0 to 31" },
	{ "piku-C02 month 13", "* * * 13 * x", 7, "13 is no month" },
	{ "piku-C02 weekday 8", "* * * * 8 x", 9, "8 is no weekday: expected 0 to 7" },
	{ "piku-C02 */60", "*/60 * * * * x", 3, "60 is no step: expected 1 to 59" },
	{ "piku-C02 */0", "*/0 * * * * x", 3, "0 is no step: expected 1 to 59" },
	{ "piku-C09 @sometimes", "@sometimes x", 1, "expected @hourly" },
	{ "piku-C09 empty", "", 1, "expected five time fields" },
	{ "piku-C09 four fields", "* * * *", 8, "expected five time fields" },
	{ "no command", "* * * * *  ", 12, "expected a command" },
	{ "@daily without a command", "@daily", 7, "expected a command" },
	{ "word instead of a field", "* * * * run x", 9, "expected '*', a name or a number up to 7" },
	{ "word in the minute", "x * * * * y", 1, "expected '*' or a number up to 59" },
	{ "range upside down", "5-1 * * * * x", 1, "from the lower to the higher" },
	{ "range beyond the limit", "50-60 * * * * x", 4, "60 is no minute" },
	{ "open range", "5- * * * * x", 3, "expected '*' or a number" },
	{ "step without a number", "*/ * * * * x", 3, "expected a number after '/'" },
	{ "step of a number", "5/10 * * * * x", 2, "unexpected '/' in the minute" },
	{ "list with a hole", "1,,2 * * * * x", 3, "expected '*' or a number" },
	{ "a number too long", "99999999999999999999 * * * * x", 1, "is no minute" },
	{ "negative", "-1 * * * * x", 1, "expected '*' or a number" },
	{ "name of a month in the weekday", "0 0 * * jan x", 9, "expected '*', a name" },
	{ "name with more letters", "0 0 * january * x", 7, "expected '*', a name" },
};

static void accepts(void **state)
{
	const struct good *row = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *warning = NULL;
	const char *command = NULL;
	struct cron c = { 0 };
	int column = 0;

	assert_int_equal(cron_parse(&c, row->line, &command, &column, &warning, &e), 0);
	assert_true(c.minute == row->want.minute);
	assert_int_equal(c.hour, row->want.hour);
	assert_int_equal(c.day, row->want.day);
	assert_int_equal(c.month, row->want.month);
	assert_int_equal(c.weekday, row->want.weekday);
	assert_int_equal(c.is_any_of_days, row->want.is_any_of_days);
	assert_string_equal(command, row->command);
	assert_true(row->warning ? warning && strstr(warning, row->warning) : !warning);
}

static void refuses(void **state)
{
	const struct bad *row = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *warning = NULL;
	const char *command = NULL;
	struct cron c = { 0 };
	int column = 0;

	assert_int_equal(cron_parse(&c, row->line, &command, &column, &warning, &e), ERR_REFUSED);
	if (!strstr(e->msg, row->says))
		fail_msg("\"%s\" is not in \"%s\"", row->says, e->msg);
	assert_int_equal(column, row->column);
	assert_null(warning);
}

/* In UTC unless a zone is named. want: the times that follow, up to NULL; "never" alone. */
static const struct due {
	const char *name, *line, *tz, *after, *want[8];
} dues[] = {
	{ "piku-C03 hour 24 never comes", "0 24 * * * x", NULL, "2026-01-01T00:00:00Z", { "never" } },
	{ "a day that no month has", "0 0 31 2 * x", NULL, "2026-01-01T00:00:00Z", { "never" } },
	{ "every minute, strictly later",
	  "* * * * * x",
	  NULL,
	  "2026-01-01T00:00:00Z",
	  { "2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z" } },
	{ "within a minute: the next one",
	  "* * * * * x",
	  NULL,
	  "2026-01-01T00:00:01Z",
	  { "2026-01-01T00:01:00Z" } },
	{ "piku-C05 the multiples of 5",
	  "0 0 */5 * * x",
	  NULL,
	  "2026-01-01T00:00:00Z",
	  { "2026-01-05T00:00:00Z", "2026-01-10T00:00:00Z", "2026-01-15T00:00:00Z", "2026-01-20T00:00:00Z",
	    "2026-01-25T00:00:00Z", "2026-01-30T00:00:00Z", "2026-02-05T00:00:00Z" } },
	{ "piku-C06 every 13th and every Friday",
	  "0 0 13 * 5 x",
	  NULL,
	  "2026-10-01T00:00:00Z",
	  { "2026-10-02T00:00:00Z", "2026-10-09T00:00:00Z", "2026-10-13T00:00:00Z",
	    "2026-10-16T00:00:00Z" } },
	{ "a weekday and any day: only the weekday",
	  "0 0 * * 5 x",
	  NULL,
	  "2026-10-01T00:00:00Z",
	  { "2026-10-02T00:00:00Z", "2026-10-09T00:00:00Z", "2026-10-16T00:00:00Z" } },
	{ "piku-C07 weekday 0",
	  "0 0 * * 0 x",
	  NULL,
	  "2026-11-23T00:00:00Z",
	  { "2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z" } },
	{ "piku-C07 weekday 7",
	  "0 0 * * 7 x",
	  NULL,
	  "2026-11-23T00:00:00Z",
	  { "2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z" } },
	{ "piku-C08 lists, ranges, steps, names",
	  "0-5,30 8-18/2 * jan-mar mon-fri x",
	  NULL,
	  "2026-03-31T18:04:00Z",
	  { "2026-03-31T18:05:00Z", "2026-03-31T18:30:00Z", "2027-01-01T08:00:00Z" } },
	{ "piku-C08 @daily",
	  "@daily y",
	  NULL,
	  "2026-12-31T23:59:00Z",
	  { "2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z" } },
	{ "a leap day",
	  "0 12 29 2 * x",
	  NULL,
	  "2026-01-01T00:00:00Z",
	  { "2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z" } },
	{ "piku-C12 Tokyo",
	  "0 9 * * * x",
	  "Asia/Tokyo",
	  "2026-11-23T12:00:00Z",
	  { "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z" } },
	{ "piku-C12 a rule", "0 9 * * * x", "JST-9", "2026-11-23T12:00:00Z", { "2026-11-24T00:00:00Z" } },
	{ "a zone with half an hour",
	  "0 0 * * * x",
	  "Asia/Kolkata",
	  "2026-11-23T12:00:00Z",
	  { "2026-11-23T18:30:00Z" } },
	{ "an unknown zone is UTC",
	  "0 9 * * * x",
	  "Mars/Olympus",
	  "2026-11-23T12:00:00Z",
	  { "2026-11-24T09:00:00Z" } },
	{ "a file is no zone",
	  "0 9 * * * x",
	  ":/etc/localtime",
	  "2026-11-23T12:00:00Z",
	  { "2026-11-24T09:00:00Z" } },
	{ "a time that is left out",
	  "30 2 * * * x",
	  "Europe/Berlin",
	  "2026-03-28T12:00:00Z",
	  { "2026-03-30T00:30:00Z" } },
	{ "a day of 23 hours begins at its time",
	  "0 0 * * 1 x",
	  "Europe/Berlin",
	  "2026-03-27T12:00:00Z",
	  { "2026-03-29T22:00:00Z" } },
	{ "a time that comes twice",
	  "30 2 * * * x",
	  "Europe/Berlin",
	  "2026-10-24T12:00:00Z",
	  { "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" } },
	{ "every hour, also the one that comes twice",
	  "30 * * * * x",
	  "Europe/Berlin",
	  "2026-10-25T00:00:00Z",
	  { "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z" } },
	{ "a clock that is turned by half an hour",
	  "0 3 * * * x",
	  "Australia/Lord_Howe",
	  "2026-10-03T00:00:00Z",
	  { "2026-10-03T16:00:00Z", "2026-10-04T16:00:00Z" } },
};

static void is_due(void **state)
{
	const struct due *row = *state;
	const char *command;
	_cleanup_(freep) char *warning = NULL;
	int column;
	struct cron c = { 0 };
	struct tm tm = { 0 };

	assert_non_null(strptime(row->after, "%Y-%m-%dT%H:%M:%SZ", &tm));
	int64_t at = timegm(&tm);

	assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
	assert_int_equal(cron_parse(&c, row->line, &command, &column, &warning, NULL), 0);
	for (size_t i = 0; i < COUNT(row->want) && row->want[i]; i++) {
		at = cron_next(&c, at, row->tz ? row->tz : "UTC");
		_cleanup_(freep) char *text = at < 0 ? xstrdup("never") : time_text(at);

		assert_string_equal(text, row->want[i]);
	}
	assert_string_equal(getenv("TZ"), "America/New_York");
}

int main(void)
{
	struct CMUnitTest tests[COUNT(good) + COUNT(bad) + COUNT(dues)];

	for (size_t i = 0; i < COUNT(good); i++)
		tests[i] = (struct CMUnitTest){ good[i].name, accepts, NULL, NULL, (void *) &good[i] };
	for (size_t i = 0; i < COUNT(bad); i++)
		tests[COUNT(good) + i] =
			(struct CMUnitTest){ bad[i].name, refuses, NULL, NULL, (void *) &bad[i] };
	for (size_t i = 0; i < COUNT(dues); i++)
		tests[COUNT(good) + COUNT(bad) + i] =
			(struct CMUnitTest){ dues[i].name, is_due, NULL, NULL, (void *) &dues[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
