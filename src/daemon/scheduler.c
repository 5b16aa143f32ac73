/*
 * Schedules of the live releases: one timer for the one that is due next. When each is due is in the store
 * too, so that the next daemon sees what this one did not come to.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/problem.h"
#include "daemon/job.h"
#include "daemon/server.h"
#include "plan/mark.h"
#include "plan/plan.h"
#include "plan/root.h"
#include "plan/spec.h"
#include "store/app.h"
#include "store/run.h"

enum { LATE_S = 60 }; /* who comes later than that has missed it */

static int on_timer(sd_event_source *s, uint64_t at, void *ctx);

/* ---- the clock, which tests let run faster: SLIPWAY_TEST_CLOCK=BASE:FACTOR ---- */

static void read_clock(struct daemon *d)
{
	const char *text = getenv("SLIPWAY_TEST_CLOCK"), *colon = text ? strchr(text, ':') : NULL;
	_cleanup_(freep) char *base = colon ? xstrndup(text, (size_t) (colon - text)) : NULL;
	long base_s, factor;

	d->clock_factor = 1;
	if (!base || !str_to_long(base, 0, INT32_MAX, &base_s) || !str_to_long(colon + 1, 1, 10000, &factor))
		return;
	d->clock_base_ms = (int64_t) base_s * 1000;
	d->clock_factor = factor;
}

static int64_t clock_s(const struct daemon *d)
{
	return (d->clock_base_ms + (now_ms() - d->clock_base_ms) * d->clock_factor) / 1000;
}

/* Rounded up: the timer must not come before its time. */
static uint64_t real_us(const struct daemon *d, int64_t at_s)
{
	int64_t since_us = at_s * 1000000 - d->clock_base_ms * 1000;

	return (uint64_t) (d->clock_base_ms * 1000 + (since_us + d->clock_factor - 1) / d->clock_factor);
}

static void arm(struct daemon *d)
{
	int64_t first = 0;
	int r;

	for (const struct schedule *s = d->schedules; s; s = s->next)
		if (s->next_s && (!first || s->begin_s < first))
			first = s->begin_s;
	d->schedule_timer = sd_event_source_disable_unref(d->schedule_timer);
	if (!first || d->is_ending)
		return;
	r = sd_event_add_time(d->loop, &d->schedule_timer, CLOCK_REALTIME, real_us(d, first), 1000, on_timer,
			      d);
	if (r < 0)
		log_error("the timer of the schedules could not be set", F("error", strerror(-r)));
}

/* ---- when one is due ---- */

static unsigned random_up_to(unsigned max)
{
	unsigned n = 0;

	if (max == 0 || getrandom(&n, sizeof n, GRND_NONBLOCK) != sizeof n)
		return 0;
	return n % (max + 1);
}

static void set_next(struct schedule *s, int64_t next_s)
{
	s->next_s = next_s > 0 ? next_s : 0;
	s->begin_s = s->next_s ? s->next_s + random_up_to(s->jitter_s) : 0;
}

static int put(const struct schedule *s, struct err **e)
{
	_cleanup_(freep) char *mark = xasprintf(MARK_SUSPENDED "%s", s->service);

	(void) mark_set(s->d->root, s->app, mark, s->is_suspended, NULL);
	return store_schedule_put(
		&s->d->store, &(struct schedule_row){ s->app, s->service, s->is_suspended, s->next_s }, e);
}

/* A time that nobody was there for. There may have been more of them: this one stands for all. */
static int has_missed(struct schedule *s, int64_t due_s, struct err **e)
{
	_cleanup_(freep) char *at = time_text(due_s),
			      *detail = xasprintf("%s was due at %s and is not made up for", s->service, at);
	int r = job_record(s, due_s, "missed", e);

	if (r == -EEXIST) {
		if (e)
			*e = err_free(*e);
		return 0;
	}
	daemon_event(s->d, s->app, "schedule", detail, "missed");
	return r;
}

