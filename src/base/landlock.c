/* The system calls of Landlock, which the C library does not wrap. See landlock.h. */
#include "base/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

/* From the kernel's <linux/landlock.h>: Debian 12's ends at version 2. */
struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

enum { RULE_PATH_BENEATH = 1, ASK_VERSION = 1 };

enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	SCOPE_ABSTRACT_SOCKET = 1 << 0,
	SCOPE_SIGNAL = 1 << 1,

	FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
	FS_OF_DEVICES = FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
};

static uint64_t rights_known(unsigned abi)
{
	uint64_t rights = FS_REFER - 1; /* the first thirteen are of version 1 */

	if (abi >= LANDLOCK_ABI_REFER)
		rights |= FS_REFER;
	if (abi >= LANDLOCK_ABI_TRUNCATE)
		rights |= FS_TRUNCATE;
	if (abi >= LANDLOCK_ABI_IOCTL)
		rights |= FS_IOCTL_DEV;
	return rights;
}

static uint64_t rights_of(enum landlock_grant grant)
{
	switch (grant) {
	case LANDLOCK_LIST:
		return FS_READ_DIR;
	case LANDLOCK_READ:
		return FS_EXECUTE | FS_READ_FILE | FS_READ_DIR;
	case LANDLOCK_USE:
		return FS_OF_DEVICES;
	default:
		return UINT64_MAX;
	}
}

unsigned landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);

	return abi > 0 ? (unsigned) abi : 0;
}

int landlock_open(unsigned abi, struct err **e)
{
	struct ruleset_attr attr = { .handled_access_fs = rights_known(abi) };
	size_t size = abi >= LANDLOCK_ABI_SCOPE ? sizeof attr : sizeof attr.handled_access_fs;

	if (abi >= LANDLOCK_ABI_SCOPE)
		attr.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	int fd = (int) syscall(SYS_landlock_create_ruleset, &attr, size, 0);

	return fd < 0 ? err_set(e, -errno, "asking the kernel for Landlock %u: %m", abi) : fd;
}

static int add_rule(int ruleset, int fd, uint64_t rights)
{
	struct path_attr attr = { .allowed_access = rights, .parent_fd = fd };

	return (int) syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0);
}

int landlock_allow(int ruleset, unsigned abi, const char *path, enum landlock_grant grant, struct err **e)
{
	_cleanup_(closep) int fd = open(path, O_PATH | O_CLOEXEC);
	uint64_t rights = rights_of(grant) & rights_known(abi);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) /* also what this user cannot reach */
		return 0;
	if (!S_ISDIR(st.st_mode))
		rights &= FS_OF_FILES;
	if (rights == 0 || add_rule(ruleset, fd, rights) == 0)
		return 0;
	return err_set(e, -errno, "allowing %s: %m", path);
}

void landlock_allow_fd(int ruleset, unsigned abi, int fd)
{
	_cleanup_(freep) char *path = xasprintf("/proc/self/fd/%d", fd);
	_cleanup_(closep) int again = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (again >= 0 && fstat(again, &st) == 0 && !S_ISDIR(st.st_mode))
		(void) add_rule(ruleset, again, FS_OF_DEVICES & rights_known(abi));
}

int landlock_enforce(int ruleset, struct err **e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, -errno, "giving up privileges: %m");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_set(e, -errno, "restricting itself by Landlock: %m");
	return 0;
}
