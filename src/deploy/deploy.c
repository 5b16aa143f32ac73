/* Runs the steps of one deployment, journalled, and undoes them in reverse when one fails. */
#include "deploy/deploy.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/log.h"
#include "deploy/deploy-internal.h"
#include "plan/room.h"
#include "store/event.h"

static const struct step deploy_steps[] = {
	{ "fetch", step_fetch, undo_fetch },    { "plan", step_plan, NULL },
	{ "build", step_build, undo_build },    { "stage", step_stage, NULL },
	{ "start", step_start, undo_start },    { "check", step_check, NULL },
	{ "switch", step_switch, undo_switch }, { "record", step_record, NULL },
	{ "retire", step_retire, NULL },        { NULL },
};

/* A release that is there already: rolled back to, restarted or started. */
static const struct step activate_steps[] = {
	{ "plan", step_load, NULL },
	{ "start", step_start, undo_start },
	{ "check", step_check, NULL },
	{ "switch", step_switch, undo_switch },
	{ "record", step_record, NULL },
	{ "retire", step_retire, NULL },
	{ NULL },
};

static const struct step scale_steps[] = {
	{ "plan", step_scale_load, NULL },
	{ "start", step_start, undo_scale },
	{ "check", step_check, NULL },
	{ "switch", step_scale_switch, undo_scale_switch },
	{ NULL },
};

static const struct step stop_steps[] = { { "switch", step_stop, NULL }, { NULL } };
static const struct step destroy_steps[] = { { "switch", step_destroy, NULL }, { NULL } };

static const struct deploy_kind kinds[] = {
	{ "deploy", "Deploying", deploy_steps },     { "rollback", "Rolling back", activate_steps },
	{ "restart", "Restarting", activate_steps }, { "start", "Starting", activate_steps },
	{ "scale", "Scaling", scale_steps },         { "stop", "Stopping", stop_steps },
	{ "destroy", "Destroying", destroy_steps },
};

