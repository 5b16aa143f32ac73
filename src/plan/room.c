/* Room on the disk: see room.h. */
#include "plan/room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "plan/root.h"

enum { SHORT = 256 << 10, RESERVE = 1 << 20, PLENTY = 8 * RESERVE };

static uint64_t available(const char *root)
{
	struct statvfs fs;

	if (statvfs(root, &fs) < 0)
		return PLENTY; /* nothing is known of it */
	if (fs.f_files && !fs.f_favail)
		return 0;
	return (uint64_t) fs.f_bavail * fs.f_frsize;
}

bool room_is_short(const char *root)
{
	return available(root) < SHORT;
}

void room_reserve(const char *root)
{
	_cleanup_(freep) char *path = root_path(root, "run/reserve");
	_cleanup_(closep) int fd = -1;

	if (access(path, F_OK) == 0 || available(root) < PLENTY)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && posix_fallocate(fd, 0, RESERVE) != 0)
		(void) unlink(path);
}

bool room_use_reserve(const char *root)
{
	_cleanup_(freep) char *path = root_path(root, "run/reserve");

	return room_is_short(root) && unlink(path) == 0;
}

int room_explain(const char *root, int code, struct err **e)
{
	static const int others[] = { ERR_USAGE, ERR_NOT_FOUND, ERR_REFUSED, ERR_PERMISSION };
	bool is_full = code == -ENOSPC || code == -EDQUOT || (root && room_is_short(root));

	for (size_t i = 0; i < COUNT(others); i++)
		is_full = is_full && code != others[i];
	if (!is_full || !e || !*e)
		return code;
	_cleanup_(freep) char *text = err_text(*e);
	int status = (*e)->status;

	err_set(e, code,
		"%s; the disk of %s is full: `slipway disk` shows what takes room, `slipway cleanup` removes "
		"what nothing needs",
		text, root ? root : "slipway");
	(*e)->status = status;
	return code;
}
