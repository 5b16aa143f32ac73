/* Files and directories: see file.h. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/syscall.h>

int write_all(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t w = write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		at += w;
		n -= (size_t) w;
	}
	return 0;
}

char *path_join(const char *a, const char *b)
{
	return xasprintf("%s/%s", a, b);
}

static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t) (slash - path));
}

static char *temporary_beside(const char *path)
{
	_cleanup_(freep) char *dir = dir_of(path);
	const char *slash = strrchr(path, '/');
	uint32_t r = 0;

	(void) getrandom(&r, sizeof r, GRND_NONBLOCK);
	return xasprintf("%s/.%s.%08" PRIx32 ".tmp", dir, slash ? slash + 1 : path, r);
}

static int sync_dir_of(const char *path)
{
	_cleanup_(freep) char *dir = dir_of(path);
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int replace(const char *path, const void *data, size_t n, mode_t mode, bool is_synced, struct err **e)
{
	_cleanup_(freep) char *tmp = temporary_beside(path);
	_cleanup_(closep) int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_set(e, -errno, "creating %s: %m", tmp);
	r = write_all(fd, data, n);
	if (r == 0 && (fchmod(fd, mode) < 0 || (is_synced && fsync(fd) < 0) || rename(tmp, path) < 0))
		r = -errno;
	if (r < 0) {
		(void) unlink(tmp);
		return err_set(e, r, "writing %s: %s", path, strerror(-r));
	}
	r = is_synced ? sync_dir_of(path) : 0;
	return r < 0 ? err_set(e, r, "writing %s: %s", path, strerror(-r)) : 0;
}

int file_replace(const char *path, const void *data, size_t n, mode_t mode, struct err **e)
{
	return replace(path, data, n, mode, true, e);
}

int file_replace_unsynced(const char *path, const void *data, size_t n, mode_t mode, struct err **e)
{
	return replace(path, data, n, mode, false, e);
}

static int read_fd(int fd, const char *path, size_t max, char **ret, size_t *ret_n, struct err **e)
{
	struct strb b = STRB(max);
	char buf[16384];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "reading %s: %m", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_REFUSED, "%s is not a regular file", path);
	while ((n = read(fd, buf, sizeof buf)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int r = err_set(e, -errno, "reading %s: %m", path);

			strb_done(&b);
			return r;
		}
		if (strb_add(&b, buf, (size_t) n) < 0) {
			strb_done(&b);
			return err_set(e, ERR_REFUSED, "%s is larger than %zu bytes", path, max);
		}
	}
	if (ret_n)
		*ret_n = b.len;
	*ret = strb_take(&b);
	return 0;
}

int file_read(const char *path, size_t max, char **ret, size_t *n, struct err **e)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_set(e, -errno, "reading %s: %m", path);
	return read_fd(fd, path, max, ret, n, e);
}

int open_beneath(int dir, const char *path, int flags, mode_t mode, struct err **e)
{
	struct open_how how = { .flags = (unsigned) flags | O_CLOEXEC,
				.mode = flags & O_CREAT ? mode : 0,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	int fd, tries = 64;

	do
		fd = (int) syscall(SYS_openat2, dir, path, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN && --tries); /* something was renamed meanwhile */
	if (fd < 0 && errno == EXDEV)
		return err_set(e, ERR_REFUSED, "'%s' leads out of the app's directory", path);
	return fd >= 0 ? fd : err_set(e, -errno, "opening '%s': %m", path);
}