const struct deploy_kind *deploy_kind_find(const char *name)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_eq(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/* PIKU_AUTO_RESTART=false: the release is built and recorded, what runs is left alone. */
static bool is_wanted(const struct deploy *d, const struct step *s)
{
	static const char *const activation[] = { "start", "check", "switch", "retire" };

	for (size_t i = 0; !d->is_activated && i < COUNT(activation); i++)
		if (str_eq(activation[i], s->name))
			return false;
	return true;
}

/* The end of one step and the beginning of the next are one record: each costs a write to the disk. */
static int begin_step(struct deploy *d, const struct step *s, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r = tx_begin(&tx, &d->store, e);

	if (r >= 0 && d->done_step)
		r = store_step_end(&d->store, d->row.id, d->done_step, "done", e);
	if (r >= 0)
		r = store_step_begin(&d->store, d->row.id, s->name, e);
	if (r >= 0)
		r = tx_commit(&tx, e);
	if (r >= 0)
		d->done_step = NULL;
	return r;
}

static int run_step(struct deploy *d, const struct step *s, struct err **e)
{
	int64_t began = monotonic_ms();
	int r = begin_step(d, s, e);

	if (r < 0)
		return r;
	crash_point("%s.begin", s->name);
	r = s->run(d, e);
	if (r < 0)
		return r;
	crash_point("%s.end", s->name);
	d->done_step = s->name;
	report_step(d, s->name, monotonic_ms() - began);
	return 0;
}

/* Without the daemon nothing can be undone. One that was started again has adopted this deployment, and is
 * asked what the one before did not answer (control_call()). */
static int find_daemon(struct deploy *d, struct err **e)
{
	return control_call(&d->control, "hello", NULL, NULL, e);
}

/* Undoes the first n steps, last first. What cannot be undone is said and the rest goes on; but what a full
 * disk or the absence of the daemon is in the way of is done later, in the same order. */
static int undo_steps(struct deploy *d, size_t n, struct err **error)
{
	for (size_t i = n; i-- > 0;) {
		const struct step *s = &d->kind->steps[i];
		_cleanup_(err_freep) struct err *e = NULL;

		crash_point("undo-%s.begin", s->name);
		int r = s->undo ? s->undo(d, &e) : 0;

		if (r < 0) {
			_cleanup_(freep) char *why = err_text(e);

			if (err_is_temporary(r))
				return err_set(error, r, "undoing %s: %s", s->name, why);
			if (find_daemon(d, NULL) < 0)
				return err_set(error, ERR_MISSING, "undoing %s: %s", s->name, why);
			say_warning("undoing %s: %s", s->name, why);
			continue;
		}
		crash_point("undo-%s.end", s->name);
		(void) store_step_end(&d->store, d->row.id, s->name, "undone", NULL);
	}
	return 0;
}

static int end(struct deploy *d, const char *state, const char *error, int status, struct err **e)
{
	_cleanup_(freep) char *detail = NULL;
	/* Also of `destroy`: the row outlives its app for whoever waits for the outcome (store_app_remove()).
	 */
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r = tx_begin(&tx, &d->store, e);

	if (d->version)
		detail = xasprintf("v%ld%s%s", d->version, error ? ": " : "", error ? error : "");
	else if (error)
		detail = xstrdup(error);
	(void) fflush(stdout);
	crash_point("outcome.begin");
	if (r >= 0 && d->done_step)
		r = store_step_end(&d->store, d->row.id, d->done_step, "done", e);
	if (r >= 0)
		r = store_deployment_end(&d->store, d->row.id, state, error, status, e);
	if (r >= 0)
		(void) store_event_add(&d->store, d->row.app, d->row.by, d->row.kind, detail, state, NULL);
	crash_point("outcome.middle");
	if (r >= 0)
		r = tx_commit(&tx, e);
	crash_point("outcome.end");
	return r < 0 ? r : status;
}

static size_t step_number(const struct deploy *d, const char *name)
{
	size_t i = 0;

	while (d->kind->steps[i].name && !str_eq(d->kind->steps[i].name, name))
		i++;
	return i;
}

/* In the journal, also when not even its begin is there. */
static int mark_failed(struct deploy *d, const char *step, struct err **e)
{
	_cleanup_(err_freep) struct err *why = NULL;
	int r = store_step_end(&d->store, d->row.id, step, "failed", &why);

	if (r == ERR_NOT_FOUND) {
		r = store_step_begin(&d->store, d->row.id, step, e);
		return r < 0 ? r : store_step_end(&d->store, d->row.id, step, "failed", e);
	}
	return r < 0 ? err_set(e, r, "%s", why->msg) : 0;
}

static int fail(struct deploy *d, size_t at, const struct err *why, struct err **e)
{
	if (find_daemon(d, e) < 0) {
		say_warning("slipwayd has gone; when it is back it finishes or undoes this deployment");
		return err_wrap(e, ERR_MISSING, "deployment %lld waits for slipwayd", (long long) d->row.id);
	}
	const char *step = d->kind->steps[at].name;
	_cleanup_(freep) char *text = err_text(why), *error = xasprintf("%s: %s", step, text);
	int status = err_exit_status(why ? why->code : 0);

	d->done_step = NULL; /* what it did is undone now */
	int r = mark_failed(d, step, e);
	if (r < 0 && at >= step_number(d, "switch"))
		return r; /* a repair that does not know that it failed would finish what was undone */
	r = undo_steps(d, at + 1, e);
	if (r < 0) {
		say_warning(
			"%s failed (%s), and not all could be undone yet: slipwayd goes on as soon as it can",
			step, text);
		return r;
	}
	report_failure(d, step, why, d->is_touched);
	return d->is_touched ? end(d, "rolled back", error, 6, e) : end(d, "failed", error, status, e);
}

/* What fails once the release is on record as the live one changes nothing about that. */
static int fail_after_record(struct deploy *d, const struct step *s, int r, const struct err *why,
			     struct err **e)
{
	_cleanup_(freep) char *text = err_text(why);

	if (err_is_temporary(r))
		return err_set(e, r, "%s: %s", s->name, text);
	if (find_daemon(d, e) < 0)
		return err_wrap(e, ERR_MISSING, "deployment %lld waits for slipwayd", (long long) d->row.id);
	say_warning("%s: %s", s->name, text);
	return 0;
}

/* Runs the steps from number `from` on. */
static int run_from(struct deploy *d, size_t from, struct err **e)
{
	int64_t began = monotonic_ms();

	for (size_t i = from; d->kind->steps[i].name; i++) {
		const struct step *s = &d->kind->steps[i];
		_cleanup_(err_freep) struct err *why = NULL;
		int r = is_wanted(d, s) ? run_step(d, s, &why) : 0;

		if (r >= 0)
			continue;
		(void) room_explain(d->root, r, &why);
		if (i <= step_number(d, "record"))
			return fail(d, i, why, e);
		r = fail_after_record(d, s, r, why, e);
		if (r < 0)
			return r;
	}
	report_success(d, monotonic_ms() - began);
	return end(d, "succeeded", NULL, 0, e);
}

int deploy_run(const char *root, int64_t id, struct err **e)
{
	_cleanup_(deploy_done) struct deploy d = { .src_fd = -1 };
	int r;

	(void) setvbuf(stdout, NULL, _IOLBF, 0);
	r = deploy_load(&d, root, id, e);
	if (r >= 0)
		r = store_deployment_begin(&d.store, id, getpid(), (int64_t) proc_start_time(getpid()), e);
	if (r < 0)
		return r;
	report_begin(&d);
	return run_from(&d, 0, e);
}

/* How far a dead deployment had come: the number of steps that began; *done: the first that did not end. */
static size_t steps_begun(const struct deploy *d, const struct step_row *rows, size_t n, size_t *open)
{
	size_t begun = 0;

	*open = 0;
	for (size_t i = 0; d->kind->steps[i].name; i++) {
		for (size_t k = 0; k < n; k++) {
			if (!str_eq(rows[k].name, d->kind->steps[i].name))
				continue;
			begun = i + 1;
			*open = str_eq(rows[k].outcome, "done") ? i + 1 : i;
		}
	}
	return begun;
}

/* It was being undone already. */
static bool any_failed(const struct step_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(rows[i].outcome, "failed") || str_eq(rows[i].outcome, "undone"))
			return true;
	return false;
}

