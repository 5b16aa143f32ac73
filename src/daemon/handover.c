/* The memory file that carries the daemon's state over its re-exec: see handover.h. */
#include "daemon/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"

static const char variable[] = "SLIPWAY_HANDOVER_FD";

static void set_inherited(int fd, bool is_inherited)
{
	(void) fcntl(fd, F_SETFD, is_inherited ? 0 : FD_CLOEXEC);
}

/* ---- giving ---- */

static int write_memory(const char *text, struct err **e)
{
	_cleanup_(closep) int fd = memfd_create("slipway-handover", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_set(e, -errno, "a memory file: %m");
	r = write_all(fd, text, strlen(text));
	if (r < 0)
		return err_set(e, r, "writing a memory file: %s", strerror(-r));
	return lseek(fd, 0, SEEK_SET) < 0 ? err_set(e, -errno, "a memory file: %m") : take_fd(&fd);
}

int handover_give(const json_t *j, const int *fds, size_t n, struct err **e)
{
	_cleanup_(freep) char *text = json_dumps(j, JSON_COMPACT), *number = NULL;
	int fd = text ? write_memory(text, e) : err_set(e, -EINVAL, "the state cannot be written as JSON");

	if (fd < 0)
		return fd;
	number = xasprintf("%d", fd);
	(void) setenv(variable, number, 1);
	set_inherited(fd, true);
	for (size_t i = 0; i < n; i++)
		set_inherited(fds[i], true);
	return 0;
}

static int given_fd(void)
{
	const char *text = getenv(variable);
	long fd;

	return text && str_to_long(text, 3, INT_MAX, &fd) ? (int) fd : -1;
}

void handover_undo(const int *fds, size_t n)
{
	int fd = given_fd();

	if (fd >= 0)
		(void) close(fd);
	(void) unsetenv(variable);
	for (size_t i = 0; i < n; i++)
		set_inherited(fds[i], false);
}

/* ---- taking ---- */

json_t *handover_take(void)
{
	int fd = given_fd();
	json_t *j = fd >= 0 ? json_loadfd(fd, 0, NULL) : NULL;

	(void) unsetenv(variable);
	if (fd < 0)
		return NULL;
	(void) close(fd);
	if (json_is_object(j) && json_num(j, "format", 0) == HANDOVER_FORMAT)
		return j;
	log_warning("what the slipwayd before left is not understood; the store has the rest");
	json_decref(j);
	(void) syscall(SYS_close_range, 3u, ~0u, 0u);
	return NULL;
}

int handover_fd(const json_t *j, const char *key)
{
	int64_t fd = json_num(j, key, -1);

	if (fd < 3 || fd > INT_MAX || fcntl((int) fd, F_GETFD) < 0)
		return -1;
	set_inherited((int) fd, false);
	return (int) fd;
}

/* ---- bytes, two digits each ---- */

void handover_put_bytes(json_t *j, const char *key, const char *data, size_t n)
{
	_cleanup_(freep) char *text = xcalloc(1, 2 * n + 1);

	for (size_t i = 0; i < n; i++)
		(void) snprintf(text + 2 * i, 3, "%02x", (unsigned char) data[i]);
	json_put_text(j, key, text);
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int) (at - digits) : 0;
}

char *handover_bytes(const json_t *j, const char *key, size_t *n)
{
	const char *text = json_text(j, key);
	size_t length = text ? strlen(text) / 2 : 0;
	char *data = length ? xcalloc(1, length + 1) : NULL;

	for (size_t i = 0; i < length; i++)
		data[i] = (char) (digit(text[2 * i]) * 16 + digit(text[2 * i + 1]));
	*n = length;
	return data;
}
