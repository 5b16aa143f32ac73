/* Old instances stay until the router's old workers have gone; then they stop, and retention is applied. */
#include <inttypes.h>

#include "base/crash-point.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "daemon/server.h"
#include "store/app.h"
#include "store/deployment.h"

struct worker {
	struct worker *next;
	struct retire *of;
	struct child child;
};

struct retire {
	struct retire *next;
	struct daemon *d;
	char *app;
	int64_t deployment;     /* the live one, as the request said */
	struct worker *workers; /* that still run */
	sd_event_source *timer, *done_event;
};

static struct retire *retire_find(struct daemon *d, const char *app)
{
	for (struct retire *t = d->retires; t; t = t->next)
		if (str_eq(t->app, app))
			return t;
	return NULL;
}

static void worker_free(struct worker *w)
{
	struct worker **at = &w->of->workers;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	child_forget(&w->child);
	free(w);
}

static void retire_free(struct retire *t)
{
	struct retire **at = &t->d->retires;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	while (t->workers)
		worker_free(t->workers);
	sd_event_source_disable_unref(t->timer);
	sd_event_source_disable_unref(t->done_event);
	free(t->app);
	free(t);
}

/* ---- retention ---- */

struct retention {
	struct daemon *d;
	struct child child;
	char *app;
	bool is_again; /* the one before was killed */
};

static void retain(struct daemon *d, const char *app, bool is_again);

static void retention_free(struct retention *n)
{
	free(n->app);
	free(n);
}

static void on_retention_end(struct child *c, int status)
{
	struct retention *n = c->ctx;

	if (status > 128 && !n->is_again && !n->d->is_ending)
		retain(n->d, n->app, true); /* it goes on where it was */
	else if (status != 0)
		log_warning("old releases could not all be removed; see logs/retain.log", F("app", n->app),
			    F("status", status));
	retention_free(n);
}

/* In a process of its own: removing a big tree takes its time. */
static void retain(struct daemon *d, const char *app, bool is_again)
{
	struct retention *n = xcalloc(1, sizeof *n);
	_cleanup_(freep) char *log = xasprintf("%s/logs/retain.log", d->root);
	_cleanup_(err_freep) struct err *e = NULL;
	const char *const args[] = { "retain", d->root, app, NULL };
	struct child_spawn how = { .log = log, .log_mode = 0600 };

	n->d = d;
	n->is_again = is_again;
	n->app = xstrdup(app);
	n->child = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_retention_end, .ctx = n };
	if (d->is_ending || daemon_spawn_self(d, &n->child, &how, args, &e) < 0) {
		log_failure("retention was not applied", n->app, &e);
		retention_free(n);
	}
}

static void retain_now(struct daemon *d, const char *app)
{
	retain(d, app, false);
}

/* An app without a web service is here while its deployment still runs, and what that uses is not known. */
static void retain_later(struct daemon *d, void *ctx)
{
	deployments_when_idle(d, ctx, retain_now);
}

/* ---- the end of waiting ---- */

/* Whatever is neither of the live deployment nor of the one that runs right now. */
static struct filter old_ones(struct retire *t)
{
	_cleanup_(app_row_done) struct app_row app = { 0 };
	_cleanup_(deployment_row_done) struct deployment_row running = { 0 };
	struct filter f = { .app = t->app, .but = t->deployment, .but_jobs = true };

	if (store_app_get(&t->d->store, t->app, &app, NULL) >= 0 && app.live_deployment)
		f.but = app.live_deployment;
	if (store_deployment_running(&t->d->store, t->app, &running, NULL) >= 0)
		f.nor = running.id;
	return f;
}

static void stop_old(struct retire *t)
{
	struct daemon *d = t->d;
	crash_point("daemon.retiring");
	struct filter f = old_ones(t);
	int n = supervisor_stop(d, &f);

	if (n > 0)
		log_info("old instances are being stopped", F("app", t->app), F("instances", n));
	f.is_stopping = true;
	char *app = xstrdup(t->app);

	supervisor_when_gone(d, &f, retain_later, app, app);
	retire_free(t);
}

static int on_done(sd_event_source *s UNUSED, void *ctx)
{
	stop_old(ctx);
	return 0;
}

static int on_timeout(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	struct retire *t = ctx;

	log_info("the router's old workers still serve and are not waited for any longer", F("app", t->app));
	stop_old(t);
	return 0;
}

