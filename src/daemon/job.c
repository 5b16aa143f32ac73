/* A run of a schedule is an instance with a record: started once, never again, its outcome kept. */
#include "daemon/job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/server.h"
#include "plan/root.h"
#include "store/run.h"

enum { DRAIN_MS = 5000 }; /* for a log keeper that is away */

struct run_waiter {
	struct run_waiter *next;
	int64_t run;
	struct request *rq;
};

struct instance *job_find(struct daemon *d, const char *app, const char *service)
{
	for (struct instance *i = d->instances; i; i = i->next)
		if (i->row.run && i->child.pid && str_eq(i->row.app, app) && str_eq(i->row.service, service))
			return i;
	return NULL;
}

void job_say(const struct instance *i, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL, *line = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	line = xasprintf("slipway: %s\n", text);
	if (i->log_fd >= 0)
		(void) !write(i->log_fd, line, strlen(line)); /* nobody waits for a full log */
}

/* ---- beginning ---- */

static unsigned free_ordinal(const struct schedule *s)
{
	unsigned ordinal = 1;

	for (const struct instance *i = s->d->instances; i;)
		if (i->row.ordinal == ordinal && str_eq(i->row.app, s->app) &&
		    str_eq(i->row.service, s->service)) {
			ordinal++;
			i = s->d->instances;
		} else {
			i = i->next;
		}
	return ordinal;
}

static int could_not_start(const struct schedule *s, int64_t run, struct err **why, struct err **e)
{
	_cleanup_(freep) char *text = err_text(*why),
			      *detail = xasprintf("%s could not be started: %s", s->service, text);

	log_failure("a scheduled run could not be started", s->app, why);
	daemon_event(s->d, s->app, "schedule", detail, "failed");
	return store_run_end(&s->d->store, run, "failed", -1, e);
}

int job_start(const struct schedule *s, int64_t scheduled_for_s, struct instance **ret, struct err **e)
{
	struct run_row run = { .app = s->app,
			       .service = s->service,
			       .version = s->version,
			       .scheduled_for_s = scheduled_for_s,
			       .started_at_s = now_s(),
			       .outcome = (char *) "running" };
	_cleanup_(err_freep) struct err *why = NULL;
	unsigned ordinal = free_ordinal(s);
	int r = store_run_add(&s->d->store, &run, e);

	*ret = NULL;
	if (r < 0)
		return r;
	struct instance *i = instance_new(s->d);

	i->row = (struct instance_row){ .app = xstrdup(s->app),
					.service = xstrdup(s->service),
					.deployment = s->deployment,
					.version = s->version,
					.ordinal = ordinal,
					.run = run.id };
	if (instance_launch(i, &why) >= 0) {
		*ret = i;
		return 0;
	}
	instance_free(i);
	return could_not_start(s, run.id, &why, e);
}

void job_release(struct instance *i, bool is_recorded)
{
	if (is_recorded)
		child_release(&i->child);
	else
		instance_free(i); /* its gate never opened: it ends */
}

int job_record(const struct schedule *s, int64_t scheduled_for_s, const char *outcome, struct err **e)
{
	int64_t now = now_s();
	struct run_row run = { .app = s->app,
			       .service = s->service,
			       .scheduled_for_s = scheduled_for_s,
			       .started_at_s = now,
			       .ended_at_s = now,
			       .outcome = (char *) outcome };

	return store_run_add(&s->d->store, &run, e);
}

/* ---- the end ---- */

static const char *outcome_of(const struct instance *i)
{
	if (i->outcome)
		return i->outcome;
	if (i->row.last_status < 0)
		return "unknown";
	return i->row.last_status == 0 ? "succeeded" : "failed";
}

/* `run-now` reads the log up to this line. */
static void say_end(const struct instance *i)
{
	const char *outcome = outcome_of(i);
	_cleanup_(freep) char *status = str_eq(outcome, "failed")
						? xasprintf(" with status %" PRId64, i->row.last_status)
						: xstrdup("");

	job_say(i, "run %" PRId64 " of %s: %s%s", i->row.run, i->row.service, outcome, status);
}

static void record_end(struct instance *i)
{
	_cleanup_(err_freep) struct err *e = NULL;

	if (store_run_end(&i->d->store, i->row.run, outcome_of(i), (int) i->row.last_status, &e) < 0)
		log_failure("the end of a scheduled run was not recorded", i->row.app, &e);
	say_end(i);
	i->kill_at_ms = monotonic_ms() + DRAIN_MS;
	i->is_recorded = true;
}

bool job_is_over(struct instance *i)
{
	int left = 0;

	if (!i->is_recorded)
		record_end(i);
	return i->log_fd < 0 || ioctl(i->log_fd, FIONREAD, &left) < 0 || left == 0 ||
	       monotonic_ms() >= i->kill_at_ms;
}

void jobs_stop(struct daemon *d, const char *app)
{
	for (struct instance *i = d->instances, *next; i; i = next) {
		next = i->next;
		if (i->row.run && str_eq(i->row.app, app))
			instance_stop(i);
	}
}

/* ---- who waits for it ---- */

static void answer(struct request *rq, const struct run_row *run)
{
	json_t *j = json_object();

	json_put_num(j, "run", run->id);
	json_put_text(j, "outcome", run->outcome);
	json_put_num(j, "exit_status", run->exit_status);
	request_answer(rq, j);
}

void job_tell(struct instance *i)
{
	struct run_row run = { .id = i->row.run,
			       .outcome = (char *) outcome_of(i),
			       .exit_status = i->row.last_status };
	struct run_waiter **at = &i->d->run_waiters;

	while (*at) {
		struct run_waiter *w = *at;

		if (w->run != run.id) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		answer(w->rq, &run);
		free(w);
	}
}

static bool is_known(const struct daemon *d, int64_t run)
{
	for (const struct instance *i = d->instances; i; i = i->next)
		if (i->row.run == run)
			return true;
	return false;
}

int op_run_wait(struct daemon *d, struct request *rq, struct err **e)
{
	_cleanup_(run_row_done) struct run_row run = { 0 };
	int64_t id = json_num(rq->args, "run", 0);
	int r = store_run_get(&d->store, id, &run, e);

	if (r < 0)
		return r;
	if (!is_known(d, id)) {
		answer(rq, &run);
		return 0;
	}
	struct run_waiter *w = xcalloc(1, sizeof *w);

	*w = (struct run_waiter){ d->run_waiters, id, rq };
	d->run_waiters = w;
	return 0;
}

void jobs_done(struct daemon *d)
{
	while (d->run_waiters) {
		struct run_waiter *w = d->run_waiters;

		d->run_waiters = w->next;
		free(w);
	}
}
