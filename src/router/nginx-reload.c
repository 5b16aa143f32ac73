/*
 * HUP, and then certainty: nginx answers to nobody whether it took a configuration, but workers of the new
 * one serve a socket that the old ones do not have, and a refusal stands in the error log. Both are waited
 * for.
 */
#include "router/nginx-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "plan/root.h"

#define TAKEN_WITHIN_MS 10000
#define LOG_MAX         ((off_t) 1 << 20)

static pid_t read_pid(const char *root)
{
	_cleanup_(freep) char *path = root_path(root, "run/nginx.pid"), *text = NULL;
	long pid;

	if (file_read(path, 32, &text, NULL, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return str_to_long(text, 2, 1 << 30, &pid) ? (pid_t) pid : 0;
}

/* nginx writes its title over its arguments: "nginx: master process /usr/sbin/nginx -c ROOT/run/nginx.conf
 * ...". */
static bool is_our_master(pid_t pid, const char *root)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/cmdline", (int) pid), *title = NULL;
	_cleanup_(freep) char *ours = xasprintf(" -c %s/run/nginx.conf", root);

	return file_read(path, 65536, &title, NULL, NULL) == 0 &&
	       str_starts(title, "nginx: master process ") && strstr(title, ours);
}

int nginx_master_find(struct nginx_master *ret, const char *root, struct err **e)
{
	pid_t pid = read_pid(root);

	*ret = (struct nginx_master){ pid, pid ? pidfd_of(pid) : -1 };
	if (ret->pidfd >= 0 && is_our_master(pid, root))
		return 0;
	nginx_master_done(ret);
	return err_set(e, ERR_MISSING,
		       "the private nginx of %s does not run: slipwayd runs it; start slipwayd, or see "
		       "logs/nginx-error.log "
		       "there for why nginx does not start",
		       root);
}

void nginx_master_done(struct nginx_master *m)
{
	closep(&m->pidfd);
	m->pidfd = -1;
}

void nginx_hup(const struct nginx_master *m)
{
	(void) syscall(SYS_pidfd_send_signal, m->pidfd, SIGHUP, NULL, 0);
}

pid_t nginx_parent_of(pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/stat", (int) pid), *text = NULL;
	const char *paren;

	if (file_read(path, 4096, &text, NULL, NULL) < 0 || !(paren = strrchr(text, ')')) ||
	    strlen(paren) < 5)
		return 0;
	return (pid_t) strtol(paren + 4, NULL, 10); /* ") S PPID" */
}

static void add_pid(struct router_old *ret, pid_t pid)
{
	pid_t *at = GROW(&ret->pids, &ret->n);

	*at = pid;
}

void nginx_workers(const struct nginx_master *m, struct router_old *ret)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/task/%d/children", (int) m->pid, (int) m->pid);
	_cleanup_(freep) char *text = NULL;
	_cleanup_(strv_done) struct strv names = { 0 };
	long pid;

	if (file_read(path, 65536, &text, NULL, NULL) == 0) {
		strv_split(&names, text, " \n");
		for (size_t i = 0; i < names.n; i++)
			if (str_to_long(names.v[i], 1, 1 << 30, &pid))
				add_pid(ret, (pid_t) pid);
		return;
	}
	(void) dir_list("/proc", &names, NULL); /* a kernel without CONFIG_PROC_CHILDREN */
	for (size_t i = 0; i < names.n; i++)
		if (str_to_long(names.v[i], 1, 1 << 30, &pid) && nginx_parent_of((pid_t) pid) == m->pid)
			add_pid(ret, (pid_t) pid);
}

/* One wait for one generation. */
struct wait {
	const struct nginx_master *master;
	const char *generation;
	char *socket, *log; /* paths */
	int inotify, log_fd, conn;
	char answer[1024];
	size_t answer_n;
	struct strb said; /* what the log got since the HUP */
};

