/*
 * Following logs by inotify on their directory. A rotation renames web.1.log to .old and makes a new one. A
 * reader that was away for one or two rotations still has all lines, in the file it has open, in .old and in
 * the new one; of more of them something is gone. How many there were is counted from the renames.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/inotify.h>

#include "cli/logs-internal.h"

enum {
	LAST_LINE_MS = 2000, /* for a log keeper that is away */
	TRIES = 20,
};

static bool is_same(int fd, const struct stat *other)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == other->st_ino && st.st_dev == other->st_dev;
}

static bool is_at(int fd, const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? fd < 0 : is_same(fd, &st);
}

static int open_log(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* ---- what has happened ---- */

/* Of "web.1.log.old" too: the place in l->files, which may have moved; -1: not asked for. */
static ssize_t file_of(struct logs *l, const char *event, bool *is_old)
{
	_cleanup_(freep) char *file = xstrdup(event), *name = NULL;
	size_t known = l->n;

	*is_old = str_ends(file, ".log.old");
	if (*is_old)
		file[strlen(file) - strlen(".old")] = '\0';
	if (!logs_want(l, file, &name))
		return -1;
	struct log_file *f = logs_file(l, name);

	if (l->n > known) { /* born while we look on */
		f->generation = -1;
		f->is_known = true;
	}
	return f - l->files;
}

static void all_changed(struct logs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		l->files[i].is_changed = true;
		l->files[i].is_known = false;
	}
}

static void on_event(struct logs *l, const struct inotify_event *event)
{
	bool is_old = false;
	ssize_t i = event->len ? file_of(l, event->name, &is_old) : -1;

	if (event->mask & IN_IGNORED)
		l->is_gone = true;
	else if (event->mask & IN_Q_OVERFLOW)
		all_changed(l);
	else if (i >= 0 && is_old && event->mask & IN_MOVED_TO)
		l->files[i].rotations++;
	else if (i >= 0 && (!is_old || event->mask & IN_DELETE))
		l->files[i].is_changed = true;
}

/* Takes note of all events that there are. */
static int read_events(struct logs *l)
{
	char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(l->notify, buf, sizeof buf)) > 0) {
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *event = (const struct inotify_event *) (void *) at;

			on_event(l, event);
			at += sizeof *event + event->len;
		}
	}
	return n == 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* ---- from one file to the next ---- */

/* The log and the file before it, at a moment when all rotations until then are counted: the keeper makes a
 * new file after the event of its rename. False: there is no new file yet, or it is rotated faster than we
 * look. */
static bool open_both(struct logs *l, size_t i, int *now, int *old)
{
	_cleanup_(freep) char *path = xstrdup(l->files[i].path), *path_old = xasprintf("%s.old", path);

	for (int tries = 0; tries < TRIES; tries++) {
		closep(now);
		closep(old);
		*old = open_log(path_old);
		*now = open_log(path);
		(void) read_events(l);
		if (*now < 0 || is_at(*old, path_old))
			return *now >= 0;
	}
	return false;
}

static void move_to(struct logs *l, struct log_file *f, int *fd)
{
	closep(&f->fd);
	f->fd = take_fd(fd);
	f->line.len = 0; /* a file ends with a line, unless a full disk has cut it */
	logs_print_rest(l, f);
}

static void tell_gap(struct logs *l, struct log_file *f)
{
	_cleanup_(freep) char *text =
		f->is_known ? xasprintf("slipway: lines are missing here: the log was rotated %" PRId64
					" times before they could be read",
					f->rotations - f->generation)
			    : xstrdup("slipway: lines may be missing here: the log was rotated faster than "
				      "it could be read");

	logs_print_note(l, f, text);
}

