/* A log file is a sequence of whole stamped lines: it is cut, rotated and, when the disk is full, shortened
 * at them. */
#include "daemon/keeper-log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"

void keeper_log_init(struct keeper_log *l, char *path, uint64_t max)
{
	*l = (struct keeper_log){ .path = path,
				  .fd = -1,
				  .max = max ? max : KEEPER_DEFAULT_MAX,
				  .partial = STRB(KEEPER_LINE_MAX) };
}

/* ---- the file ---- */

static void make_dir(const char *path)
{
	_cleanup_(freep) char *dir = xstrndup(path, (size_t) (strrchr(path, '/') - path));

	(void) dir_make(dir, 0750, NULL);
}

static void close_file(struct keeper_log *l)
{
	closep(&l->fd);
	l->fd = -1;
}

/* What was killed in the middle of a line has left half of one. */
static void end_torn_line(const struct keeper_log *l)
{
	_cleanup_(closep) int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char last = '\n';

	if (l->size > 0 && fd >= 0 && pread(fd, &last, 1, (off_t) l->size - 1) == 1 && last != '\n' &&
	    write(l->fd, "\n", 1) < 0)
		return; /* no room: then neither is there for what follows */
}

/* Opens it, again too when somebody has removed it meanwhile. */
static bool open_file(struct keeper_log *l)
{
	struct stat st;

	if (l->fd >= 0 && fstat(l->fd, &st) == 0 && st.st_nlink > 0) {
		l->size = (uint64_t) st.st_size;
		return true;
	}
	close_file(l);
	make_dir(l->path);
	l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return false;
	l->size = (uint64_t) st.st_size;
	end_torn_line(l);
	return true;
}

static bool is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* Writes as much as the disk takes; how much is left. */
static size_t write_some(struct keeper_log *l, const char *data, size_t n, bool *is_disk_full)
{
	while (n > 0) {
		ssize_t w = write(l->fd, data, n);

		if (w < 0 && errno == EINTR)
			continue;
		*is_disk_full = w < 0 && is_full(errno);
		if (w <= 0)
			break;
		data += w;
		n -= (size_t) w;
		l->size += (uint64_t) w;
	}
	return n;
}

/* The beginning of the line that the byte at `at` belongs to. */
static size_t line_start(const char *data, size_t at)
{
	const char *before = at ? memrchr(data, '\n', at) : NULL;

	return before ? (size_t) (before + 1 - data) : 0;
}

static void cut(struct keeper_log *l, uint64_t size)
{
	if (ftruncate(l->fd, (off_t) size) == 0)
		l->size = size;
}

/* Its blocks are free afterwards, though who follows the log may have it open. */
static bool discard(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd >= 0 && ftruncate(fd, 0) == 0 && unlink(path) == 0;
}

/* The disk is full: the oldest lines make room, first the old file, then this one. What still has none is
 * lost. */
static size_t make_room(struct keeper_log *l, const char *data, size_t n, size_t left)
{
	_cleanup_(freep) char *old = xasprintf("%s.old", l->path);
	bool is_disk_full = true;

	if (discard(old))
		left = write_some(l, data + n - left, left, &is_disk_full);
	if (left > 0 && is_disk_full && discard(l->path) && open_file(l)) {
		left = n - line_start(data, n - left);
		left = write_some(l, data + n - left, left, &is_disk_full);
	}
	return left;
}

static void write_out(struct keeper_log *l, const char *data, size_t n)
{
	bool is_disk_full = false;
	size_t left;

	if (!open_file(l)) {
		l->lost += n;
		l->has_dropped = true;
		return;
	}
	left = write_some(l, data, n, &is_disk_full);
	l->has_dropped = l->has_dropped || left > 0;
	if (left > 0 && is_disk_full)
		left = make_room(l, data, n, left);
	if (left > 0) { /* no half lines */
		size_t torn = n - left - line_start(data, n - left);

		cut(l, l->size - torn);
		l->lost += left + torn;
	}
}

static void rotate(struct keeper_log *l)
{
	_cleanup_(freep) char *old = xasprintf("%s.old", l->path);

	if (rename(l->path, old) < 0 && ftruncate(l->fd, 0) < 0)
		return; /* neither works: it grows, rather than losing lines */
	close_file(l);
	l->size = 0;
}