static void wait_done(struct wait *w)
{
	free(w->socket);
	free(w->log);
	closep(&w->inotify);
	closep(&w->log_fd);
	closep(&w->conn);
	strb_done(&w->said);
}

static int wait_init(struct wait *w, const char *root, struct err **e)
{
	_cleanup_(freep) char *run = root_path(root, "run");
	struct stat st;

	w->socket = nginx_socket(root, w->generation);
	w->log = root_path(root, "logs/nginx-error.log");
	w->log_fd = open(w->log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (w->log_fd < 0 || fstat(w->log_fd, &st) < 0)
		return err_set(e, -errno, "opening %s: %m", w->log);
	if (st.st_size > LOG_MAX && ftruncate(w->log_fd, 0) < 0) /* nginx appends: it goes on at the start */
		return err_set(e, -errno, "cutting %s: %m", w->log);
	if (lseek(w->log_fd, 0, SEEK_END) < 0)
		return err_set(e, -errno, "reading %s: %m", w->log);
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->inotify < 0 || inotify_add_watch(w->inotify, w->log, IN_MODIFY) < 0 ||
	    inotify_add_watch(w->inotify, run, IN_CREATE) < 0)
		return err_set(e, -errno, "watching %s and %s: %m", w->log, run);
	return 0;
}

/* Connects and asks, once there is somebody to ask. The answer comes when a worker has taken the connection.
 */
static void ask(struct wait *w)
{
	static const char request[] = "GET /generation HTTP/1.0\r\n\r\n";
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (w->conn >= 0)
		return;
	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s",
			w->socket); /* its length: write_generation() */
	w->conn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	w->answer_n = 0;
	if (w->conn >= 0 && (connect(w->conn, (struct sockaddr *) &at, sizeof at) < 0 ||
			     send(w->conn, request, sizeof request - 1, MSG_NOSIGNAL) < 0)) {
		(void) close(w->conn);
		w->conn = -1;
	}
}

/* true: the generation was answered. A connection that ended without it is asked again. */
static bool hear(struct wait *w)
{
	ssize_t n = read(w->conn, w->answer + w->answer_n, sizeof w->answer - 1 - w->answer_n);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n > 0) {
		w->answer_n += (size_t) n;
		w->answer[w->answer_n] = '\0';
		if (w->answer_n < sizeof w->answer - 1)
			return false;
	}
	const char *body = w->answer_n ? strstr(w->answer, "\r\n\r\n") : NULL;
	bool is_it = body && str_starts(w->answer, "HTTP/1.1 200 ") && str_starts(body + 4, w->generation);

	(void) close(w->conn);
	w->conn = -1;
	return is_it;
}

/* The words of an "[emerg]" line; binding is tried again for a while by nginx itself. To be freed. NULL:
 * none. */
static char *refusal(const struct strb *said)
{
	const char *first = NULL;

	for (const char *at = said->s ? said->s : ""; (at = strstr(at, "[emerg] ")) && strchr(at, '\n');) {
		size_t n = strcspn(at, "\n");
		_cleanup_(freep) char *line = xstrndup(at, n);
		const char *words = strstr(line, ": ");

		first = first ? first : at + (words ? words + 2 - line : 0);
		if (!strstr(line, "bind() to ") || !strstr(line, "(98: "))
			return xstrndup(first, strcspn(first, "\n"));
		at += n;
	}
	return NULL;
}

static void read_said(struct wait *w)
{
	char buf[8192];
	ssize_t n;

	while ((n = read(w->log_fd, buf, sizeof buf)) > 0)
		(void) strb_add(&w->said, buf, (size_t) n);
}

static void forget_events(int inotify)
{
	char buf[4096];

	while (read(inotify, buf, sizeof buf) > 0)
		;
}