/* Another file is at the log's place: ours is finished now. */
static void change_file(struct logs *l, size_t i)
{
	_cleanup_(closep) int now = -1, old = -1;
	bool is_exact = open_both(l, i, &now, &old), is_ours;
	struct log_file *f = &l->files[i]; /* they may have been moved */
	struct stat st;

	if (now < 0)
		return; /* an event comes when it is there */
	logs_print_rest(l, f);
	f->is_known = f->is_known && is_exact;
	is_ours = f->fd >= 0 && old >= 0 && fstat(old, &st) == 0 && is_same(f->fd, &st);
	if (!is_ours && (f->is_known ? f->rotations - f->generation > 2 : f->fd >= 0))
		tell_gap(l, f);
	if (!is_ours && old >= 0 && (f->is_known ? f->rotations - f->generation > 1 : f->fd >= 0))
		move_to(l, f, &old);
	f->generation = f->rotations;
	f->is_known = is_exact;
	move_to(l, f, &now);
}

/* Which of the files fd is, counted from now on. */
static void make_known(struct logs *l, size_t i)
{
	_cleanup_(closep) int now = -1, old = -1;
	bool is_exact = open_both(l, i, &now, &old);
	struct log_file *f = &l->files[i];
	struct stat st;

	f->is_known = is_exact && fstat(now, &st) == 0 && is_same(f->fd, &st);
	f->generation = f->rotations;
}

/* A file that has become shorter: of half a line there was no room for the rest, or somebody has emptied it.
 */
static void step_back(struct log_file *f)
{
	off_t at = f->fd < 0 ? 0 : lseek(f->fd, 0, SEEK_CUR), gone;
	struct stat st;

	if (f->fd < 0 || fstat(f->fd, &st) < 0 || st.st_size >= at)
		return;
	gone = at - st.st_size;
	(void) lseek(f->fd, gone <= (off_t) f->line.len ? st.st_size : 0, SEEK_SET);
	f->line.len -= gone <= (off_t) f->line.len ? (size_t) gone : f->line.len;
}

/* The log was removed. While it is open its directory is not wholly gone, and we would not be told. */
static void let_go(struct log_file *f)
{
	struct stat st;

	if (f->fd < 0 || fstat(f->fd, &st) < 0 || st.st_nlink > 0 || access(f->path, F_OK) == 0)
		return;
	closep(&f->fd);
	f->fd = -1;
}

static void look(struct logs *l, size_t i)
{
	struct log_file *f = &l->files[i];

	step_back(f);
	logs_print_rest(l, f);
	let_go(f);
	if (!f->is_known && is_at(f->fd, f->path))
		make_known(l, i);
	if (!is_at(l->files[i].fd, l->files[i].path))
		change_file(l, i);
}

static void look_at_changed(struct logs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!l->files[i].is_changed)
			continue;
		l->files[i].is_changed = false;
		look(l, i);
	}
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

static int begin(struct logs *l, struct err **e)
{
	l->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (l->notify < 0 ||
	    inotify_add_watch(l->notify, l->dir,
			      IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return err_set(e, -errno, "watching %s: %m", l->dir);
	int r = logs_find(l, e); /* those that have come since they were looked for */

	all_changed(l); /* what was written since they were read */
	return r;
}

static int follow(struct logs *l, struct err **e)
{
	struct pollfd on[3] = { { l->notify, POLLIN, 0 }, { STDOUT_FILENO, 0, 0 }, { -1, POLLIN, 0 } };

	look_at_changed(l);
	while (!l->is_gone && (!l->is_ended || (l->control && !l->answer))) {
		(void) fflush(stdout);
		int r = wait_for_more(l, on, e);

		if (r <= 0)
			return r;
		r = read_events(l);
		if (r < 0)
			return err_set(e, r, "watching %s: %s", l->dir, strerror(-r));
		look_at_changed(l);
	}
	(void) fflush(stdout);
	return 0;
}

int logs_follow(struct logs *l, struct err **e)
{
	int r = begin(l, e);

	if (r >= 0)
		r = follow(l, e);
	closep(&l->notify);
	return r;
}
