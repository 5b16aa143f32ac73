/* The log files of instances: lines with stamps, split, rotated at a line, shortened when the disk is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"
#include "daemon/keeper-log.h"

#define STAMP "2026-11-23T21:37:00.123Z "
enum { STAMP_LEN = sizeof STAMP - 1 };
static const int64_t at_ms = 1795469820123;

struct fixture {
	char dir[64], *path, *old;
	struct keeper_log log;
	struct keeper_out out;
};

static int begin(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	(void) snprintf(f->dir, sizeof f->dir, "/tmp/slipway-keeper-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = xasprintf("%s/app/web.1.log", f->dir);
	f->old = xasprintf("%s.old", f->path);
	f->out.data = xcalloc(1, KEEPER_OUT_SIZE);
	keeper_log_init(&f->log, xstrdup(f->path), 1 << 20);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	(void) tree_remove(f->dir, NULL);
	free(f->path);
	free(f->old);
	free(f->out.data);
	free(f);
	return 0;
}

static void feed(struct fixture *f, const char *text)
{
	keeper_log_feed(&f->log, &f->out, text, strlen(text), at_ms);
	assert_int_equal(f->out.n, 0);
}

static char *content(const char *path)
{
	char *text = NULL;

	assert_int_equal(file_read(path, 1 << 24, &text, NULL, NULL), 0);
	return text;
}

/* Each row feeds up to three chunks; then the log ends. */
static const struct row {
	const char *name, *chunks[4], *want;
} rows[] = {
	{ "a line", { "hello\n" }, STAMP "hello\n" },
	{ "two lines at once", { "a\nb\n" }, STAMP "a\n" STAMP "b\n" },
	{ "a line in pieces", { "he", "ll", "o\n" }, STAMP "hello\n" },
	{ "an empty line", { "\n" }, STAMP "\n" },
	{ "a line without its end", { "a\nrest" }, STAMP "a\n" STAMP "rest\n" },
	{ "an end that comes later", { "a", "\nb\n" }, STAMP "a\n" STAMP "b\n" },
};

static void lines(void **state)
{
	struct fixture *f = *state;
	const struct row *row = &rows[0];

	keeper_log_done(&f->log, &f->out, at_ms);
	for (size_t i = 0; i < COUNT(rows); i++, row++) {
		(void) unlink(f->path);
		keeper_log_init(&f->log, xstrdup(f->path), 1 << 20);
		for (size_t k = 0; row->chunks[k]; k++)
			feed(f, row->chunks[k]);
		keeper_log_done(&f->log, &f->out, at_ms);
		_cleanup_(freep) char *text = content(f->path);

		if (!str_eq(text, row->want))
			fail_msg("%s: got '%s'", row->name, text);
	}
}

static void modes(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *dir = xasprintf("%s/app", f->dir);
	struct stat st;

	feed(f, "x\n");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	keeper_log_done(&f->log, &f->out, at_ms);
}

/* Every line is stamped, none is longer than 16 KiB, nothing is lost. */
static void long_line(void **state)
{
	struct fixture *f = *state;
	enum { LENGTH = 100000 };
	_cleanup_(freep) char *line = xcalloc(1, LENGTH + 2), *text = NULL;
	size_t total = 0, n = 0;

	memset(line, 'x', LENGTH);
	line[LENGTH] = '\n';
	for (size_t i = 0; i < LENGTH + 1; i += 30000) {
		size_t part = LENGTH + 1 - i < 30000 ? LENGTH + 1 - i : 30000;

		keeper_log_feed(&f->log, &f->out, line + i, part, at_ms);
		assert_true(f->log.partial.len <= KEEPER_LINE_MAX);
	}
	keeper_log_done(&f->log, &f->out, at_ms);
	text = content(f->path);
	for (char *at = text, *eol; (eol = strchr(at, '\n')); at = eol + 1, n++) {
		assert_true((size_t) (eol - at) <= STAMP_LEN + KEEPER_LINE_MAX);
		assert_memory_equal(at, STAMP, STAMP_LEN);
		total += (size_t) (eol - at) - STAMP_LEN;
	}
	assert_int_equal(total, LENGTH);
	assert_int_equal(n, (LENGTH + KEEPER_LINE_MAX - 1) / KEEPER_LINE_MAX);
}

static void check_whole_lines(const char *text)
{
	for (const char *at = text, *eol; *at; at = eol + 1) {
		assert_memory_equal(at, STAMP, STAMP_LEN);
		eol = strchr(at, '\n');
		assert_non_null(eol);
	}
}