/* was: what the store has as its next time. A time that has come and was not acted on yet still is, if it is
 * one of the schedule that is in force now. */
static int settle(struct schedule *s, int64_t was, struct err **e)
{
	int64_t now = clock_s(s->d);
	bool is_open = was > 0 && was <= now && cron_next(&s->cron, was - 60, s->zone) == was;
	int r = 0;

	if (!s->is_enabled || s->is_suspended) {
		set_next(s, 0);
	} else if (is_open && now - was < LATE_S + s->jitter_s) {
		set_next(s, was);
	} else {
		if (is_open)
			r = has_missed(s, was, e);
		set_next(s, cron_next(&s->cron, now, s->zone));
	}
	return r < 0 ? r : put(s, e);
}

static bool is_running_already(const struct schedule *s, int64_t due_s)
{
	const struct instance *i = s->allows_overlap ? NULL : job_find(s->d, s->app, s->service);
	_cleanup_(freep) char *at = time_text(due_s);

	if (i)
		job_say(i, "the run of %s is skipped: run %" PRId64 " of %s still goes on", at, i->row.run,
			s->service);
	return i != NULL;
}

static int act(struct schedule *s, int64_t due_s, int64_t now, struct instance **i, struct err **e)
{
	if (now - s->begin_s >= LATE_S)
		return has_missed(s, due_s, e);
	if (is_running_already(s, due_s))
		return job_record(s, due_s, "skipped", e);
	return job_start(s, due_s, i, e);
}

/* That it has come and what was done is one transaction: no time is acted on twice. */
static void fire(struct schedule *s)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(tx_end) struct tx tx = { 0 };
	struct instance *i = NULL;
	int64_t now = clock_s(s->d), due_s = s->next_s;
	int r = tx_begin(&tx, &s->d->store, &e);

	if (r >= 0)
		r = act(s, due_s, now, &i, &e);
	if (r == -EEXIST) {
		e = err_free(e);
		r = 0;
	}
	set_next(s, cron_next(&s->cron, now, s->zone));
	if (r >= 0)
		r = put(s, &e);
	if (r >= 0)
		r = tx_commit(&tx, &e);
	tx_end(&tx);
	if (r < 0)
		log_failure("a scheduled run was not recorded and is left out", s->app, &e);
	if (i)
		job_release(i, r >= 0);
}

/* Another release went live, or the app was stopped, and the end of that deployment is still to come. */
static bool is_stale(const struct schedule *s)
{
	_cleanup_(app_row_done) struct app_row app = { 0 };

	return store_app_get(&s->d->store, s->app, &app, NULL) >= 0 &&
	       (app.is_stopped || app.live_deployment != s->deployment);
}

static struct schedule *find_due(struct daemon *d, int64_t now)
{
	for (struct schedule *s = d->schedules; s; s = s->next)
		if (s->next_s && s->begin_s <= now)
			return s;
	return NULL;
}

static int on_timer(sd_event_source *source UNUSED, uint64_t at UNUSED, void *ctx)
{
	struct daemon *d = ctx;
	int64_t now = clock_s(d);
	struct schedule *s;

	while (!d->is_ending && (s = find_due(d, now)))
		if (is_stale(s))
			scheduler_load(d, s->app);
		else
			fire(s);
	arm(d);
	return 0;
}

/* ---- what is scheduled ---- */

