/* What happened: releases, deployments, events. */
#include <inttypes.h>

#include "base/clock.h"
#include "cli/cli-internal.h"
#include "plan/name.h"
#include "plan/root.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/release.h"

static char *coloured(const char *state)
{
	return xasprintf("%s%s%s", view_colour(state), state, cli_reset());
}

static void print_releases(const struct release_row *rows, size_t n)
{
	_cleanup_(columns_done) struct columns c = { 0 };

	COLUMNS_ROW(&c, "RELEASE", "STATE", "COMMIT", "RUNTIME", "BY", "MADE");
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *version = view_version(rows[i].version),
				      *made = view_time(rows[i].created_at_s),
				      *state = coloured(rows[i].state);
		char commit[9];

		COLUMNS_ROW(&c, version, state, view_commit(rows[i].commit, commit),
			    rows[i].runtime ? rows[i].runtime : "-", rows[i].by ? rows[i].by : "-", made);
	}
	columns_print(&c);
}

static void print_releases_json(const struct release_row *rows, size_t n)
{
	_cleanup_(json_releasep) json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *j = json_object();

		json_put_num(j, "version", rows[i].version);
		json_put_text(j, "state", rows[i].state);
		json_put_text(j, "commit", rows[i].commit);
		json_put_text(j, "runtime", rows[i].runtime);
		json_put_text(j, "by", rows[i].by);
		json_put_num(j, "created_at_s", rows[i].created_at_s);
		(void) json_array_append_new(all, j);
	}
	json_print(all);
}

static int run_releases(struct cli *cli, char **argv UNUSED, struct err **e)
{
	struct release_row *rows = NULL;
	size_t n = 0;
	int r = store_release_list(&cli->store, cli->app.name, &rows, &n, e);

	if (r < 0)
		return r;
	if (cli->is_json)
		print_releases_json(rows, n);
	else if (n)
		print_releases(rows, n);
	else
		(void) printf("App '%s' has no releases yet.\n", cli->app.name);
	release_rows_free(rows, n);
	return 0;
}

static char *took(const struct deployment_row *d)
{
	if (!d->ended_ms || !d->started_ms)
		return xstrdup("-");
	return xasprintf("%" PRId64 ".%02" PRId64 " s", (d->ended_ms - d->started_ms) / 1000,
			 (d->ended_ms - d->started_ms) % 1000 / 10);
}

static void print_deployments(const struct deployment_row *rows, size_t n)
{
	_cleanup_(columns_done) struct columns c = { 0 };

	COLUMNS_ROW(&c, "ID", "KIND", "STATE", "RELEASE", "COMMIT", "BY", "ASKED", "TOOK", "ERROR");
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *id = xasprintf("%" PRId64, rows[i].id),
				      *version = view_version(rows[i].version),
				      *asked = view_time(rows[i].created_ms / 1000), *time = took(&rows[i]),
				      *state = coloured(rows[i].state);
		char commit[9];

		COLUMNS_ROW(&c, id, rows[i].kind, state, version, view_commit(rows[i].commit, commit),
			    rows[i].by ? rows[i].by : "-", asked, time, rows[i].error ? rows[i].error : "");
	}
	columns_print(&c);
}

static void print_deployments_json(struct cli *cli, const struct deployment_row *rows, size_t n)
{
	_cleanup_(json_releasep) json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *log = root_deploy_log(cli->root, rows[i].app, (long) rows[i].id);
		json_t *j = json_object();

		json_put_num(j, "id", rows[i].id);
		json_put_text(j, "kind", rows[i].kind);
		json_put_text(j, "state", rows[i].state);
		json_put_num(j, "version", rows[i].version);
		json_put_num(j, "from_version", rows[i].from_version);
		json_put_text(j, "commit", rows[i].commit);
		json_put_text(j, "ref", rows[i].ref);
		json_put_text(j, "by", rows[i].by);
		json_put_text(j, "step", rows[i].step);
		json_put_text(j, "error", rows[i].error);
		json_put_num(j, "exit_status", rows[i].exit_status);
		json_put_num(j, "superseded_by", rows[i].superseded_by);
		json_put_num(j, "created_ms", rows[i].created_ms);
		json_put_num(j, "started_ms", rows[i].started_ms);
		json_put_num(j, "ended_ms", rows[i].ended_ms);
		json_put_text(j, "log", log);
		(void) json_array_append_new(all, j);
	}
	json_print(all);
}