/* What the steps that are done already had found. */
static int load_again(struct deploy *d, struct err **e)
{
	int r = 0;

	if (str_eq(d->row.kind, "scale"))
		return step_scale_load(d, e);
	if (d->version)
		r = deploy_read_release(d, e);
	if (str_eq(d->row.kind, "deploy"))
		d->is_activated = d->plan.is_auto_restart || !d->row.from_deployment;
	return r < 0 || !d->plan.app ? r : targets_plan(d, e);
}

int deploy_repair(const char *root, int64_t id, struct err **e)
{
	_cleanup_(deploy_done) struct deploy d = { .src_fd = -1 };
	_cleanup_(err_freep) struct err *why = NULL;
	struct step_row *rows = NULL;
	size_t n = 0, begun, open;
	int r;

	(void) setvbuf(stdout, NULL, _IOLBF, 0);
	d.is_repair = true;
	r = deploy_load(&d, root, id, e);
	if (r >= 0)
		r = store_step_list(&d.store, id, &rows, &n, e);
	if (r >= 0)
		r = store_deployment_begin(&d.store, id, getpid(), (int64_t) proc_start_time(getpid()), e);
	if (r < 0) {
		step_rows_free(rows, n);
		return r;
	}
	crash_point("repair.begin");
	begun = steps_begun(&d, rows, n, &open);
	bool has_failed = any_failed(rows, n);

	step_rows_free(rows, n);
	if (begun > step_number(&d, "switch") && !has_failed) {
		say("deployment %lld was interrupted: finishing it", (long long) id);
		r = load_again(&d, &why);
		if (r >= 0)
			return run_from(&d, open, e);
		return fail(&d, begun - 1, why, e);
	}
	say("deployment %lld was interrupted: undoing it", (long long) id);
	if (begun > 0 && d.version)
		(void) deploy_read_release(&d, NULL);
	(void) err_set(&why, ERR_FAILED,
		       has_failed ? "it failed, and could not be undone at once: see its log"
				  : "interrupted: its process died");
	if (begun == 0) {
		report_failure(&d, "fetch", why, false);
		return end(&d, "failed", why->msg, 1, e);
	}
	return fail(&d, begun - 1, why, e);
}
