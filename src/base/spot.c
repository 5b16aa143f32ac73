/* What is done to names below a directory that an app may write to: see spot.h. */
#include "base/spot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/proc.h"

enum { DIRECTORY = O_RDONLY | O_DIRECTORY };

/* Opens path below base, making what is missing of it. */
static int open_made(int base, const char *path, struct err **e)
{
	_cleanup_(err_freep) struct err *why = NULL;
	int fd = open_beneath(base, path, DIRECTORY, 0, &why);
	_cleanup_(spot_done) struct spot s = { .dir = -1 };

	if (fd >= 0)
		return fd;
	if (fd != -ENOENT)
		return err_set(e, fd, "%s", why->msg);
	int r = spot_find(&s, base, path, true, e);

	if (r >= 0)
		r = spot_make_dir(&s, 0755, e);
	return r < 0 ? r : open_beneath(base, path, DIRECTORY, 0, e);
}

int spot_find(struct spot *ret, int base, const char *path, bool make, struct err **e)
{
	const char *slash = strrchr(path, '/');
	_cleanup_(freep) char *parent = slash ? xstrndup(path, (size_t) (slash - path)) : xstrdup(".");
	int fd = make ? open_made(base, parent, e) : open_beneath(base, parent, DIRECTORY, 0, e);

	if (fd < 0)
		return fd;
	*ret = (struct spot){ fd, xstrdup(slash ? slash + 1 : path) };
	return 0;
}

bool spot_stat(const struct spot *s, struct stat *ret)
{
	return fstatat(s->dir, s->name, ret, AT_SYMLINK_NOFOLLOW) == 0;
}

bool spot_exists(const struct spot *s)
{
	struct stat st;

	return spot_stat(s, &st);
}

int spot_make_dir(const struct spot *s, mode_t mode, struct err **e)
{
	struct stat st;

	if (mkdirat(s->dir, s->name, mode) == 0 ||
	    (errno == EEXIST && spot_stat(s, &st) && S_ISDIR(st.st_mode)))
		return 0;
	return err_set(e, -errno, "making the directory '%s': %m", s->name);
}

static int sync_dir(const struct spot *s, struct err **e)
{
	return fsync(s->dir) < 0 ? err_set(e, -errno, "writing '%s': %m", s->name) : 0;
}

/* cp has no business with descriptors: it finds the directories through ours. */
static int copy(const struct spot *from, const struct spot *to, struct err **e)
{
	_cleanup_(freep) char *cp = find_program("cp", "/usr/bin:/bin");
	_cleanup_(freep) char *a = xasprintf("/proc/%d/fd/%d/%s", (int) getpid(), from->dir, from->name),
			      *b = xasprintf("/proc/%d/fd/%d/%s", (int) getpid(), to->dir, to->name);
	char *argv[] = { cp, (char *) "-aT", (char *) "--", a, b, NULL };
	int r = cp ? proc_run(argv, NULL, NULL, 0, NULL, e) : err_set(e, ERR_MISSING, "cp is not installed");

	if (r > 0)
		(void) spot_remove(to, NULL);
	return r > 0 ? err_set(e, ERR_FAILED, "copying '%s': cp exited with status %d", from->name, r) : r;
}

int spot_move(const struct spot *from, const struct spot *to, struct err **e)
{
	int r;

	if (renameat(from->dir, from->name, to->dir, to->name) == 0) {
		r = sync_dir(to, e);
		return r < 0 ? r : sync_dir(from, e);
	}
	if (errno != EXDEV)
		return err_set(e, -errno, "moving '%s': %m", from->name);
	r = copy(from, to, e);
	return r < 0 ? r : spot_remove(from, e);
}

int spot_link(const struct spot *s, const char *target, struct err **e)
{
	_cleanup_(freep) char *tmp = NULL;
	uint32_t random = 0;
	int r = 0;

	(void) getrandom(&random, sizeof random, GRND_NONBLOCK);
	tmp = xasprintf(".%.200s.%08" PRIx32 ".tmp", s->name, random);
	if (symlinkat(target, s->dir, tmp) < 0 || renameat(s->dir, tmp, s->dir, s->name) < 0)
		r = -errno;
	if (r < 0)
		(void) unlinkat(s->dir, tmp, 0);
	return r < 0 ? err_set(e, r, "linking '%s' to %s: %s", s->name, target, strerror(-r))
		     : sync_dir(s, e);
}

int spot_remove(const struct spot *s, struct err **e)
{
	return tree_remove_at(s->dir, s->name, e);
}

void spot_done(struct spot *s)
{
	closep(&s->dir);
	s->dir = -1;
	free(s->name);
	s->name = NULL;
}
