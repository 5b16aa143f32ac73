/* All instances together: which are meant, what is asked for, who waits for their end, starting many at once.
 */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "daemon/group.h"
#include "daemon/server.h"

enum { BATCH = 8 };

struct gone_waiter {
	struct gone_waiter *next;
	struct filter filter;
	char *app, *service;
	void (*then)(struct daemon *d, void *ctx);
	void *ctx, *owned;
};

bool instance_matches(const struct instance *i, const struct filter *f)
{
	return (!f->app || str_eq(f->app, i->row.app)) &&
	       (!f->service || str_eq(f->service, i->row.service)) &&
	       (!f->deployment || f->deployment == i->row.deployment) && i->row.deployment != f->but &&
	       i->row.deployment != f->nor && i->row.ordinal > f->keep &&
	       (!f->is_stopping || i->state == INSTANCE_STOPPING) && (!f->but_jobs || !i->row.run);
}

/* ---- stopping and waiting for it ---- */

int supervisor_stop(struct daemon *d, const struct filter *f)
{
	int n = 0;

	for (struct instance *i = d->instances, *next; i; i = next) {
		next = i->next;
		if (!instance_matches(i, f))
			continue;
		n++;
		instance_stop(i);
	}
	return n;
}

static bool is_any_left(const struct daemon *d, const struct filter *f)
{
	for (const struct instance *i = d->instances; i; i = i->next)
		if (instance_matches(i, f))
			return true;
	return false;
}

static void waiter_free(struct gone_waiter *w)
{
	free(w->app);
	free(w->service);
	free(w->owned);
	free(w);
}