static void look(struct retire *t)
{
	if (t->workers)
		return;
	if (!t->done_event && sd_event_add_defer(t->d->loop, &t->done_event, on_done, t) < 0)
		return;
	(void) sd_event_source_set_enabled(t->done_event, SD_EVENT_ONESHOT);
}

static void on_worker_end(struct child *c, int status UNUSED)
{
	struct worker *w = c->ctx;
	struct retire *t = w->of;

	c->pid = 0;
	worker_free(w);
	look(t);
}

/* ---- requests ---- */

static void add_workers(struct retire *t, const json_t *workers)
{
	json_t *at;
	size_t k;

	json_array_foreach(workers, k, at)
	{
		struct worker *w = xcalloc(1, sizeof *w);

		*w = (struct worker){ .next = t->workers, .of = t };
		w->child = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_worker_end, .ctx = w };
		t->workers = w;
		if (child_adopt(&w->child, t->d->loop, (pid_t) json_num(at, "pid", 0),
				(unsigned long long) json_num(at, "start", 0), NULL) < 0)
			worker_free(w); /* gone already */
	}
}

static struct retire *retire_new(struct daemon *d, const char *app)
{
	struct retire *t = xcalloc(1, sizeof *t);

	*t = (struct retire){ .next = d->retires, .d = d, .app = xstrdup(app) };
	d->retires = t;
	return t;
}

int op_retire(struct daemon *d, struct request *rq, struct err **e)
{
	const char *app = json_text(rq->args, "app");
	int64_t timeout_ms = json_num(rq->args, "timeout_ms", 0);
	struct retire *t;

	if (!app)
		return err_set(e, ERR_USAGE, "retire: needs 'app'");
	t = retire_find(d, app); /* one that still waits: wait for its workers too */
	if (!t)
		t = retire_new(d, app);
	t->deployment = json_num(rq->args, "deployment", 0);
	add_workers(t, json_object_get(rq->args, "workers"));
	timer_set(d, &t->timer, timeout_ms < 0 ? 0 : (uint64_t) timeout_ms, on_timeout, t);
	look(t);
	request_answer(rq, NULL);
	return 0;
}

static void answer(struct daemon *d UNUSED, void *ctx)
{
	request_answer(ctx, NULL);
}

int op_retire_now(struct daemon *d, struct request *rq, struct err **e)
{
	const char *app = json_text(rq->args, "app");
	struct retire *t = app ? retire_find(d, app) : NULL;

	if (!app)
		return err_set(e, ERR_USAGE, "retire-now: needs 'app'");
	if (t)
		stop_old(t);
	supervisor_when_gone(d, &(struct filter){ .app = app, .is_stopping = true }, answer, rq, NULL);
	return 0;
}

/* ---- over a re-exec ---- */

json_t *retires_hand_over(const struct daemon *d)
{
	json_t *list = json_array();

	for (const struct retire *t = d->retires; t; t = t->next) {
		json_t *j = json_object(), *workers = json_array();

		for (const struct worker *w = t->workers; w; w = w->next) {
			json_t *worker = json_object();

			json_put_num(worker, "pid", w->child.pid);
			json_put_num(worker, "start", (int64_t) w->child.start);
			(void) json_array_append_new(workers, worker);
		}
		json_put_text(j, "app", t->app);
		json_put_num(j, "deployment", t->deployment);
		json_put_num(j, "due_ms", timer_due_ms(t->timer));
		(void) json_object_set_new(j, "workers", workers);
		(void) json_array_append_new(list, j);
	}
	return list;
}

void retires_resume(struct daemon *d)
{
	const json_t *at;
	size_t k;

	json_array_foreach(json_object_get(d->handover, "retires"), k, at)
	{
		struct retire *t = retire_new(d, json_text(at, "app"));

		t->deployment = json_num(at, "deployment", 0);
		add_workers(t, json_object_get(at, "workers"));
		timer_set_at(d, &t->timer, json_num(at, "due_ms", 0), on_timeout, t);
		look(t);
	}
}

void retire_forget(struct daemon *d, const char *app)
{
	struct retire *t = retire_find(d, app);

	if (t)
		retire_free(t);
}

void retires_done(struct daemon *d)
{
	while (d->retires)
		retire_free(d->retires);
}
