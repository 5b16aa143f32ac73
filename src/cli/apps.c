/* Apps: listing them, one screen about one, and taking one away. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>

#include "base/clock.h"
#include "base/printable.h"
#include "base/proc.h"
#include "cli/cli-internal.h"
#include "plan/root.h"
#include "store/deployment.h"
#include "store/instance.h"
#include "store/release.h"

/* The instances of one app's live deployment within the list of all, which is sorted by app as the apps are.
 */
struct live {
	const struct instance_row *rows;
	size_t n;
	const char *boot;
};

/*
 * The supervisor sets pid to 0 when a process ends, so what is left to find out is whether there was a
 * supervisor: a signal 0 costs nothing beside reading /proc for each of a hundred apps. `ps` looks closer.
 */
static bool is_alive(const struct live *l, const struct instance_row *row)
{
	return row->pid > 0 && str_eq(row->boot, l->boot) &&
	       (kill((pid_t) row->pid, 0) == 0 || errno == EPERM);
}

static bool is_of(const struct app_row *app, const struct instance_row *row)
{
	return str_eq(row->app, app->name) && row->deployment == app->live_deployment && !row->is_stopping;
}

/* "running", "stopped", "down" (it should run and nothing does), "idle" (scaled to 0) or "not deployed". */
static const char *state_of(const struct app_row *app, const struct live *l)
{
	bool has_any = false;

	if (!app->live_version)
		return "not deployed";
	if (app->is_stopped)
		return "stopped";
	for (size_t i = 0; i < l->n; i++) {
		if (!is_of(app, &l->rows[i]))
			continue;
		if (is_alive(l, &l->rows[i]))
			return "running";
		has_any = true;
	}
	if (has_any)
		return "down";
	return app->serves_files ? "running" : "idle";
}

static json_t *services_of(const struct app_row *app, const struct live *l)
{
	json_t *all = json_array(), *service = NULL;
	const char *name = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct instance_row *row = &l->rows[i];

		if (!is_of(app, row))
			continue;
		if (!str_eq(name, row->service)) {
			name = row->service;
			service = json_object();
			json_put_text(service, "name", name);
			(void) json_array_append_new(all, service);
		}
		json_put_num(service, "instances", json_num(service, "instances", 0) + 1);
		json_put_num(service, "running", json_num(service, "running", 0) + is_alive(l, row));
	}
	return all;
}

static json_t *app_to_json(const struct app_row *app, const char *state, const struct live *l)
{
	json_t *j = json_object();

	json_put_text(j, "name", app->name);
	json_put_flag(j, "running", str_eq(state, "running"));
	json_put_text(j, "state", state);
	json_put_flag(j, "held", app->is_held);
	json_put_num(j, "version", app->live_version);
	(void) json_object_set_new(j, "services", services_of(app, l));
	json_put_text(j, "last_deployment_state", app->last_state);
	json_put_num(j, "created_at_s", app->created_at_s);
	return j;
}

static void add_app_row(struct columns *c, const struct app_row *app, const char *state, const struct live *l)
{
	_cleanup_(json_releasep) json_t *services = services_of(app, l);
	_cleanup_(freep) char *version = view_version(app->live_version),
			      *coloured = xasprintf("%s%s%s%s", view_colour(state), state, cli_reset(),
						    app->is_held ? ", held" : "");
	struct strb text = STRB(4096);
	const json_t *j;
	size_t i;

	json_array_foreach(services, i, j)(void)
		strb_addf(&text, "%s%s %" PRId64 "/%" PRId64, i ? ", " : "", json_text(j, "name"),
			  json_num(j, "running", 0), json_num(j, "instances", 0));
	_cleanup_(freep) char *counts = strb_take(&text);

	COLUMNS_ROW(c, app->name, coloured, version, *counts ? counts : "-",
		    app->last_state ? app->last_state : "-");
}

struct listing {
	struct app_row *apps;
	struct instance_row *instances;
	size_t n_apps, n_instances;
};

static void print_apps(struct cli *cli, const struct listing *all, bool is_long)
{
	_cleanup_(freep) char *boot = boot_id();
	_cleanup_(json_releasep) json_t *array = json_array();
	_cleanup_(columns_done) struct columns c = { 0 };
	size_t at = 0;

	COLUMNS_ROW(&c, "APP", "STATE", "RELEASE", "RUNNING", "LAST DEPLOYMENT");
	for (size_t i = 0; i < all->n_apps; i++) {
		const struct app_row *app = &all->apps[i];
		struct live l = { NULL, 0, boot };

		while (at < all->n_instances && strcmp(all->instances[at].app, app->name) < 0)
			at++;
		l.rows = &all->instances[at];
		for (; at < all->n_instances && str_eq(all->instances[at].app, app->name); at++)
			l.n++;
		const char *state = state_of(app, &l);

		if (cli->is_json)
			(void) json_array_append_new(array, app_to_json(app, state, &l));
		else if (is_long)
			add_app_row(&c, app, state, &l);
		else
			(void) printf("%c%s\n", str_eq(state, "running") ? '*' : ' ', app->name);
	}
	if (cli->is_json)
		json_print(array);
	else if (is_long)
		columns_print(&c);
}