static void forget(struct daemon *d, const char *app)
{
	struct schedule **at = &d->schedules;

	while (*at) {
		struct schedule *s = *at;

		if (app && !str_eq(s->app, app)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		free(s->app);
		free(s->service);
		free(s->zone);
		free(s);
	}
}

void scheduler_forget(struct daemon *d, const char *app)
{
	forget(d, app);
	arm(d);
}

/* Remembers the schedules of the plan that the store knows; the others are forgotten there. */
struct known {
	struct schedule_row *rows;
	size_t n;
};

static const struct schedule_row *known_find(const struct known *k, const char *service)
{
	for (size_t i = 0; i < k->n; i++)
		if (str_eq(k->rows[i].service, service))
			return &k->rows[i];
	return NULL;
}

static int add(struct daemon *d, const struct app_row *app, const struct plan_service *service,
	       const struct cron_policy *policy, const struct schedule_row *known, struct err **e)
{
	_cleanup_(freep) char *line = xasprintf("%s x", service->schedule), *warning = NULL;
	struct schedule *s = xcalloc(1, sizeof *s);
	const char *command;
	int column;

	*s = (struct schedule){ .next = d->schedules,
				.d = d,
				.app = xstrdup(app->name),
				.service = xstrdup(service->name),
				.version = app->live_version,
				.deployment = app->live_deployment,
				.zone = xstrdup(policy->tz),
				.allows_overlap = policy->allows_overlap,
				.jitter_s = policy->jitter_s,
				.is_enabled = service->instances > 0,
				.is_suspended = known && known->is_suspended };
	d->schedules = s;
	int r = cron_parse(&s->cron, line, &command, &column, &warning, e);

	return r < 0 ? r : settle(s, known ? known->next_s : 0, e);
}

static int add_all(struct daemon *d, const struct app_row *app, const struct plan *plan,
		   const struct known *known, struct err **e)
{
	_cleanup_(spec_done) struct spec spec = { 0 };
	_cleanup_(problems_done) struct problems ignored = { 0 };
	struct cron_policy policy = { 0 };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < plan->n_services; i++) {
		const struct plan_service *service = &plan->services[i];

		if (service->kind != SERVICE_CRON)
			continue;
		if (!spec.app) {
			r = spec_read(&spec, d->root, app->name, (long) app->live_version, e);
			if (r < 0)
				return r;
			cron_policy_read(&policy, &spec.env, &ignored);
		}
		r = add(d, app, service, &policy, known_find(known, service->name), e);
	}
	return r;
}

/* What the store knows and is no schedule any more, or not for now. */
static int clean(struct daemon *d, const struct app_row *app, const struct plan *plan,
		 const struct known *known, struct err **e)
{
	bool runs = app->live_version && !app->is_stopped;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < known->n; i++) {
		struct schedule_row row = known->rows[i];
		const struct plan_service *service = runs ? plan_find_service(plan, row.service) : NULL;

		if (runs && (!service || service->kind != SERVICE_CRON))
			r = store_schedule_remove(&d->store, row.app, row.service, e);
		row.next_s = 0;
		if (!runs && known->rows[i].next_s)
			r = store_schedule_put(&d->store, &row, e);
	}
	return r;
}

static int read_plan(struct daemon *d, const struct app_row *app, struct plan *ret, struct err **e)
{
	_cleanup_(freep) char *dir = root_release(d->root, app->name, (long) app->live_version);
	_cleanup_(freep) char *path = xasprintf("%s/plan.json", dir);

	return plan_read(ret, path, e);
}

static int load(struct daemon *d, const struct app_row *app, struct err **e)
{
	_cleanup_(plan_done) struct plan plan = { 0 };
	_cleanup_(tx_end) struct tx tx = { 0 };
	struct known known = { 0 };
	bool runs = app->live_version && !app->is_stopped;
	int r = runs ? read_plan(d, app, &plan, e) : 0;

	if (!runs)
		jobs_stop(d, app->name);
	if (r >= 0)
		r = store_schedule_list(&d->store, app->name, &known.rows, &known.n, e);
	if (r >= 0)
		r = tx_begin(&tx, &d->store, e);
	if (r >= 0 && runs)
		r = add_all(d, app, &plan, &known, e);
	if (r >= 0)
		r = clean(d, app, &plan, &known, e);
	schedule_rows_free(known.rows, known.n);
	return r < 0 ? r : tx_commit(&tx, e);
}

