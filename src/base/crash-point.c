/* Deaths at named points: see crash-point.h. */
#include "base/crash-point.h"

#ifdef DEBUG_HOOKS

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/proc.h"

enum { DEATH_MS = 10000 };

static struct {
	char *root, *dir;
	const char *role;
} me;

void crash_role(const char *root, const char *role)
{
	_cleanup_(freep) char *run = path_join(root, "run");

	free(me.root);
	free(me.dir);
	me.root = xstrdup(root);
	me.dir = path_join(run, "crash");
	me.role = role;
	if (!is_dir(me.dir))
		return;
	_cleanup_(freep) char *path = path_join(me.dir, role);
	_cleanup_(freep) char *text = xasprintf("%d %llu", (int) getpid(), proc_start_time(getpid()));

	(void) file_replace_unsynced(path, text, strlen(text), 0600, NULL);
}

/* Waits for its end, so that what follows finds it dead. */
static void kill_process(pid_t pid, unsigned long long start)
{
	_cleanup_(closep) int fd = pidfd_of(pid);
	struct pollfd end = { .fd = fd, .events = POLLIN };

	if (fd < 0 || !proc_is_alive(pid, start))
		return;
	(void) syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	(void) poll(&end, 1, DEATH_MS);
}

static void kill_nginx(void)
{
	_cleanup_(freep) char *path = path_join(me.root, "run/nginx.pid"), *text = NULL;
	long pid;

	if (file_read(path, 64, &text, NULL, NULL) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (!str_to_long(text, 2, 1 << 30, &pid))
		return;
	unsigned long long start = proc_start_time((pid_t) pid);
	_cleanup_(freep) char *cmdline = xasprintf("/proc/%ld/cmdline", pid), *title = NULL;

	if (file_read(cmdline, 65536, &title, NULL, NULL) >= 0 && strstr(title, me.root))
		kill_process((pid_t) pid, start);
}

static void kill_role(const char *role)
{
	_cleanup_(freep) char *path = path_join(me.dir, role), *text = NULL;
	_cleanup_(strv_done) struct strv words = { 0 };
	long pid, start;

	if (str_eq(role, "nginx")) {
		kill_nginx();
		return;
	}
	if (file_read(path, 64, &text, NULL, NULL) < 0)
		return;
	strv_split(&words, text, " ");
	if (words.n == 2 && str_to_long(words.v[0], 2, 1 << 30, &pid) &&
	    str_to_long(words.v[1], 1, LONG_MAX, &start))
		kill_process((pid_t) pid, (unsigned long long) start);
}

static void tell(const char *point)
{
	_cleanup_(freep) char *path = path_join(me.dir, "hit"), *line = xasprintf("%s\n", point);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd >= 0)
		(void) write_all(fd, line, strlen(line));
}

/* Takes the first line, if it is of this point; to be freed. NULL: it is not, or another process was faster.
 */
static char *take(const char *point)
{
	_cleanup_(freep) char *path = path_join(me.dir, "at"), *text = NULL;
	_cleanup_(freep) char *mine = xasprintf("%s.%d", path, (int) getpid());
	size_t n = strlen(point);

	if (file_read(path, 65536, &text, NULL, NULL) < 0 || !str_starts(text, point) || text[n] != ' ')
		return NULL;
	if (rename(path, mine) < 0)
		return NULL;
	char *rest = strchr(text, '\n');

	if (rest)
		*rest++ = '\0';
	if (rest && *rest)
		(void) file_replace_unsynced(path, rest, strlen(rest), 0600, NULL);
	(void) unlink(mine);
	return TAKE(text);
}

void crash_point(const char *fmt, ...)
{
	_cleanup_(freep) char *point = NULL, *line = NULL;
	_cleanup_(strv_done) struct strv words = { 0 };
	bool is_to_die = false;
	va_list args;

	if (!me.dir)
		return;
	va_start(args, fmt);
	point = xvasprintf(fmt, args);
	va_end(args);
	line = take(point);
	if (!line)
		return;
	tell(point);
	strv_split(&words, line, " ");
	for (size_t i = 1; i < words.n; i++) {
		if (str_eq(words.v[i], me.role))
			is_to_die = true;
		else
			kill_role(words.v[i]);
	}
	if (is_to_die)
		(void) kill(getpid(), SIGKILL);
}

#endif
