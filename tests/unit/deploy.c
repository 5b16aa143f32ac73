/* What an app wrote beside its code is told from what git and the build made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "deploy/snapshot.h"

struct tree {
	char *dir;
	int fd;
};

static int tree_make(void **state)
{
	struct tree *t = xcalloc(1, sizeof *t);

	t->dir = xstrdup("/tmp/slipway-deploy-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	t->fd = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = t;
	return 0;
}

static int tree_end(void **state)
{
	struct tree *t = *state;

	closep(&t->fd);
	assert_int_equal(tree_remove(t->dir, NULL), 0);
	free(t->dir);
	free(t);
	return 0;
}

/* "dir/" makes a directory, "name->target" a link, all else a file with its name as content. */
static void make(const struct tree *t, const char *what)
{
	const char *arrow = strstr(what, "->");
	_cleanup_(freep) char *path = path_join(t->dir, what);

	if (arrow) {
		path[strlen(path) - strlen(arrow)] = '\0';
		assert_int_equal(symlink(arrow + 2, path), 0);
	} else if (str_ends(what, "/")) {
		assert_int_equal(mkdir(path, 0755), 0);
	} else {
		assert_int_equal(file_replace(path, what, strlen(what), 0644, NULL), 0);
	}
}

struct row {
	const char *name;
	const char *code[8], *build[8], *app[8]; /* what git, the build and the app make, in this order */
	const char *shared[4];                   /* links to shared data, made with the code */
	const char *found;
};

static const struct row rows[] = {
	{ "nothing written", { "app.py" }, { NULL }, { NULL }, { NULL }, "" },
	{ "a file", { "app.py" }, { NULL }, { "data.db" }, { NULL }, "data.db" },
	{ "a directory counts once", { "app.py" }, { NULL }, { "up/", "up/a", "up/b" }, { NULL }, "up" },
	{ "a file in a directory of the code",
	  { "lib/", "lib/x.py" },
	  { NULL },
	  { "lib/state" },
	  { NULL },
	  "lib/state" },
	{ "a link", { "app.py" }, { NULL }, { "l->/nowhere" }, { NULL }, "l" },
	{ "what the build made", { "app.py" }, { "dist/", "dist/x" }, { NULL }, { NULL }, "" },
	{ "what the release command made and the app changed",
	  { "app.py" },
	  { "app.db" },
	  { "app.db" },
	  { NULL },
	  "app.db" },
	{ "a changed file of the code is git's", { "app.py" }, { NULL }, { "app.py" }, { NULL }, "" },
	{ "caches, pid files and locks are worth nothing",
	  { "app.py" },
	  { NULL },
	  { "__pycache__/", "__pycache__/a.pyc", "x.pyc", "run.pid", "a.lock" },
	  { NULL },
	  "" },
	{ "a link to shared data", { "app.py", "up->/shared/up" }, { NULL }, { NULL }, { "up" }, "" },
	{ "a file in the place of such a link", { "app.py" }, { NULL }, { "notes" }, { "notes" }, "notes" },
};

static void make_all(const struct tree *t, const char *const *what)
{
	for (; *what; what++) {
		struct stat st;

		/* a file that is written again must differ in its time, whatever the clock's grain */
		if (fstatat(t->fd, *what, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			struct timespec times[2] = { { .tv_nsec = UTIME_NOW },
						     { .tv_sec = 1, .tv_nsec = 0 } };

			assert_int_equal(utimensat(t->fd, *what, times, 0), 0);
			continue;
		}
		make(t, *what);
	}
}

static void changes_of(void **state)
{
	const struct row *row = *state;
	void *tree = NULL;
	_cleanup_(snapshot_done) struct snapshot before = { 0 }, after = { 0 }, read = { 0 };
	_cleanup_(strv_done) struct strv shared = { 0 }, found = { 0 };
	_cleanup_(freep) char *text = NULL, *path = NULL;

	tree_make(&tree);
	const struct tree *t = tree;
	path = xasprintf("%s.files", t->dir);
	make_all(t, row->code);
	assert_int_equal(snapshot_take(&before, t->fd, NULL, NULL), 0);
	make_all(t, row->build);
	assert_int_equal(snapshot_take(&after, t->fd, &before, NULL), 0);
	assert_int_equal(snapshot_write(&after, path, NULL), 0);
	assert_int_equal(snapshot_read(&read, path, NULL), 0);
	assert_int_equal(read.n, after.n);
	make_all(t, row->app);
	strv_add(&shared, row->shared);
	assert_int_equal(snapshot_changes(&read, t->fd, &shared, &found, NULL), 0);
	strv_sort(&found);
	text = strv_join(&found, " ");
	assert_string_equal(text, row->found);
	assert_int_equal(unlink(path), 0);
	tree_end(&tree);
}

static const struct record_row {
	const char *record;
	bool is_read;
} records[] = {
	{ "t f 0 0 a", true },    { "b d 4096 -5 a b/c", true }, { "", false },
	{ "t f 0 0", false },     { "t f 0 0 ", false },         { "b m 3 5 a/c", false },
	{ "x f 3 5 a/c", false }, { "b-f 3 5 a/c", false },      { "t f 3x 5 a/c", false },
};

static void snapshot_reads_only_records(void **state UNUSED)
{
	char path[] = "/tmp/slipway-snapshot.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0 && close(fd) == 0);
	for (size_t i = 0; i < COUNT(records); i++) {
		_cleanup_(snapshot_done) struct snapshot s = { 0 };
		const struct record_row *row = &records[i];

		assert_int_equal(
			file_replace_unsynced(path, row->record, strlen(row->record) + 1, 0600, NULL), 0);
		assert_int_equal(snapshot_read(&s, path, NULL), 0);
		if (s.n != row->is_read)
			fail_msg("'%s'", row->record);
	}
	assert_int_equal(unlink(path), 0);
}

static void placeholders(void **state)
{
	const struct tree *t = *state;
	_cleanup_(snapshot_done) struct snapshot s = { 0 };

	make(t, "up/");
	make(t, "up/.gitkeep");
	make(t, "lib/");
	make(t, "lib/.gitkeep");
	make(t, "lib/x.py");
	assert_int_equal(snapshot_take(&s, t->fd, NULL, NULL), 0);
	assert_true(snapshot_is_placeholder_dir(&s, "up"));
	assert_false(snapshot_is_placeholder_dir(&s, "lib"));
}

int main(void)
{
	struct CMUnitTest tests[COUNT(rows) + 2];

	for (size_t i = 0; i < COUNT(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, changes_of, NULL, NULL, (void *) &rows[i] };
	tests[COUNT(rows)] = (struct CMUnitTest){ "directories with placeholders only", placeholders,
						  tree_make, tree_end, NULL };
	tests[COUNT(rows) + 1] = (struct CMUnitTest) cmocka_unit_test(snapshot_reads_only_records);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
