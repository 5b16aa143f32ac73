/* The log keeper: reads every FIFO in run/fifo as soon as it appears, and outlives the daemon that started
 * it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/keeper-log.h"
#include "plan/root.h"

enum { READ_SIZE = 65536 };

struct fifo {
	struct fifo *next;
	char *name; /* "APP:SERVICE.N" */
	int fd;
	bool is_seen; /* by the rescan that is under way */
	struct keeper_log log;
};

struct keeper {
	const char *root;
	char *dir; /* run/fifo */
	int lock, epoll, notify, signals;
	struct fifo *fifos;
	char *buffer; /* READ_SIZE */
	struct keeper_out out;
	bool is_ending;
};

/* ---- FIFOs ---- */

/* "APP:SERVICE.N" with a decimal N: temporary files and limits are none. */
static bool is_fifo_name(const char *name)
{
	const char *colon = strchr(name, ':'), *dot = strrchr(name, '.');

	return *name != '.' && colon && dot && dot > colon + 1 && dot[1] &&
	       strspn(dot + 1, "0123456789") == strlen(dot + 1) && !strchr(colon + 1, ':');
}

static struct fifo *fifo_find(struct keeper *k, const char *name, size_t n)
{
	for (struct fifo *f = k->fifos; f; f = f->next)
		if (strlen(f->name) == n && strncmp(f->name, name, n) == 0)
			return f;
	return NULL;
}

static uint64_t read_max(struct keeper *k, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s.max", k->dir, name), *text = NULL;
	long max;

	if (file_read(path, 64, &text, NULL, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return str_to_long(text, 1, LONG_MAX, &max) ? (uint64_t) max : 0;
}

static int open_fifo(struct keeper *k, const char *name)
{
	_cleanup_(freep) char *path = path_join(k->dir, name);
	/* for both ends: there is never an end of file while no instance has it open */
	_cleanup_(closep) int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return -1;
	return take_fd(&fd);
}

static void fifo_add(struct keeper *k, const char *name)
{
	const char *colon = strchr(name, ':');
	_cleanup_(closep) int fd = open_fifo(k, name);
	struct fifo *f;

	if (fd < 0)
		return;
	crash_point("keeper.open");
	f = xcalloc(1, sizeof *f);
	f->name = xstrdup(name);
	f->is_seen = true;
	f->fd = take_fd(&fd);
	keeper_log_init(&f->log,
			root_path(k->root, "logs/%.*s/%s.log", (int) (colon - name), name, colon + 1),
			read_max(k, name));
	f->next = k->fifos;
	k->fifos = f;
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = f };

	if (epoll_ctl(k->epoll, EPOLL_CTL_ADD, f->fd, &ev) < 0)
		log_error("a log FIFO cannot be watched", F("fifo", name), F("error", strerror(errno)));
}

/* One read: what it holds at most is limited by the buffer, so that no instance keeps the others waiting. */
static bool read_once(struct keeper *k, struct fifo *f)
{
	ssize_t n = read(f->fd, k->buffer, READ_SIZE);

	if (n <= 0)
		return n < 0 && errno == EINTR;
	crash_point("keeper.read");
	keeper_log_feed(&f->log, &k->out, k->buffer, (size_t) n, now_ms());
	return true;
}

/* Takes what is in it and closes it. */
static void fifo_end(struct keeper *k, struct fifo *f)
{
	struct fifo **at = &k->fifos;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	crash_point("keeper.close");
	for (int i = 0; i < 64 && read_once(k, f); i++)
		; /* a pipe holds at most 1 MiB; who writes on to a removed one is not waited for */
	keeper_log_done(&f->log, &k->out, now_ms());
	(void) close(f->fd);
	free(f->name);
	free(f);
}

/* ---- the directory ---- */

static void look_at(struct keeper *k, const char *name)
{
	struct fifo *f = fifo_find(k, name, strlen(name));

	if (f)
		f->is_seen = true;
	else if (is_fifo_name(name))
		fifo_add(k, name);
}

static void rescan(struct keeper *k)
{
	DIR *d = opendir(k->dir);
	struct dirent *at;

	for (struct fifo *f = k->fifos; f; f = f->next)
		f->is_seen = false;
	while (d && (at = readdir(d)))
		look_at(k, at->d_name);
	if (d)
		(void) closedir(d);
	for (struct fifo *f = k->fifos, *next; d && f; f = next) {
		next = f->next;
		if (!f->is_seen)
			fifo_end(k, f);
	}
}

static void is_changed(struct keeper *k, const char *name, uint32_t mask)
{
	size_t n = strlen(name);
	struct fifo *f = fifo_find(k, name, n);

	if (mask & IN_DELETE && f) {
		fifo_end(k, f);
	} else if (mask & IN_CREATE) {
		if (f && is_fifo_name(name))
			fifo_end(k, f); /* made anew: this is another one */
		look_at(k, name);
	} else if (mask & IN_MOVED_TO && str_ends(name, ".max")) {
		f = fifo_find(k, name, n - 4);
		if (f && read_max(k, f->name))
			f->log.max = read_max(k, f->name);
	}
}

static void read_changes(struct keeper *k)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(k->notify, buf, sizeof buf)) > 0) {
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *ev = (const struct inotify_event *) at;

			if (ev->mask & IN_Q_OVERFLOW)
				rescan(k);
			else if (ev->len)
				is_changed(k, ev->name, ev->mask);
			at += sizeof *ev + ev->len;
		}
	}
}

