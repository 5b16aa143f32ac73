/*
 * The store's rows of instances. What could not be written, as the disk is full or the store locked, is
 * written as soon as it can. A restart does not wait for that: a link, run/started-DEPLOYMENT:SERVICE.N,
 * which needs neither, holds the process (PID:START:BOOT) for a daemon that comes before the row is right
 * again.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "plan/root.h"

enum { AGAIN_MS = 2000 };

/* A row that should not be there any more. */
struct stale_row {
	struct stale_row *next;
	int64_t deployment;
	char *service;
	unsigned ordinal;
};

static int on_again(sd_event_source *s, uint64_t at, void *ctx);

static void try_later(struct daemon *d, const char *what, const char *app, struct err **e)
{
	if (!d->record_timer && e && *e)
		log_failure(what, app, e);
	timer_set(d, &d->record_timer, AGAIN_MS, on_again, d);
}

static char *link_path(const struct daemon *d, int64_t deployment, const char *service, unsigned ordinal)
{
	return root_path(d->root, "run/started-%" PRId64 ":%s.%u", deployment, service, ordinal);
}

static void forget_link(const struct daemon *d, const struct instance_row *row)
{
	_cleanup_(freep) char *path = link_path(d, row->deployment, row->service, row->ordinal);

	(void) unlink(path);
}

/* Of the boot a part is enough: a link's target of less than 60 bytes takes no room of its own. */
static char *short_boot(const char *boot)
{
	const char *blank = strchr(boot, ' ');

	return xasprintf("%.8s%.20s", boot, blank ? blank : "");
}

static int make_link(const struct instance *i, struct err **e)
{
	const struct instance_row *row = &i->row;
	_cleanup_(freep) char *path = link_path(i->d, row->deployment, row->service, row->ordinal);
	_cleanup_(freep) char *boot = short_boot(i->d->boot);
	_cleanup_(freep) char *target =
		xasprintf("%" PRId64 ":%" PRIu64 ":%s", row->pid, row->pid_start, boot);

	(void) unlink(path);
	return symlink(target, path) < 0 ? err_set(e, -errno, "making %s: %m", path) : 0;
}

int record_aside(struct instance *i, struct err **why)
{
	_cleanup_(err_freep) struct err *e = NULL;
	int r = i->is_known ? make_link(i, &e) : -EBUSY;

	if (r < 0)
		return r;
	i->is_unrecorded = true;
	try_later(i->d, "an instance's start was not recorded; it will be", i->row.app, why);
	return 0;
}

int record_start(struct instance *i, struct err **e)
{
	_cleanup_(err_freep) struct err *why = NULL;
	int r = i->d->is_store_away ? err_set(&why, -EBUSY, "the store is locked by another process")
				    : store_instance_put(&i->d->store, &i->row, &why);

	if (err_is_temporary(r) && record_aside(i, &why) == 0)
		return 0;
	if (r >= 0)
		i->is_unrecorded = false;
	else if (e)
		*e = TAKE(why);
	return r;
}

/* Ends the text there; what follows, "": nothing. */
static char *cut_at_colon(char *text)
{
	char *rest = text + strcspn(text, ":");

	if (*rest)
		*rest++ = '\0';
	return rest;
}

void record_read(struct instance *i)
{
	struct instance_row *row = &i->row;
	_cleanup_(freep) char *path = link_path(i->d, row->deployment, row->service, row->ordinal);
	_cleanup_(freep) char *boot = short_boot(i->d->boot);
	char target[128], *start_text, *its_boot;
	ssize_t n = readlink(path, target, sizeof target - 1);
	long pid, start;

	if (n <= 0)
		return;
	target[n] = '\0';
	start_text = cut_at_colon(target);
	its_boot = cut_at_colon(start_text);
	if (str_to_long(target, 2, INT_MAX, &pid) && str_to_long(start_text, 1, LONG_MAX, &start) &&
	    str_eq(its_boot, boot)) {
		row->pid = pid;
		row->pid_start = (uint64_t) start;
		row->started_at_s = now_s();
		str_set(&row->boot, i->d->boot);
		i->is_unrecorded = true;
		try_later(i->d, NULL, NULL, NULL);
		return;
	}
	(void) unlink(path);
}

void record_instance(struct instance *i)
{
	_cleanup_(err_freep) struct err *e = NULL;

	i->is_unrecorded = store_instance_put(&i->d->store, &i->row, &e) < 0;
	if (!i->is_unrecorded)
		forget_link(i->d, &i->row);
	if (i->is_unrecorded)
		try_later(i->d, "an instance's state was not recorded; it will be", i->row.app, &e);
}

void record_gone(struct daemon *d, const struct instance_row *row)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct stale_row *stale;

	if (store_instance_remove(&d->store, row->deployment, row->service, row->ordinal, &e) >= 0) {
		forget_link(d, row);
		return;
	}
	stale = xcalloc(1, sizeof *stale);
	*stale = (struct stale_row){ d->stale_rows, row->deployment, xstrdup(row->service), row->ordinal };
	d->stale_rows = stale;
	try_later(d, "an instance that is gone was not forgotten; it will be", row->app, &e);
}

static void drop_first(struct daemon *d)
{
	struct stale_row *stale = d->stale_rows;

	d->stale_rows = stale->next;
	if (!instance_find(d, stale->deployment, stale->service, stale->ordinal)) {
		_cleanup_(freep) char *path = link_path(d, stale->deployment, stale->service, stale->ordinal);

		(void) unlink(path);
	}
	free(stale->service);
	free(stale);
}

/* All or nothing: the row of an instance that was started anew under the same name is not stale. */
static int write_all_rows(struct daemon *d, struct err **e)
{
	int r = 0;

	for (const struct stale_row *s = d->stale_rows; r >= 0 && s; s = s->next)
		if (!instance_find(d, s->deployment, s->service, s->ordinal))
			r = store_instance_remove(&d->store, s->deployment, s->service, s->ordinal, e);
	for (const struct instance *i = d->instances; r >= 0 && i; i = i->next)
		if (i->is_unrecorded)
			r = store_instance_put(&d->store, &i->row, e);
	return r;
}

static int on_again(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	struct daemon *d = ctx;
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r;

	store_checkpoint(&d->store); /* what the log holds already is room for more of it */
	r = tx_begin(&tx, &d->store, NULL);
	if (r >= 0)
		r = write_all_rows(d, NULL);
	if (r >= 0)
		r = tx_commit(&tx, NULL);
	if (r < 0) {
		try_later(d, NULL, NULL, NULL);
		return 0;
	}
	d->record_timer = sd_event_source_disable_unref(d->record_timer);
	for (struct instance *i = d->instances; i; i = i->next)
		if (i->is_unrecorded) {
			i->is_unrecorded = false;
			forget_link(d, &i->row);
		}
	while (d->stale_rows)
		drop_first(d);
	log_info("the instances' states are on record again");
	return 0;
}

void record_done(struct daemon *d)
{
	d->record_timer = sd_event_source_disable_unref(d->record_timer);
	while (d->stale_rows)
		drop_first(d);
}
