/*
 * Following logs by inotify on their directory. A rotation renames web.1.log to .old and makes a new one;
 * what is between the end of what we read and the begin of the new file is still printed, so that no line is
 * lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>

#include "cli/logs-internal.h"

enum { LAST_LINE_MS = 2000 }; /* for a log keeper that is away */

static bool is_same(int fd, const struct stat *other)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == other->st_ino && st.st_dev == other->st_dev;
}

static void move_to(struct logs *l, struct log_file *f, int fd)
{
	closep(&f->fd);
	f->fd = fd;
	logs_print_rest(l, f);
}

/* fd is of the new file: our own one is finished now, and one between the two may have come and gone to .old.
 */
static void change_file(struct logs *l, struct log_file *f, int fd)
{
	_cleanup_(freep) char *path = xasprintf("%s.old", f->path);
	int old = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	logs_print_rest(l, f);
	if (f->fd >= 0 && old >= 0 && fstat(old, &st) == 0 && !is_same(f->fd, &st) && !is_same(fd, &st))
		move_to(l, f, take_fd(&old));
	closep(&old);
	move_to(l, f, fd);
}

static void look(struct logs *l, struct log_file *f)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	logs_print_rest(l, f);
	if (stat(f->path, &st) < 0 || is_same(f->fd, &st))
		return;
	fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		change_file(l, f, take_fd(&fd));
}

static void on_event(struct logs *l, const struct inotify_event *event)
{
	_cleanup_(freep) char *name = NULL;

	if (event->mask & IN_Q_OVERFLOW)
		for (size_t i = 0; i < l->n; i++)
			look(l, &l->files[i]);
	else if (event->len && logs_want(l, event->name, &name))
		look(l, logs_file(l, name));
}

/* Reads the events that are there. */
static int read_events(struct logs *l, int notify)
{
	char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(notify, buf, sizeof buf);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (char *at = buf; at < buf + n;) {
		const struct inotify_event *event = (const struct inotify_event *) (void *) at;

		if (event->mask & IN_IGNORED)
			return 1; /* the directory is gone, and so is the app */
		on_event(l, event);
		at += sizeof *event + event->len;
	}
	return 0;
}

/* 1: something has happened. 0: nothing will any more. */
static int wait_for_more(struct logs *l, struct pollfd on[static 3], struct err **e)
{
	int r = 0;

	if (l->control && !l->answer)
		r = control_receive(l->control, false, &l->answer, e);
	if (r < 0 || (l->is_ended && l->answer))
		return r < 0 ? r : 0;
	on[2].fd = l->control && !l->answer ? l->control->fd : -1;
	r = poll(on, 3, l->answer ? LAST_LINE_MS : -1);
	if (r < 0)
		return errno == EINTR ? 1 : err_set(e, -errno, "waiting for %s: %m", l->dir);
	return r > 0 && !(on[1].revents & (POLLERR | POLLHUP)); /* else nobody reads us any more */
}

int logs_follow(struct logs *l, struct err **e)
{
	_cleanup_(closep) int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd on[3] = { { notify, POLLIN, 0 }, { STDOUT_FILENO, 0, 0 }, { -1, POLLIN, 0 } };
	int r = 0;

	if (notify < 0 ||
	    inotify_add_watch(notify, l->dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return err_set(e, -errno, "watching %s: %m", l->dir);
	if ((r = logs_find(l, e)) < 0) /* those that have come since they were looked for */
		return r;
	for (size_t i = 0; i < l->n; i++) /* what was written since they were read */
		look(l, &l->files[i]);
	while (r == 0 && (!l->is_ended || (l->control && !l->answer))) {
		(void) fflush(stdout);
		r = wait_for_more(l, on, e);
		if (r <= 0)
			return r;
		r = read_events(l, notify);
	}
	(void) fflush(stdout);
	return r < 0 ? err_set(e, r, "watching %s: %s", l->dir, strerror(-r)) : 0;
}
