/* Giving a tree to a user: links, mounts and files with several names do not lead out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"

enum { USER = 31999 };

static char *dir;

static int enter(void **state UNUSED)
{
	dir = xstrdup("/tmp/slipway-own-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state UNUSED)
{
	int r = tree_remove(dir, NULL);

	free(dir);
	return r;
}

static char *at(const char *name)
{
	return path_join(dir, name);
}

static void put(const char *name)
{
	_cleanup_(freep) char *path = at(name),
			      *parent = xstrndup(path, (size_t) (strrchr(path, '/') - path));

	assert_int_equal(dir_make(parent, 0755, NULL), 0);
	assert_int_equal(file_replace(path, "x", 1, 0600, NULL), 0);
}

static uid_t owner(const char *name)
{
	_cleanup_(freep) char *path = at(name);
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_uid;
}

static void gives_all_below_and_nothing_else(void **state UNUSED)
{
	_cleanup_(freep) char *outside = at("outside"), *link_path = at("tree/link"), *hard = at("tree/hard"),
			      *dir_link = at("tree/a/dirlink"), *closed = at("tree/a/closed"),
			      *mine = at("tree/mine2"), *mine_from = at("tree/mine");
	_cleanup_(closep) int fd = -1;
	size_t left = 0;

	if (geteuid() != 0)
		skip();
	put("outside");
	put("other/file");
	put("tree/a/b/file");
	put("tree/mine");
	assert_int_equal(symlink(outside, link_path), 0);
	assert_int_equal(symlink("../../other", dir_link), 0);
	assert_int_equal(link(outside, hard), 0);
	assert_int_equal(link(mine_from, mine), 0);
	assert_int_equal(chown(mine, USER, USER), 0);
	assert_int_equal(mkdir(closed, 0), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_own(fd, "tree", USER, USER, &left, NULL), 0);
	assert_int_equal(owner("tree"), USER);
	assert_int_equal(owner("tree/a/b/file"), USER);
	assert_int_equal(owner("tree/a/closed"), USER);
	assert_int_equal(owner("tree/link"), USER);
	assert_int_equal(owner("tree/mine"), USER);
	assert_int_equal(owner("outside"), 0);
	assert_int_equal(owner("other/file"), 0);
	assert_int_equal(left, 1); /* tree/hard */
	assert_int_equal(tree_own(fd, "missing", USER, USER, &left, NULL), 0);
}

static void a_link_in_its_place_is_not_followed(void **state UNUSED)
{
	_cleanup_(freep) char *tree = at("tree");
	_cleanup_(closep) int fd = -1;

	if (geteuid() != 0)
		skip();
	put("other/file");
	assert_int_equal(symlink("other", tree), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_own(fd, "tree", USER, USER, NULL, NULL), 0);
	assert_int_equal(owner("other"), 0);
	assert_int_equal(owner("other/file"), 0);
	assert_int_equal(owner("tree"), USER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_all_below_and_nothing_else, enter, leave),
		cmocka_unit_test_setup_teardown(a_link_in_its_place_is_not_followed, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