int file_read_beneath(int dir, const char *path, size_t max, char **ret, size_t *n, struct err **e)
{
	_cleanup_(closep) int fd = open_beneath(dir, path, O_RDONLY | O_NONBLOCK, 0, e);

	return fd < 0 ? fd : read_fd(fd, path, max, ret, n, e);
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int dir_make(const char *path, mode_t mode, struct err **e)
{
	_cleanup_(freep) char *parent = NULL;

	if (mkdir(path, mode) == 0)
		return chmod(path, mode) < 0 ? err_set(e, -errno, "making %s: %m", path) : 0;
	if (errno == EEXIST && is_dir(path))
		return 0;
	if (errno != ENOENT)
		return err_set(e, -errno, "making %s: %m", path);
	parent = dir_of(path);
	int r = dir_make(parent, mode, e);
	if (r < 0)
		return r;
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : err_set(e, -errno, "making %s: %m", path);
	return chmod(path, mode) < 0 ? err_set(e, -errno, "making %s: %m", path) : 0; /* whatever the umask */
}

/* Each level of a tree costs a descriptor while it is removed: what lies deeper is moved up to the top first.
 */
enum { DEEPEST = 100 };

struct removal {
	int top; /* the tree's own directory */
	unsigned moved;
};

static int remove_below(struct removal *x, int fd, int depth);

static int move_up(struct removal *x, int dir, const char *name)
{
	int r;

	do {
		_cleanup_(freep) char *to = xasprintf(".slipway-deep.%u", x->moved++);

		r = renameat2(dir, name, x->top, to, RENAME_NOREPLACE);
	} while (r < 0 && errno == EEXIST);
	return r < 0 ? -errno : 0;
}

/* Also one whose mode forbids it, as Go's module cache; never what a link that takes its place leads to. */
static int open_directory(int dir, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, fd = openat(dir, name, flags | O_NOFOLLOW);
	_cleanup_(closep) int path = -1;
	char self[32];

	if (fd >= 0 || errno != EACCES)
		return fd < 0 ? -errno : fd;
	path = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (path < 0)
		return -errno;
	(void) snprintf(self, sizeof self, "/proc/self/fd/%d", path);
	if (chmod(self, 0700) < 0 || (fd = open(self, flags)) < 0)
		return -errno;
	return fd;
}

static int remove_directory(struct removal *x, int dir, const char *name, int depth)
{
	int fd = open_directory(dir, name), r;

	if (fd < 0)
		return fd;
	(void) fchmod(fd, 0700); /* one that can be read may still be read-only */
	if (depth >= DEEPEST) {
		(void) close(fd);
		return move_up(x, dir, name);
	}
	r = remove_below(x, fd, depth + 1);
	return r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : r;
}

/* Removes what is below an open directory; closes it. */
static int remove_below(struct removal *x, int fd, int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *at;
	int r = 0;

	if (!d) {
		r = -errno;
		(void) close(fd);
		return r;
	}
	while (r == 0 && (at = readdir(d))) {
		if (str_eq(at->d_name, ".") || str_eq(at->d_name, ".."))
			continue;
		if (unlinkat(dirfd(d), at->d_name, 0) == 0 || errno == ENOENT)
			continue;
		r = errno == EISDIR || errno == EPERM ? remove_directory(x, dirfd(d), at->d_name, depth)
						      : -errno;
	}
	(void) closedir(d);
	return r;
}

static int remove_tree(int dir, const char *path, int top)
{
	struct removal x = { .top = top };
	unsigned moved;
	int r;

	(void) fchmod(top, 0700);
	do { /* again for what was moved up, in front of where the first walk stood */
		int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		moved = x.moved;
		r = fd < 0 ? -errno : remove_below(&x, fd, 0);
	} while (r == 0 && x.moved > moved);
	return r == 0 && unlinkat(dir, path, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : r;
}

int tree_remove_at(int dir, const char *path, struct err **e)
{
	_cleanup_(closep) int fd = open_directory(dir, path);
	int r = 0;

	if (fd >= 0)
		r = remove_tree(dir, path, fd);
	else if (fd != -ENOENT && unlinkat(dir, path, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? err_set(e, r, "removing %s: %s", path, strerror(-r)) : 0;
}

int tree_remove(const char *path, struct err **e)
{
	return tree_remove_at(AT_FDCWD, path, e);
}

int dir_list(const char *path, struct strv *ret, struct err **e)
{
	DIR *d = opendir(path);
	struct dirent *at;

	if (!d)
		return errno == ENOENT ? 0 : err_set(e, -errno, "listing %s: %m", path);
	while ((at = readdir(d)))
		if (!str_eq(at->d_name, ".") && !str_eq(at->d_name, ".."))
			strv_push(ret, xstrdup(at->d_name));
	(void) closedir(d);
	strv_sort(ret);
	return 0;
}

int link_replace(const char *target, const char *path, struct err **e)
{
	_cleanup_(freep) char *tmp = temporary_beside(path);
	int r = 0;

	if (symlink(target, tmp) < 0 || rename(tmp, path) < 0)
		r = -errno;
	else
		r = sync_dir_of(path);
	if (r < 0)
		(void) unlink(tmp);
	return r < 0 ? err_set(e, r, "linking %s to %s: %s", path, target, strerror(-r)) : 0;
}

int file_lock(const char *path, bool wait, struct err **e)
{
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_set(e, -errno, "opening %s: %m", path);
	do
		r = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
	while (r < 0 && errno == EINTR);
	return r < 0 ? err_set(e, -errno, "locking %s: %m", path) : take_fd(&fd);
}

char *exe_dir(void)
{
	char buf[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", buf, sizeof buf - 1);

	if (n <= 0)
		return xstrdup(".");
	buf[n] = '\0';
	return dir_of(buf);
}

char *find_program(const char *name, const char *path)
{
	_cleanup_(strv_done) struct strv dirs = { 0 };

	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? xstrdup(name) : NULL;
	strv_split(&dirs, path ? path : "", ":");
	for (size_t i = 0; i < dirs.n; i++) {
		_cleanup_(freep) char *at = path_join(dirs.v[i], name);

		if (access(at, X_OK) == 0 && !is_dir(at))
			return TAKE(at);
	}
	return NULL;
}