/* Those who wait for what has gone by now; each may stop or wait for more. */
static int on_gone(sd_event_source *s UNUSED, void *ctx)
{
	struct daemon *d = ctx;
	struct gone_waiter **at = &d->gone_waiters, *due = NULL;

	while (*at) {
		struct gone_waiter *w = *at;

		if (is_any_left(d, &w->filter)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = due;
		due = w;
	}
	while (due) {
		struct gone_waiter *w = due;

		due = w->next;
		w->then(d, w->ctx);
		waiter_free(w);
	}
	return 0;
}

void supervisor_gone(struct daemon *d)
{
	if (!d->gone_event && sd_event_add_defer(d->loop, &d->gone_event, on_gone, d) < 0)
		return;
	(void) sd_event_source_set_enabled(d->gone_event, SD_EVENT_ONESHOT);
}

void supervisor_when_gone(struct daemon *d, const struct filter *f, void (*then)(struct daemon *d, void *ctx),
			  void *ctx, void *owned)
{
	struct gone_waiter *w = xcalloc(1, sizeof *w);

	*w = (struct gone_waiter){
		.filter = *f, .then = then, .ctx = ctx, .owned = owned, .next = d->gone_waiters
	};
	w->filter.app = w->app = xstrdup(f->app);
	w->filter.service = w->service = xstrdup(f->service);
	d->gone_waiters = w;
	supervisor_gone(d);
}

/* ---- starting ---- */

static void answer_pid(const struct instance *i, struct request *rq)
{
	json_t *answer = json_object();

	json_put_num(answer, "pid", i->row.pid);
	request_answer(rq, answer);
}

static int start_now(struct instance *i, struct request *rq, struct err **e)
{
	int r = instance_launch(i, e);

	if (r < 0)
		return r;
	child_release(&i->child);
	answer_pid(i, rq);
	return 0;
}

static void copy_row(struct instance_row *to, const struct instance_row *from)
{
	*to = *from;
	to->app = xstrdup(from->app);
	to->service = xstrdup(from->service);
	to->boot = NULL;
}

/* The same key again: the same process, or its next start at once. */
static int start_known(struct instance *i, struct request *rq, struct err **e)
{
	if (i->state == INSTANCE_RUNNING) {
		answer_pid(i, rq);
		return 0;
	}
	if (i->state == INSTANCE_WAITING)
		return start_now(i, rq, e);
	if (i->wanted_by)
		return err_set(e, -EBUSY, "%s.%u is being stopped", i->row.service, i->row.ordinal);
	i->wanted_by = rq; /* answered when the old process is gone */
	return 0;
}

int supervisor_start(struct daemon *d, struct request *rq, const struct instance_row *want, struct err **e)
{
	struct instance *i = instance_find(d, want->deployment, want->service, want->ordinal);

	if (d->is_ending)
		return err_set(e, ERR_MISSING, "slipwayd ends and starts nothing any more");
	if (i)
		return start_known(i, rq, e);
	i = instance_new(d);
	copy_row(&i->row, want);
	int r = start_now(i, rq, e);

	if (r < 0)
		instance_stop(i); /* forgets it: nothing runs */
	return r;
}

/* Launches one that is due; what fails counts as an exit and is tried again later. */
static bool launch_due(struct instance *i)
{
	_cleanup_(err_freep) struct err *e = NULL;

	i->is_due = false;
	if (instance_launch(i, &e) >= 0)
		return true;
	log_failure("an instance could not be started", i->row.app, &e);
	i->child.on_end(&i->child, -1);
	return false;
}

/* Opens the gates of what is on record now; what could not be recorded must not run. */
static void release(struct instance *const *batch, size_t n, bool is_recorded, struct err **e)
{
	for (size_t k = 0; k < n; k++) {
		if (is_recorded || batch[k]->is_unrecorded || record_aside(batch[k], e) == 0) {
			child_release(&batch[k]->child);
			continue;
		}
		child_forget(&batch[k]->child);
		batch[k]->child.on_end(&batch[k]->child, -1);
	}
}

/* Starts what is due, a few at a time so that requests are answered in between, each batch in one
 * transaction. */
static int on_start(sd_event_source *s, void *ctx)
{
	struct daemon *d = ctx;
	_cleanup_(tx_end) struct tx tx = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	struct instance *batch[BATCH] = { NULL };
	size_t n = 0;
	int r = tx_begin(&tx, &d->store, &e);

	d->is_store_away = err_is_temporary(r);
	for (struct instance *i = d->instances; i && n < BATCH && !d->is_ending; i = i->next)
		if (i->is_due && launch_due(i))
			batch[n++] = i;
	d->is_store_away = false;
	if (r >= 0)
		r = tx_commit(&tx, &e);
	tx_end(&tx);
	release(batch, n, r >= 0, &e);
	if (e)
		log_failure("a start was not recorded", NULL, &e);
	return n == BATCH ? sd_event_source_set_enabled(s, SD_EVENT_ONESHOT) : 0;
}

void instance_start_later(struct instance *i)
{
	struct daemon *d = i->d;

	i->is_due = true;
	if (!d->start_event && sd_event_add_defer(d->loop, &d->start_event, on_start, d) < 0)
		return;
	(void) sd_event_source_set_enabled(d->start_event, SD_EVENT_ONESHOT);
}

/* ---- what there is ---- */

static const char *state_name(const struct instance *i)
{
	if (i->state == INSTANCE_STOPPING)
		return "stopping";
	if (i->state == INSTANCE_RUNNING)
		return "running";
	return i->exits >= CRASHING_EXITS ? "crashing" : "waiting";
}

static json_t *instance_json(const struct instance *i, int64_t memory_bytes)
{
	json_t *j = json_object();

	json_put_text(j, "app", i->row.app);
	json_put_text(j, "service", i->row.service);
	json_put_num(j, "ordinal", i->row.ordinal);
	json_put_num(j, "deployment", i->row.deployment);
	json_put_num(j, "version", i->row.version);
	json_put_num(j, "port", i->row.port);
	json_put_num(j, "pid", i->row.pid);
	json_put_text(j, "state", state_name(i));
	json_put_num(j, "restarts", i->row.restarts);
	json_put_num(j, "started_at_s", i->row.started_at_s);
	json_put_num(j, "last_status", i->row.last_status);
	json_put_num(j, "next_start_s", i->next_start_s);
	json_put_text(j, "sandbox", sandbox_level_name(i->sandbox));
	json_put_num(j, "memory_bytes", memory_bytes);
	json_put_num(j, "run", i->row.run);
	json_put_num(j, "user", i->uid);
	(void) json_object_set_new(j, "limits", confine_to_json(i));
	json_put_text(j, "last_end", i->last_end);
	return j;
}

static int by_name(const void *a, const void *b)
{
	const struct instance *x = *(struct instance *const *) a, *y = *(struct instance *const *) b;
	int r = strcmp(x->row.app, y->row.app);

	if (r == 0)
		r = strcmp(x->row.service, y->row.service);
	if (r == 0)
		r = (x->row.ordinal > y->row.ordinal) - (x->row.ordinal < y->row.ordinal);
	return r ? r : (x->row.deployment > y->row.deployment) - (x->row.deployment < y->row.deployment);
}

json_t *supervisor_list(struct daemon *d, const char *app)
{
	_cleanup_(freep) struct instance **v = NULL;
	_cleanup_(freep) struct session_memory *memory = NULL;
	json_t *list = json_array();
	size_t n = 0;

	for (struct instance *i = d->instances; i; i = i->next)
		if (!app || str_eq(app, i->row.app))
			*GROW(&v, &n) = i;
	if (n == 0)
		return list;
	qsort(v, n, sizeof *v, by_name);
	memory = xcalloc(n, sizeof *memory);
	for (size_t k = 0; k < n; k++)
		memory[k].session = (pid_t) (v[k]->row.pid ? v[k]->row.pid : -1);
	sessions_measure(memory, n);
	for (size_t k = 0; k < n; k++)
		(void) json_array_append_new(list, instance_json(v[k], memory[k].bytes));
	return list;
}

int supervisor_running(const struct daemon *d)
{
	int n = 0;

	for (const struct instance *i = d->instances; i; i = i->next)
		n += i->state == INSTANCE_RUNNING;
	return n;
}

void supervisor_done(struct daemon *d)
{
	while (d->instances)
		instance_free(d->instances);
	while (d->gone_waiters) {
		struct gone_waiter *w = d->gone_waiters;

		d->gone_waiters = w->next;
		waiter_free(w);
	}
	d->gone_event = sd_event_source_disable_unref(d->gone_event);
	d->start_event = sd_event_source_disable_unref(d->start_event);
	d->boot_event = sd_event_source_disable_unref(d->boot_event);
}