static int run_deployments(struct cli *cli, char **argv UNUSED, struct err **e)
{
	struct deployment_row *rows = NULL;
	size_t n = 0;
	long limit;
	int r = option_number(cli, "lines", 20, &limit, e);

	if (r >= 0)
		r = store_deployment_list(&cli->store, cli->app.name, (unsigned) limit, &rows, &n, e);
	if (r < 0)
		return r;
	if (cli->is_json)
		print_deployments_json(cli, rows, n);
	else if (n)
		print_deployments(rows, n);
	else
		(void) printf("App '%s' was never deployed.\n", cli->app.name);
	deployment_rows_free(rows, n);
	return 0;
}

/* As in a log, the newest comes last. */
static void print_events(const struct event_row *rows, size_t n)
{
	_cleanup_(columns_done) struct columns c = { 0 };

	COLUMNS_ROW(&c, "TIME", "APP", "WHO", "WHAT", "RESULT", "DETAIL");
	for (size_t i = n; i-- > 0;) {
		_cleanup_(freep) char *at = view_time(rows[i].at_s);

		COLUMNS_ROW(&c, at, rows[i].app ? rows[i].app : "-", rows[i].who ? rows[i].who : "-",
			    rows[i].what, rows[i].result ? rows[i].result : "-",
			    rows[i].detail ? rows[i].detail : "");
	}
	columns_print(&c);
}

static void print_events_json(const struct event_row *rows, size_t n)
{
	_cleanup_(json_releasep) json_t *all = json_array();

	for (size_t i = n; i-- > 0;) {
		json_t *j = json_object();

		json_put_num(j, "id", rows[i].id);
		json_put_num(j, "at_s", rows[i].at_s);
		json_put_text(j, "app", rows[i].app);
		json_put_text(j, "who", rows[i].who);
		json_put_text(j, "what", rows[i].what);
		json_put_text(j, "detail", rows[i].detail);
		json_put_text(j, "result", rows[i].result);
		(void) json_array_append_new(all, j);
	}
	json_print(all);
}

/* Of all events the newest that the caller may know of. */
static size_t hide_events(const struct cli *cli, struct event_row *rows, size_t n, size_t limit)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool is_known =
			rows[i].app ? cli_may(cli, ROLE_READ, rows[i].app) : cli_may(cli, ROLE_ADMIN, NULL);

		if (is_known && kept < limit)
			rows[kept++] = rows[i];
		else
			event_row_done(&rows[i]);
	}
	return kept;
}

/* Not NEEDS_APP: what happened to an app can be asked when it is gone. */
static int run_events(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(freep) char *app = NULL;
	struct event_row *rows = NULL;
	size_t n = 0;
	long limit;
	int r = option_number(cli, "lines", 20, &limit, e);

	if (r >= 0 && argv[0])
		r = app_name_read(&app, argv[0], e);
	if (r >= 0 && app)
		r = cli_require(cli, ROLE_READ, app, e);
	if (r >= 0)
		r = store_event_list(&cli->store, app, cli_may(cli, ROLE_ADMIN, NULL) ? (unsigned) limit : 0,
				     0, &rows, &n, e);
	n = hide_events(cli, rows, n, (size_t) limit);
	if (r >= 0 && app && n == 0)
		r = cli_open_app(cli, &argv[0], e);
	if (r < 0)
		return r;
	if (cli->is_json)
		print_events_json(rows, n);
	else if (n)
		print_events(rows, n);
	else
		(void) puts("No events yet.");
	event_rows_free(rows, n);
	return 0;
}

static const struct option_def lines[] = { { 'n', "lines", "N", "at most N, the newest (20)" }, { 0 } };

const struct command cmd_releases = {
	.words = "releases",
	.args = "APP",
	.summary = "list the releases that are kept",
	.role = ROLE_READ,
	.group = "Deployments",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP | CLI_JSON,
	.run = run_releases,
};

const struct command cmd_deployments = {
	.words = "deployments",
	.args = "APP",
	.summary = "list deployments with their outcome, the newest first",
	.role = ROLE_READ,
	.group = "Deployments",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP | CLI_JSON,
	.run = run_deployments,
	.options = lines,
};

const struct command cmd_events = {
	.words = "events",
	.args = "[APP]",
	.summary = "who did what, when, with what result",
	.role = ROLE_READ,
	.group = "Deployments",
	.min_args = 0,
	.max_args = 1,
	.needs = NEEDS_STORE | CLI_JSON,
	.run = run_events,
	.options = lines,
};