/* What the caller may not read is not there for him. */
static void hide_apps(const struct cli *cli, struct listing *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n_apps; i++) {
		if (cli_may(cli, ROLE_READ, all->apps[i].name))
			all->apps[n++] = all->apps[i];
		else
			app_row_done(&all->apps[i]);
	}
	all->n_apps = n;
}

static int run_apps(struct cli *cli, char **argv UNUSED, struct err **e)
{
	bool is_long = cli_option(cli, "long") || isatty(STDOUT_FILENO);
	struct listing all = { 0 };
	int r = store_app_list(&cli->store, &all.apps, &all.n_apps, e);

	hide_apps(cli, &all);
	if (r >= 0)
		r = store_instance_list(&cli->store, NULL, &all.instances, &all.n_instances, e);
	if (r >= 0 && !all.n_apps && !cli->is_json)
		(void) puts("There are no applications deployed.");
	else if (r >= 0)
		print_apps(cli, &all, is_long);
	app_rows_free(all.apps, all.n_apps);
	instance_rows_free(all.instances, all.n_instances);
	return r;
}

/* status without an app: the daemon itself. */
static int host_status(struct cli *cli, struct err **e)
{
	_cleanup_(json_releasep) json_t *answer = NULL;
	_cleanup_(freep) char *uptime = NULL;
	int r = cli_require(cli, ROLE_ADMIN, NULL, e);

	if (r >= 0)
		r = cli_open_control(cli, e);
	if (r >= 0)
		r = control_call(&cli->control, "hello", NULL, &answer, e);
	if (r < 0)
		return r;
	if (cli->is_json) {
		(void) json_object_del(answer, "ok");
		json_print(answer);
		return 0;
	}
	uptime = duration_text(now_s() - json_num(answer, "started_at_s", now_s()));
	(void) printf("root       %s\n", cli->root);
	(void) printf("slipwayd   %s%srunning%s, version %s, pid %" PRId64 ", up %s\n", cli_bold(),
		      cli_green(), cli_reset(), json_text(answer, "version"), json_num(answer, "pid", 0),
		      uptime);
	(void) printf("instances  %" PRId64 " running\n", json_num(answer, "instances", 0));
	(void) printf("sandbox    %s\n", json_text(answer, "sandbox") ? json_text(answer, "sandbox") : "-");
	return 0;
}

static json_t *deployment_to_json(struct cli *cli, const struct deployment_row *d)
{
	_cleanup_(freep) char *log = root_deploy_log(cli->root, d->app, (long) d->id);
	json_t *j = json_object();

	json_put_num(j, "id", d->id);
	json_put_text(j, "kind", d->kind);
	json_put_text(j, "state", d->state);
	json_put_num(j, "version", d->version);
	json_put_text(j, "by", d->by);
	json_put_text(j, "error", d->error);
	json_put_num(j, "created_ms", d->created_ms);
	json_put_num(j, "ended_ms", d->ended_ms);
	json_put_text(j, "log", log);
	return j;
}

/* All that is known of one app, as one object; the screen is made from it. */
static int collect_status(struct cli *cli, json_t *j, struct err **e)
{
	_cleanup_(freep) char *boot = boot_id();
	struct instance_row *rows = NULL;
	struct deployment_row last = { 0 };
	struct release_row release = { 0 };
	size_t n = 0;
	int r = store_instance_list(&cli->store, cli->app.name, &rows, &n, e);

	if (r >= 0 && cli->app.live_version &&
	    store_release_get(&cli->store, cli->app.name, cli->app.live_version, &release, NULL) >= 0) {
		json_put_text(j, "commit", release.commit);
		json_put_text(j, "runtime", release.runtime);
		json_put_num(j, "released_at_s", release.created_at_s);
	}
	if (r >= 0) {
		struct live l = { rows, n, boot };
		const char *state = state_of(&cli->app, &l);

		json_put_text(j, "name", cli->app.name);
		json_put_flag(j, "running", str_eq(state, "running"));
		json_put_text(j, "state", state);
		json_put_flag(j, "held", cli->app.is_held);
		json_put_num(j, "version", cli->app.live_version);
		(void) json_object_set_new(j, "services", services_of(&cli->app, &l));
	}
	if (r >= 0 && cli->app.last_deployment)
		r = store_deployment_get(&cli->store, cli->app.last_deployment, &last, e);
	if (r >= 0 && last.id)
		(void) json_object_set_new(j, "last_deployment", deployment_to_json(cli, &last));
	instance_rows_free(rows, n);
	deployment_row_done(&last);
	release_row_done(&release);
	return r;
}

