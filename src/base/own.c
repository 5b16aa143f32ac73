/* The tree may change under us, by whoever it belongs to: see own.h. */
#include "base/own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

struct walk {
	uid_t uid;
	gid_t gid;
	dev_t dev;
	size_t left;
};

static int own_below(struct walk *w, int dir);

/* What is opened is what is looked at and what is changed: a name may mean something else the next moment. */
static int own_one(struct walk *w, int dir, const char *name)
{
	_cleanup_(closep) int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != w->dev)
		return 0;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && st.st_uid != w->uid) {
		w->left++;
		return 0;
	}
	if ((st.st_uid != w->uid || st.st_gid != w->gid) &&
	    fchownat(fd, "", w->uid, w->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return 0;
	_cleanup_(closep) int below = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return below < 0 ? -errno : own_below(w, below);
}

static int own_below(struct walk *w, int dir)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *at;

	if (!d) {
		r = -errno;
		closep(&copy);
		return r;
	}
	while (r >= 0 && (at = readdir(d)))
		if (!str_eq(at->d_name, ".") && !str_eq(at->d_name, ".."))
			r = own_one(w, dir, at->d_name);
	(void) closedir(d);
	return r;
}

int tree_own(int dir, const char *name, uid_t uid, gid_t gid, size_t *left, struct err **e)
{
	struct walk w = { .uid = uid, .gid = gid };
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "looking at %s: %m", name);
	w.dev = st.st_dev;
	int r = own_one(&w, dir, name);

	if (left)
		*left += w.left;
	return r < 0 ? err_set(e, r, "giving %s to user %u: %s", name, (unsigned) uid, strerror(-r)) : 0;
}