/* ---- the process ---- */

/* A record lock: F_GETLK tells the daemon who holds it. 0: somebody else does. */
static int lock(struct keeper *k, struct err **e)
{
	_cleanup_(freep) char *path = root_path(k->root, "run/keeper.lock");
	struct flock region = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	k->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (k->lock < 0)
		return err_set(e, -errno, "opening %s: %m", path);
	if (fcntl(k->lock, F_SETLK, &region) == 0)
		return 1;
	return errno == EAGAIN || errno == EACCES ? 0 : err_set(e, -errno, "locking %s: %m", path);
}

static int watch(struct keeper *k, int fd, struct err **e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = fd == k->notify ? &k->notify : &k->signals };

	return epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? err_set(e, -errno, "watching: %m") : 0;
}

static int prepare(struct keeper *k, struct err **e)
{
	struct rlimit files;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	(void) sigprocmask(SIG_BLOCK, &set, NULL);
	(void) signal(SIGHUP, SIG_IGN);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGXFSZ, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* two descriptors an instance */
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	k->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->epoll < 0 || k->notify < 0 || k->signals < 0 ||
	    inotify_add_watch(k->notify, k->dir, IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return err_set(e, -errno, "watching %s: %m", k->dir);
	int r = watch(k, k->notify, e);

	return r < 0 ? r : watch(k, k->signals, e);
}

/* What has to do with the directory comes last: it may close FIFOs that other events of the same round are
 * about. */
static void round_of(struct keeper *k, const struct epoll_event *ev, int n)
{
	bool has_changes = false;

	for (int i = 0; i < n; i++) {
		if (ev[i].data.ptr == &k->notify)
			has_changes = true;
		else if (ev[i].data.ptr == &k->signals)
			k->is_ending = true;
		else
			(void) read_once(k, ev[i].data.ptr);
	}
	if (has_changes)
		read_changes(k);
}

static int loop(struct keeper *k, struct err **e)
{
	struct epoll_event ev[32];

	rescan(k);
	(void) malloc_trim(0);
	while (!k->is_ending) {
		int n = epoll_wait(k->epoll, ev, COUNT(ev), -1);

		if (n < 0 && errno != EINTR)
			return err_set(e, -errno, "waiting for log lines: %m");
		if (n > 0)
			round_of(k, ev, n);
	}
	while (k->fifos)
		fifo_end(k, k->fifos);
	return 0;
}

static void keeper_done(struct keeper *k)
{
	while (k->fifos)
		fifo_end(k, k->fifos);
	closep(&k->epoll);
	closep(&k->notify);
	closep(&k->signals);
	closep(&k->lock);
	free(k->dir);
	free(k->buffer);
	free(k->out.data);
}

int keeper_run(const char *root, struct err **e)
{
	_cleanup_(keeper_done) struct keeper k = {
		.root = root, .lock = -1, .epoll = -1, .notify = -1, .signals = -1
	};
	int r;

	(void) mallopt(M_ARENA_MAX, 1);
	(void) umask(0027);
	k.dir = root_path(root, "run/fifo");
	k.buffer = xcalloc(1, READ_SIZE);
	k.out.data = xcalloc(1, KEEPER_OUT_SIZE);
	r = lock(&k, e);
	if (r > 0)
		r = prepare(&k, e);
	else if (r == 0)
		return 0;
	return r < 0 ? r : loop(&k, e);
}
