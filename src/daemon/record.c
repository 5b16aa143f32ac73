/* The store's rows of instances. What could not be written, as the disk is full, is written as soon as it
 * can. */
#include "base/log.h"
#include "daemon/daemon-internal.h"

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
	if (!d->record_timer)
		log_failure(what, app, e);
	timer_set(d, &d->record_timer, AGAIN_MS, on_again, d);
}

void record_instance(struct instance *i)
{
	_cleanup_(err_freep) struct err *e = NULL;

	i->is_unrecorded = store_instance_put(&i->d->store, &i->row, &e) < 0;
	if (i->is_unrecorded)
		try_later(i->d, "an instance's state was not recorded; it will be", i->row.app, &e);
}

void record_gone(struct daemon *d, const struct instance_row *row)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct stale_row *stale;

	if (store_instance_remove(&d->store, row->deployment, row->service, row->ordinal, &e) >= 0)
		return;
	stale = xcalloc(1, sizeof *stale);
	*stale = (struct stale_row){ d->stale_rows, row->deployment, xstrdup(row->service), row->ordinal };
	d->stale_rows = stale;
	try_later(d, "an instance that is gone was not forgotten; it will be", row->app, &e);
}

static void drop_first(struct daemon *d)
{
	struct stale_row *stale = d->stale_rows;

	d->stale_rows = stale->next;
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
	int r = tx_begin(&tx, &d->store, NULL);

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
		i->is_unrecorded = false;
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
