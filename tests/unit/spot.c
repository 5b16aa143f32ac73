/* No link that an app plants in a directory leads what slipway does there out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/spot.h"

/* DIR/in is the app's, DIR/out is not. */
struct place {
	char *dir;
	int in;
};

static char *at(const struct place *p, const char *path)
{
	return path_join(p->dir, path);
}

static void put(const struct place *p, const char *path)
{
	_cleanup_(freep) char *full = at(p, path),
			      *dir = xstrndup(full, (size_t) (strrchr(full, '/') - full));

	assert_int_equal(dir_make(dir, 0755, NULL), 0);
	assert_int_equal(file_replace(full, "x", 1, 0644, NULL), 0);
}

static void link_to(const struct place *p, const char *target, const char *path)
{
	_cleanup_(freep) char *full = at(p, path);

	assert_int_equal(symlink(target, full), 0);
}

static bool has(const struct place *p, const char *path)
{
	_cleanup_(freep) char *full = at(p, path);
	struct stat st;

	return lstat(full, &st) == 0;
}

static int enter(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);
	_cleanup_(freep) char *in = NULL;

	p->dir = xstrdup("/tmp/slipway-spot-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	put(p, "in/file");
	put(p, "out/file");
	link_to(p, "../out", "in/relative");
	_cleanup_(freep) char *out = at(p, "out");
	link_to(p, out, "in/absolute");
	link_to(p, "dir", "in/inner");
	put(p, "in/dir/file");
	in = at(p, "in");
	p->in = open(in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return 0;
}

static int leave(void **state)
{
	struct place *p = *state;
	int r = tree_remove(p->dir, NULL);

	closep(&p->in);
	free(p->dir);
	free(p);
	return r;
}

static const struct row {
	const char *name, *path;
	int want;
} rows[] = {
	{ "a name at the top", "x", 0 },
	{ "directories are made", "a/b/c", 0 },
	{ "a link to a directory inside", "inner/x", 0 },
	{ "a relative link that leads out", "relative/x", ERR_REFUSED },
	{ "an absolute link that leads out", "absolute/x", ERR_REFUSED },
	{ "a directory to be made behind it", "absolute/a/x", ERR_REFUSED },
	{ "dots", "../out/x", ERR_REFUSED },
	{ "a file on the way", "file/x", -ENOTDIR },
};

static void finds(void **state)
{
	const struct row *row = *state;
	_cleanup_(spot_done) struct spot s = { .dir = -1 };
	void *place;

	assert_int_equal(enter(&place), 0);
	assert_int_equal(spot_find(&s, ((struct place *) place)->in, row->path, true, NULL), row->want);
	assert_int_equal(leave(&place), 0);
}

static void links_are_moved_replaced_and_removed_as_such(void **state)
{
	const struct place *p = *state;
	_cleanup_(spot_done) struct spot link = { .dir = -1 }, to = { .dir = -1 };

	assert_int_equal(spot_find(&link, p->in, "absolute", false, NULL), 0);
	assert_int_equal(spot_find(&to, p->in, "dir/moved", false, NULL), 0);
	assert_true(spot_exists(&link));
	assert_int_equal(spot_move(&link, &to, NULL), 0);
	assert_false(spot_exists(&link));
	assert_int_equal(spot_link(&to, "nowhere", NULL), 0);
	assert_true(spot_exists(&to)); /* though it leads nowhere */
	assert_int_equal(spot_link(&link, "../out", NULL), 0);
	assert_true(spot_make_dir(&link, 0755, NULL) < 0);
	assert_int_equal(spot_remove(&link, NULL), 0);
	assert_int_equal(spot_remove(&link, NULL), 0); /* done already */
	assert_true(has(p, "out/file"));
}

static void trees_are_removed_whatever_their_modes(void **state)
{
	const struct place *p = *state;
	_cleanup_(spot_done) struct spot s = { .dir = -1 };
	_cleanup_(freep) char *closed = at(p, "in/dir/sub");

	put(p, "in/dir/sub/file");
	link_to(p, "../../../out", "in/dir/sub/link");
	assert_int_equal(chmod(closed, 0), 0);
	assert_int_equal(spot_find(&s, p->in, "dir", false, NULL), 0);
	assert_int_equal(spot_remove(&s, NULL), 0);
	assert_false(has(p, "in/dir"));
	assert_true(has(p, "out/file"));
}

static void missing_parents_are_told(void **state)
{
	const struct place *p = *state;
	_cleanup_(spot_done) struct spot s = { .dir = -1 };

	assert_int_equal(spot_find(&s, p->in, "no/x", false, NULL), -ENOENT);
	assert_false(has(p, "in/no"));
}

int main(void)
{
	static const struct {
		const char *name;
		void (*fn)(void **state);
	} single[] = {
		{ "links are moved, replaced and removed as such",
		  links_are_moved_replaced_and_removed_as_such },
		{ "trees are removed whatever their modes", trees_are_removed_whatever_their_modes },
		{ "missing parents are told", missing_parents_are_told },
	};
	struct CMUnitTest tests[COUNT(rows) + COUNT(single)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(rows); i++)
		tests[n++] = (struct CMUnitTest){ rows[i].name, finds, NULL, NULL, (void *) &rows[i] };
	for (size_t i = 0; i < COUNT(single); i++)
		tests[n++] = (struct CMUnitTest){ single[i].name, single[i].fn, enter, leave, NULL };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