void scheduler_load(struct daemon *d, const char *name)
{
	_cleanup_(app_row_done) struct app_row app = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *copy = xstrdup(name); /* it may be of a schedule that is forgotten here */

	forget(d, copy);
	if (store_app_get(&d->store, copy, &app, NULL) >= 0 && load(d, &app, &e) < 0)
		log_failure("the schedules of an app could not be read", copy, &e);
	arm(d);
}

int scheduler_begin(struct daemon *d, struct err **e)
{
	struct app_row *apps = NULL;
	size_t n = 0;
	int r = store_app_list(&d->store, &apps, &n, e);

	read_clock(d);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		_cleanup_(err_freep) struct err *why = NULL;

		if (load(d, &apps[i], &why) < 0)
			log_failure("the schedules of an app could not be read", apps[i].name, &why);
	}
	app_rows_free(apps, n);
	arm(d);
	return r;
}

void scheduler_done(struct daemon *d)
{
	forget(d, NULL);
	d->schedule_timer = sd_event_source_disable_unref(d->schedule_timer);
	jobs_done(d);
}

/* ---- requests ---- */

static int find(struct daemon *d, const struct request *rq, struct schedule **ret, struct err **e)
{
	const char *app = json_text(rq->args, "app"), *service = json_text(rq->args, "service");
	_cleanup_(app_row_done) struct app_row row = { 0 };

	if (!app || !service)
		return err_set(e, ERR_USAGE, "%s: needs 'app' and 'service'", json_text(rq->args, "op"));
	for (struct schedule *s = d->schedules; s; s = s->next)
		if (str_eq(s->app, app) && str_eq(s->service, service)) {
			*ret = s;
			return 0;
		}
	int r = store_app_get(&d->store, app, &row, e);

	if (r < 0)
		return r;
	if (row.is_stopped)
		return err_set(e, ERR_REFUSED,
			       "app '%s' is stopped, and its schedules with it: start it first", app);
	return err_set(e, ERR_REFUSED, "app '%s' has no schedule '%s': `slipway ps %s` lists them", app,
		       service, app);
}

int op_run_now(struct daemon *d, struct request *rq, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	struct schedule *s = NULL;
	struct instance *i = NULL;
	int r = find(d, rq, &s, e);

	if (r < 0)
		return r;
	if (d->is_ending)
		return err_set(e, ERR_MISSING, "slipwayd ends and starts nothing any more");
	i = s->allows_overlap ? NULL : job_find(d, s->app, s->service);
	if (i)
		return err_set(e, ERR_REFUSED,
			       "run %" PRId64 " of %s still goes on: wait for it, or set CRON_OVERLAP=allow",
			       i->row.run, s->service);
	if (is_stale(s))
		return err_set(e, -EBUSY, "a deployment of '%s' is under way: try again", s->app);
	r = tx_begin(&tx, &d->store, e);
	if (r >= 0)
		r = job_start(s, 0, &i, e);
	if (r >= 0)
		r = tx_commit(&tx, e);
	if (i)
		job_release(i, r >= 0);
	if (r < 0)
		return r;
	if (!i)
		return err_set(e, ERR_FAILED, "%s could not be started: see `slipway events %s`", s->service,
			       s->app);
	json_t *answer = json_object();

	json_put_num(answer, "run", i->row.run);
	json_put_num(answer, "ordinal", i->row.ordinal);
	request_answer(rq, answer);
	return 0;
}

static int suspend(struct daemon *d, struct request *rq, bool is_suspended, struct err **e)
{
	struct schedule *s = NULL;
	int r = find(d, rq, &s, e);

	if (r < 0)
		return r;
	assert(s); /* found */
	s->is_suspended = is_suspended;
	r = settle(s, 0, e);
	arm(d);
	if (r >= 0)
		request_answer(rq, NULL);
	return r;
}

int op_suspend(struct daemon *d, struct request *rq, struct err **e)
{
	return suspend(d, rq, true, e);
}

int op_resume(struct daemon *d, struct request *rq, struct err **e)
{
	return suspend(d, rq, false, e);
}
