/* Schedules: when they run, what came of it, running one at once, and letting them rest. */
#include <fcntl.h>
#include <inttypes.h>

#include "base/clock.h"
#include "cli/cli-internal.h"
#include "cli/logs-internal.h"
#include "plan/plan.h"
#include "plan/root.h"
#include "store/run.h"

enum { STATUS_TIMED_OUT = 124 };

/* ---- what there is ---- */

static json_t *run_to_json(const struct run_row *run)
{
	json_t *j = json_object();

	json_put_num(j, "id", run->id);
	json_put_text(j, "service", run->service);
	json_put_text(j, "outcome", run->outcome);
	json_put_num(j, "exit_status", run->exit_status);
	json_put_num(j, "version", run->version);
	json_put_num(j, "scheduled_for_s", run->scheduled_for_s);
	json_put_num(j, "started_at_s", run->started_at_s);
	json_put_num(j, "ended_at_s", run->ended_at_s);
	return j;
}

static int schedule_to_json(struct cli *cli, const struct plan_service *s, const struct schedule_row *row,
			    json_t *all, struct err **e)
{
	json_t *j = json_object();
	struct run_row *last = NULL;
	size_t n = 0;
	int r = store_run_list(&cli->store, cli->app.name, s->name, 1, &last, &n, e);

	json_put_text(j, "service", s->name);
	json_put_text(j, "schedule", s->schedule);
	json_put_text(j, "state",
		      cli->app.is_stopped        ? "stopped"
		      : s->instances == 0        ? "off"
		      : row && row->is_suspended ? "suspended"
						 : "on");
	json_put_num(j, "next_at_s", row ? row->next_s : 0);
	if (n)
		(void) json_object_set_new(j, "last_run", run_to_json(&last[0]));
	run_rows_free(last, n);
	(void) json_array_append_new(all, j);
	return r;
}

int view_schedules(struct cli *cli, const struct plan *p, json_t **ret, struct err **e)
{
	_cleanup_(json_releasep) json_t *all = json_array();
	struct schedule_row *rows = NULL;
	size_t n = 0;
	int r = store_schedule_list(&cli->store, cli->app.name, &rows, &n, e);

	for (size_t i = 0; r >= 0 && i < p->n_services; i++) {
		const struct schedule_row *row = NULL;

		if (p->services[i].kind != SERVICE_CRON)
			continue;
		for (size_t k = 0; k < n; k++)
			if (str_eq(rows[k].service, p->services[i].name))
				row = &rows[k];
		r = schedule_to_json(cli, &p->services[i], row, all, e);
	}
	schedule_rows_free(rows, n);
	if (r >= 0)
		*ret = TAKE(all);
	return r;
}

/* "succeeded", "failed (3)" */
static char *outcome_text(const json_t *run)
{
	const char *outcome = json_text(run, "outcome");

	if (str_eq(outcome, "failed"))
		return xasprintf("failed (%" PRId64 ")", json_num(run, "exit_status", 0));
	return xstrdup(outcome ? outcome : "-");
}

static char *time_or_dash(int64_t at_s)
{
	return at_s ? time_text(at_s) : xstrdup("-");
}

void view_print_schedules(const json_t *schedules)
{
	_cleanup_(columns_done) struct columns c = { 0 };
	const json_t *j;
	size_t i;

	COLUMNS_ROW(&c, "SCHEDULE", "TIME", "STATE", "NEXT RUN", "LAST RUN", "RESULT");
	json_array_foreach(schedules, i, j)
	{
		const json_t *last = json_object_get(j, "last_run");
		_cleanup_(freep) char *next = time_or_dash(json_num(j, "next_at_s", 0)),
				      *at = time_or_dash(json_num(last, "started_at_s", 0)),
				      *outcome = outcome_text(last);

		COLUMNS_ROW(&c, json_text(j, "service"), json_text(j, "schedule"), json_text(j, "state"),
			    next, at, outcome);
	}
	(void) putchar('\n');
	columns_print(&c);
}

static void print_runs(const json_t *runs)
{
	_cleanup_(columns_done) struct columns c = { 0 };
	const json_t *j;
	size_t i;

	COLUMNS_ROW(&c, "RUN", "SCHEDULE", "DUE", "STARTED", "TOOK", "RELEASE", "RESULT");
	json_array_foreach(runs, i, j)
	{
		int64_t started = json_num(j, "started_at_s", 0), ended = json_num(j, "ended_at_s", 0),
			due = json_num(j, "scheduled_for_s", 0), version = json_num(j, "version", 0);
		_cleanup_(freep) char *id = xasprintf("%" PRId64, json_num(j, "id", 0)),
				      *due_text = due ? time_text(due) : xstrdup("run-now"),
				      *at = version ? time_text(started) : xstrdup("-"),
				      *took = version && ended ? duration_text(ended - started)
							       : xstrdup("-"),
				      *release = view_version(version), *outcome = outcome_text(j);

		COLUMNS_ROW(&c, id, json_text(j, "service"), due_text, at, took, release, outcome);
	}
	columns_print(&c);
}