static void print_last(const json_t *d)
{
	const char *state = json_text(d, "state"), *error = json_text(d, "error"), *by = json_text(d, "by");
	int64_t ended = json_num(d, "ended_ms", 0);
	_cleanup_(freep) char *when = view_time((ended ? ended : json_num(d, "created_ms", 0)) / 1000);

	(void) printf("deployment %" PRId64 " (%s) %s%s%s, %s%s%s\n", json_num(d, "id", 0),
		      json_text(d, "kind"), view_colour(state), state, cli_reset(), when,
		      by ? ", asked for by " : "", by ? by : "");
	if (error) {
		_cleanup_(freep) char *text = printable_line(error);

		(void) printf("error      %s\n", text);
	}
	(void) printf("log        %s\n", json_text(d, "log"));
}

static void print_status(const json_t *j)
{
	const char *state = json_text(j, "state"), *commit = json_text(j, "commit"),
		   *runtime = json_text(j, "runtime");
	_cleanup_(freep) char *version = view_version(json_num(j, "version", 0)),
			      *when = view_time(json_num(j, "released_at_s", 0));
	const json_t *s, *last = json_object_get(j, "last_deployment");
	char short_name[9];
	size_t i;

	(void) printf("%s%s%s is %s%s%s\n", cli_bold(), json_text(j, "name"), cli_reset(), view_colour(state),
		      state, cli_reset());
	if (json_flag(j, "held", false))
		(void) puts("held       what is pushed is stored and not deployed until `slipway unhold`");
	if (json_num(j, "version", 0))
		(void) printf("release    %s, commit %s%s%s, made %s\n", version,
			      view_commit(commit, short_name), runtime ? ", " : "", runtime ? runtime : "",
			      when);
	json_array_foreach(json_object_get(j, "services"), i, s)(void)
		printf("%-10s %s: %" PRId64 " of %" PRId64 " running\n", i ? "" : "services",
		       json_text(s, "name"), json_num(s, "running", 0), json_num(s, "instances", 0));
	if (last)
		print_last(last);
}

static int app_status(struct cli *cli, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = json_object();
	int r = collect_status(cli, j, e);

	if (r < 0)
		return r;
	if (cli->is_json)
		json_print(j);
	else
		print_status(j);
	return 0;
}

static int run_status(struct cli *cli, char **argv, struct err **e)
{
	int r;

	if (!argv[0])
		return host_status(cli, e);
	r = cli_open_app(cli, &argv[0], e);
	return r < 0 ? r : app_status(cli, e);
}

/* Without a terminal nobody can be asked; then it has to be said. */
static int confirm(struct cli *cli, struct err **e)
{
	char answer[256] = "";

	if (cli_option(cli, "yes") || cli_option(cli, "force"))
		return 0;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(e, ERR_USAGE,
			       "destroy removes '%s', its repository, releases and settings: say --yes",
			       cli->app.name);
	(void) printf("This removes '%s', its repository, releases and settings%s.\nType its name to go on: ",
		      cli->app.name, cli_option(cli, "data") ? ", and its data" : "; its data stays");
	(void) fflush(stdout);
	if (!fgets(answer, sizeof answer, stdin))
		answer[0] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
	return str_eq(answer, cli->app.name)
		       ? 0
		       : err_set(e, ERR_FAILED, "that is not its name: nothing was removed");
}

static int run_destroy(struct cli *cli, char **argv UNUSED, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = json_object(), *args = json_object();
	int r = confirm(cli, e);

	if (r < 0)
		return r;
	json_put_flag(args, "data", cli_option(cli, "data") != NULL);
	json_put_text(j, "app", cli->app.name);
	json_put_text(j, "kind", "destroy");
	(void) json_object_set(j, "args", args);
	return follow_request(cli, j, e);
}

const struct command cmd_apps = {
	.words = "apps ls",
	.args = "",
	.summary = "list the apps; * marks those that run",
	.role = ROLE_READ,
	.group = "Apps",
	.needs = NEEDS_STORE | CLI_JSON,
	.run = run_apps,
	.options =
		(const struct option_def[]){
			{ 'l', "long", NULL, "the table, also when this is no terminal" }, { 0 } },
};

const struct command cmd_status = {
	.words = "status",
	.args = "[APP]",
	.summary = "one screen about an app, or about slipwayd",
	.details = "Without APP it fails with 5 when slipwayd does not run.",
	.role = ROLE_READ,
	.group = "Apps",
	.max_args = 1,
	.needs = NEEDS_ROOT | CLI_JSON,
	.run = run_status,
};

const struct command cmd_destroy = {
	.words = "destroy rm",
	.args = "APP",
	.summary = "remove an app, its repository, releases and settings",
	.details = "Data and cache stay unless --data is given. A copy of the settings is kept in backups/. "
		   "On a terminal\n"
		   "it asks for the app's name; elsewhere it wants --yes.",
	.group = "Apps",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP,
	.run = run_destroy,
	.options = (const struct option_def[]){ { 'y', "yes", NULL, "do not ask" },
						{ 'f', "force", NULL, "the same" },
						{ 0, "data", NULL, "remove its data and cache too" },
						{ 0, "no-wait", NULL,
						  "print the deployment's number and return" },
						{ 0 } },
};