static int wait_until_taken(struct wait *w, struct err **e)
{
	int64_t deadline = monotonic_ms() + TAKEN_WITHIN_MS;

	for (;;) {
		ask(w);
		struct pollfd fds[] = { { .fd = w->inotify, .events = POLLIN },
					{ .fd = w->master->pidfd, .events = POLLIN },
					{ .fd = w->conn, .events = POLLIN } };
		int64_t left = deadline - monotonic_ms();
		int n = poll(fds, COUNT(fds), left > 0 ? (int) left : 0);

		if (n < 0 && errno != EINTR)
			return err_set(e, -errno, "waiting for nginx: %m");
		if (n == 0)
			return err_set(
				e, -ETIMEDOUT,
				"nginx has neither taken nor refused its new configuration within %d s",
				TAKEN_WITHIN_MS / 1000);
		if (n > 0 && fds[2].revents && hear(w))
			return 0;
		forget_events(w->inotify);
		read_said(w);
		_cleanup_(freep) char *words = refusal(&w->said);
		if (words)
			return err_set(e, ERR_REFUSED, "nginx refuses its new configuration: %s", words);
		if (n > 0 && fds[1].revents)
			return err_set(e, ERR_FAILED,
				       "nginx ended while taking its new configuration; see %s", w->log);
	}
}

bool nginx_is_worker_of(pid_t master, pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/cmdline", (int) pid), *title = NULL;

	return file_read(path, 4096, &title, NULL, NULL) == 0 && str_eq(title, "nginx: worker process") &&
	       nginx_parent_of(pid) == master;
}

/*
 * The master gives new workers 100 ms to start before it tells the old ones to quit, and until then these
 * accept connections, too, and answer with the old release. The new ones have answered: tell the old ones
 * now. (The master, which blocks SIGCHLD meanwhile, takes their end for its own doing.)
 */
static void quit_workers(const struct nginx_master *m, const struct router_old *old)
{
	for (size_t i = 0; i < old->n; i++) {
		_cleanup_(closep) int fd = pidfd_of(old->pids[i]);

		if (fd >= 0 && nginx_is_worker_of(m->pid, old->pids[i]))
			(void) syscall(SYS_pidfd_send_signal, fd, SIGQUIT, NULL, 0);
	}
}

/* A worker logs that it shuts down and accepts nothing after that; later its title says so. */
static bool any_accepts(const struct wait *w, const struct router_old *old)
{
	for (size_t i = 0; i < old->n; i++) {
		_cleanup_(freep) char *said =
			xasprintf(" %d#%d: gracefully shutting down", (int) old->pids[i], (int) old->pids[i]);

		if (!(w->said.s && strstr(w->said.s, said)) &&
		    nginx_is_worker_of(w->master->pid, old->pids[i]))
			return true;
	}
	return false;
}

/* Bounded: who does not quit in time is among the old workers that are waited for before instances are
 * stopped. */
static void wait_until_old_quit(struct wait *w, const struct router_old *old)
{
	int64_t deadline = monotonic_ms() + TAKEN_WITHIN_MS;

	for (;;) {
		struct pollfd fds[] = { { .fd = w->inotify, .events = POLLIN },
					{ .fd = w->master->pidfd, .events = POLLIN } };
		int64_t left = deadline - monotonic_ms();

		forget_events(w->inotify);
		read_said(w);
		if (!any_accepts(w, old) || left <= 0 || poll(fds, COUNT(fds), (int) left) <= 0 ||
		    fds[1].revents)
			return;
	}
}

int nginx_reload(const struct nginx_master *m, const char *root, const char *generation,
		 const struct router_old *old, struct err **e)
{
	_cleanup_(wait_done) struct wait w = { .master = m,
					       .generation = generation,
					       .inotify = -1,
					       .log_fd = -1,
					       .conn = -1,
					       .said = STRB(1 << 20) };
	int r = wait_init(&w, root, e);

	if (r < 0)
		return r;
	nginx_hup(m);
	r = wait_until_taken(&w, e);
	if (r < 0)
		return r;
	quit_workers(m, old);
	wait_until_old_quit(&w, old);
	return 0;
}