static int run_runs(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(json_releasep) json_t *all = json_array();
	struct run_row *rows = NULL;
	size_t n = 0;
	long lines;
	int r = option_number(cli, "lines", 20, &lines, e);

	if (r >= 0)
		r = store_run_list(&cli->store, cli->app.name, argv[1], (unsigned) lines, &rows, &n, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		(void) json_array_append_new(all, run_to_json(&rows[i]));
	run_rows_free(rows, n);
	if (cli->is_json)
		json_print(all);
	else if (n)
		print_runs(all);
	else
		(void) printf("No schedule of '%s' has run yet.\n", cli->app.name);
	return 0;
}

/* ---- asking for something ---- */

static json_t *arguments(const struct cli *cli, const char *service)
{
	json_t *args = json_object();

	json_put_text(args, "app", cli->app.name);
	json_put_text(args, "service", service);
	return args;
}

/* What was in the logs before the run began is not its own. */
static int skip_to_end(struct logs *l, struct err **e)
{
	int r = logs_find(l, e);

	for (size_t i = 0; r >= 0 && i < l->n; i++) {
		l->files[i].fd = open(l->files[i].path, O_RDONLY | O_CLOEXEC);
		if (l->files[i].fd >= 0)
			(void) lseek(l->files[i].fd, 0, SEEK_END);
	}
	return r;
}

static int exit_status_of(const json_t *answer)
{
	const char *outcome = json_text(answer, "outcome");
	int64_t status = json_num(answer, "exit_status", 1);

	if (str_eq(outcome, "timed out"))
		return STATUS_TIMED_OUT;
	if (str_eq(outcome, "succeeded"))
		return 0;
	return str_eq(outcome, "failed") && status > 0 ? (int) status : 1;
}

static void report(const json_t *answer, const char *service)
{
	_cleanup_(freep) char *outcome = outcome_text(answer);

	if (exit_status_of(answer) == 0)
		return;
	(void) fflush(stdout);
	(void) fprintf(stderr, "slipway: run %" PRId64 " of %s: %s\n", json_num(answer, "run", 0), service,
		       outcome);
}

static int follow_run(struct cli *cli, struct logs *l, const json_t *started, const char *service,
		      struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_object();
	_cleanup_(freep) char *name = xasprintf("%s.%" PRId64, service, json_num(started, "ordinal", 1)),
			      *until = xasprintf("slipway: run %" PRId64 " of %s: ",
						 json_num(started, "run", 0), service);

	json_put_num(args, "run", json_num(started, "run", 0));
	l->pattern = name;
	l->until = until;
	logs_keep_wanted(l);
	int r = control_send(&cli->control, "run-wait", args, e);

	return r < 0 ? r : logs_follow(l, e);
}

static int run_now(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = arguments(cli, argv[1]), *started = NULL;
	_cleanup_(logs_done) struct logs l = {
		.cli = cli, .pattern = argv[1], .is_bare = true, .control = &cli->control
	};
	int r = cli_open_control(cli, e);

	l.dir = root_path(cli->root, "logs/%s", cli->app.name);
	if (r >= 0)
		r = skip_to_end(&l, e);
	if (r >= 0)
		r = control_call(&cli->control, "run-now", args, &started, e);
	if (r < 0)
		return r;
	if (cli_option(cli, "no-wait")) {
		(void) printf("%" PRId64 "\n", json_num(started, "run", 0));
		return 0;
	}
	r = follow_run(cli, &l, started, argv[1], e);
	if (r < 0)
		return r;
	if (!l.answer)
		return err_set(e, ERR_FAILED,
			       "run %" PRId64 " of %s goes on without us: see `slipway runs %s`",
			       json_num(started, "run", 0), argv[1], cli->app.name);
	report(l.answer, argv[1]);
	return exit_status_of(l.answer);
}

static int change(struct cli *cli, const char *op, const char *service, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = arguments(cli, service);
	int r = cli_open_control(cli, e);

	return r < 0 ? r : control_call(&cli->control, op, args, NULL, e);
}

static int run_suspend(struct cli *cli, char **argv, struct err **e)
{
	return change(cli, "suspend", argv[1], e);
}

static int run_resume(struct cli *cli, char **argv, struct err **e)
{
	return change(cli, "resume", argv[1], e);
}

const struct command cmd_runs = {
	.words = "runs",
	.args = "APP [SERVICE]",
	.summary = "list the runs of schedules, newest first",
	.details =
		"A run that was due and did not begin is listed too: skipped (the one before still went on) "
		"or missed\n"
		"(slipwayd did not run). Their output is in `slipway logs APP SERVICE`.",
	.role = ROLE_READ,
	.group = "Schedules",
	.min_args = 1,
	.max_args = 2,
	.needs = NEEDS_APP | CLI_JSON,
	.run = run_runs,
	.options = (const struct option_def[]){ { 'n', "lines", "N", "the last N (20)" }, { 0 } },
};

const struct command cmd_run_now = {
	.words = "run-now",
	.args = "APP SERVICE",
	.summary = "run a schedule at once and follow it to its end",
	.details = "Exits with the status of its command (124: it timed out). Leaving here does not stop it.",
	.role = ROLE_DEPLOY,
	.group = "Schedules",
	.min_args = 2,
	.max_args = 2,
	.needs = NEEDS_APP,
	.run = run_now,
	.options = (const struct option_def[]){ { 0, "no-wait", NULL, "print the run's number and return" },
						{ 0 } },
};

const struct command cmd_suspend = {
	.words = "suspend",
	.args = "APP SERVICE",
	.summary = "let a schedule rest until `resume`",
	.details = "A run that goes on is not stopped; `run-now` still works. It outlasts deployments.",
	.role = ROLE_DEPLOY,
	.group = "Schedules",
	.min_args = 2,
	.max_args = 2,
	.needs = NEEDS_APP,
	.run = run_suspend,
};

const struct command cmd_resume = {
	.words = "resume",
	.args = "APP SERVICE",
	.summary = "let a suspended schedule run again, from its next time on",
	.role = ROLE_DEPLOY,
	.group = "Schedules",
	.min_args = 2,
	.max_args = 2,
	.needs = NEEDS_APP,
	.run = run_resume,
};