/* ---- lines ---- */

static void flush(struct keeper_log *l, struct keeper_out *out)
{
	if (out->n > 0)
		write_out(l, out->data, out->n);
	out->n = 0;
}

static void set_stamp(struct keeper_out *out, int64_t at_ms)
{
	time_t s = (time_t) (at_ms / 1000);
	struct tm tm;
	char text[24] = "";

	if (out->stamp_ms == at_ms && out->stamp[0])
		return;
	if (gmtime_r(&s, &tm))
		(void) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	(void) snprintf(out->stamp, sizeof out->stamp, "%s.%03dZ ", text, (int) (at_ms % 1000));
	out->stamp_ms = at_ms;
}

static void add(struct keeper_out *out, const char *data, size_t n)
{
	if (n > 0)
		memcpy(out->data + out->n, data, n);
	out->n += n;
}

/* The line is the two parts together, without its end. */
static void put_line(struct keeper_log *l, struct keeper_out *out, const char *head, size_t n_head,
		     const char *tail, size_t n_tail)
{
	size_t n_stamp = strlen(out->stamp), n = n_stamp + n_head + n_tail + 1;

	if (l->size + out->n + n > l->max && l->size + out->n > 0) {
		flush(l, out);
		rotate(l);
	}
	if (out->n + n > KEEPER_OUT_SIZE)
		flush(l, out);
	add(out, out->stamp, n_stamp);
	add(out, head, n_head);
	add(out, tail, n_tail);
	add(out, "\n", 1);
}

/* Once there is room again, the log says what it lacks. */
static void confess(struct keeper_log *l, struct keeper_out *out)
{
	_cleanup_(freep) char *text = NULL;

	if (!l->has_dropped)
		return;
	text = l->lost ? xasprintf("slipway: the disk was full: older lines were dropped and %" PRIu64
				   " bytes of new ones were lost",
				   l->lost)
		       : xstrdup("slipway: the disk was full: older lines were dropped");
	uint64_t lost = l->lost;

	l->has_dropped = false;
	l->lost = 0;
	put_line(l, out, NULL, 0, text, strlen(text));
	flush(l, out);
	if (l->lost) /* not even that fits: say it another time */
		l->lost = lost;
}

/* What has no end yet waits; what is too long becomes lines of its own. */
static void keep(struct keeper_log *l, struct keeper_out *out, const char *data, size_t n)
{
	while (l->partial.len + n > KEEPER_LINE_MAX) {
		size_t take = KEEPER_LINE_MAX - l->partial.len;

		put_line(l, out, l->partial.s, l->partial.len, data, take);
		strb_done(&l->partial);
		data += take;
		n -= take;
	}
	if (n > 0)
		(void) strb_add(&l->partial, data, n);
}

static void end_line(struct keeper_log *l, struct keeper_out *out, const char *data, size_t n)
{
	if (l->partial.len + n > KEEPER_LINE_MAX) {
		keep(l, out, data, n);
		data += n;
		n = 0;
	}
	put_line(l, out, l->partial.s, l->partial.len, data, n);
	strb_done(&l->partial);
}

void keeper_log_feed(struct keeper_log *l, struct keeper_out *out, const char *data, size_t n, int64_t at_ms)
{
	const char *end = data + n;

	set_stamp(out, at_ms);
	if (!open_file(l))
		l->size = 0;
	while (data < end) {
		const char *eol = memchr(data, '\n', (size_t) (end - data));

		if (!eol) {
			keep(l, out, data, (size_t) (end - data));
			break;
		}
		end_line(l, out, data, (size_t) (eol - data));
		data = eol + 1;
	}
	flush(l, out);
	confess(l, out);
}

void keeper_log_done(struct keeper_log *l, struct keeper_out *out, int64_t at_ms)
{
	if (l->partial.len > 0) {
		set_stamp(out, at_ms);
		end_line(l, out, "", 0);
		flush(l, out);
	}
	strb_done(&l->partial);
	close_file(l);
	free(l->path);
	l->path = NULL;
}