static void rotation(void **state)
{
	struct fixture *f = *state;
	enum { LIMIT = 1000, LINES = 200 };
	_cleanup_(freep) char *now = NULL, *old = NULL;
	struct strb text = STRB(1 << 20);

	f->log.max = LIMIT;
	for (int i = 0; i < LINES; i++)
		(void) strb_addf(&text, "line %d\n", i);
	feed(f, text.s);
	strb_done(&text);
	keeper_log_done(&f->log, &f->out, at_ms);
	now = content(f->path);
	old = content(f->old);
	assert_true(strlen(now) <= LIMIT && strlen(old) <= LIMIT && strlen(old) > LIMIT / 2);
	check_whole_lines(now);
	check_whole_lines(old);
	assert_true(str_ends(now, "line 199\n"));
	_cleanup_(freep) char *both = xasprintf("%s%s", old, now);
	int first = (int) strtol(strstr(both, "line ") + 5, NULL, 10);

	for (const char *at = both; *at; at = strchr(at, '\n') + 1, first++)
		assert_int_equal((int) strtol(strstr(at, "line ") + 5, NULL, 10), first);
	assert_int_equal(first, LINES);
}

static void goes_on_after_a_restart(void **state)
{
	struct fixture *f = *state;

	feed(f, "one\n");
	keeper_log_done(&f->log, &f->out, at_ms);
	keeper_log_init(&f->log, xstrdup(f->path), 2 * STAMP_LEN + 8);
	feed(f, "two\n"); /* fits exactly */
	feed(f, "three\n");
	keeper_log_done(&f->log, &f->out, at_ms);
	_cleanup_(freep) char *now = content(f->path), *old = content(f->old);

	assert_string_equal(old, STAMP "one\n" STAMP "two\n");
	assert_string_equal(now, STAMP "three\n");
}

static void ends_a_torn_line(void **state)
{
	struct fixture *f = *state;

	feed(f, "one\n");
	keeper_log_done(&f->log, &f->out, at_ms);
	assert_int_equal(truncate(f->path, STAMP_LEN + 2), 0); /* as a keeper that is killed may leave it */
	keeper_log_init(&f->log, xstrdup(f->path), 1 << 20);
	feed(f, "two\n");
	keeper_log_done(&f->log, &f->out, at_ms);
	_cleanup_(freep) char *now = content(f->path);

	assert_string_equal(now, STAMP "on\n" STAMP "two\n");
}

static void removed_by_someone(void **state)
{
	struct fixture *f = *state;

	feed(f, "one\n");
	assert_int_equal(unlink(f->path), 0);
	feed(f, "two\n");
	_cleanup_(freep) char *now = content(f->path);

	assert_string_equal(now, STAMP "two\n");
	keeper_log_done(&f->log, &f->out, at_ms);
}

/* A limit on the size of files stands for a full disk: it is the same to whoever writes. */
static void full_disk(void **state)
{
	struct fixture *f = *state;
	struct rlimit was, small;
	_cleanup_(freep) char *now = NULL;

	(void) signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){ 2000, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 300; i++) {
		_cleanup_(freep) char *line = xasprintf("line %d\n", i);

		feed(f, line);
	}
	keeper_log_done(&f->log, &f->out, at_ms);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	now = content(f->path);
	check_whole_lines(now);
	assert_non_null(strstr(now, "slipway: the disk was full: older lines were dropped\n"));
	assert_non_null(strstr(now, "line 299\n"));
}

static void no_place_at_all(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *dir = xasprintf("%s/app", f->dir);

	assert_int_equal(file_replace(dir, "", 0, 0600, NULL), 0); /* a file where the directory should be */
	feed(f, "lost\n");
	assert_true(f->log.has_dropped);
	assert_int_equal(unlink(dir), 0);
	feed(f, "seen\n");
	_cleanup_(freep) char *now = content(f->path);

	assert_non_null(strstr(now, "seen\n"));
	assert_non_null(strstr(now, "bytes of new ones were lost"));
	keeper_log_done(&f->log, &f->out, at_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines, begin, end),
		cmocka_unit_test_setup_teardown(modes, begin, end),
		cmocka_unit_test_setup_teardown(long_line, begin, end),
		cmocka_unit_test_setup_teardown(rotation, begin, end),
		cmocka_unit_test_setup_teardown(goes_on_after_a_restart, begin, end),
		cmocka_unit_test_setup_teardown(ends_a_torn_line, begin, end),
		cmocka_unit_test_setup_teardown(removed_by_someone, begin, end),
		cmocka_unit_test_setup_teardown(full_disk, begin, end),
		cmocka_unit_test_setup_teardown(no_place_at_all, begin, end),
	};

	(void) umask(0027); /* as keeper_run() */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
