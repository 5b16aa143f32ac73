/* Instances: what is wanted, what runs, and changing how many. */
#include <inttypes.h>

#include "base/clock.h"
#include "cli/cli-internal.h"
#include "plan/plan.h"

enum { MAX_INSTANCES = 500 };

/* "memory=256M (rlimit) cpu=0.5 (nothing)": each with what enforces it. */
static char *limits_of(const json_t *j)
{
	const json_t *all = json_object_get(j, "limits");
	struct strb text = STRB(4096);

	for (enum limit k = 0; k < LIMIT_COUNT; k++) {
		const json_t *one = json_object_get(all, limit_name(k));
		_cleanup_(freep) char *max = limit_text(k, (uint64_t) json_num(one, "max", 0));

		if (one)
			(void) strb_addf(&text, "%s%s=%s (%s)", text.len ? " " : "", limit_name(k), max,
					 json_text(one, "by"));
	}
	return strb_take(&text);
}

static void print_instance(struct columns *c, const json_t *j, bool has_limits)
{
	const char *state = json_text(j, "state"), *sandbox = json_text(j, "sandbox");
	int64_t pid = json_num(j, "pid", 0), port = json_num(j, "port", 0),
		since = json_num(j, "started_at_s", 0);
	_cleanup_(freep) char *name = xasprintf("%s.%" PRId64, json_text(j, "service"),
						json_num(j, "ordinal", 0)),
			      *coloured = xasprintf("%s%s%s", view_colour(state), state ? state : "?",
						    cli_reset()),
			      *pid_text = pid ? xasprintf("%" PRId64, pid) : xstrdup("-"),
			      *port_text = port ? xasprintf("%" PRId64, port) : xstrdup("-"),
			      *version = view_version(json_num(j, "version", 0)),
			      *restarts = xasprintf("%" PRId64, json_num(j, "restarts", 0)),
			      *uptime = pid && since ? duration_text(now_s() - since) : xstrdup("-");

	_cleanup_(freep) char *limits = limits_of(j);

	COLUMNS_ROW(c, name, coloured, pid_text, port_text, version, restarts, uptime,
		    sandbox ? sandbox : "-", has_limits ? limits : NULL);
}

static void print_last_ends(const json_t *instances)
{
	const json_t *j;
	size_t i;

	json_array_foreach(instances, i, j) if (json_text(j, "last_end"))(void)
		printf("%s.%" PRId64 " was last ended: %s\n", json_text(j, "service"),
		       json_num(j, "ordinal", 0), json_text(j, "last_end"));
}

static void print_instances(const json_t *instances)
{
	_cleanup_(columns_done) struct columns c = { 0 };
	bool has_limits = false;
	const json_t *j;
	size_t i;

	json_array_foreach(instances, i, j) has_limits |= json_object_size(json_object_get(j, "limits")) > 0;

	COLUMNS_ROW(&c, "INSTANCE", "STATE", "PID", "PORT", "RELEASE", "RESTARTS", "UPTIME", "SANDBOX",
		    has_limits ? "LIMITS" : NULL);
	json_array_foreach(instances, i, j) print_instance(&c, j, has_limits);
	(void) putchar('\n');
	columns_print(&c);
	print_last_ends(instances);
}

static void print_json(struct cli *cli, const struct plan *p, json_t *instances, json_t *schedules)
{
	_cleanup_(json_releasep) json_t *j = json_object();
	json_t *scaling = json_object();

	for (size_t i = 0; i < p->n_services; i++)
		json_put_num(scaling, p->services[i].name, p->services[i].instances);
	json_put_text(j, "app", cli->app.name);
	json_put_num(j, "version", cli->app.live_version);
	json_put_flag(j, "stopped", cli->app.is_stopped);
	(void) json_object_set_new(j, "scaling", scaling);
	(void) json_object_set(j, "instances", instances);
	(void) json_object_set(j, "schedules", schedules);
	json_print(j);
}

static int run_ps(struct cli *cli, char **argv UNUSED, struct err **e)
{
	_cleanup_(json_releasep) json_t *instances = NULL, *schedules = NULL;
	_cleanup_(plan_done) struct plan p = { 0 };
	int r;

	if (!cli->app.live_version)
		return err_set(e, ERR_FAILED, "Error: no workers found for app '%s'. Push it with git first",
			       cli->app.name);
	r = view_live_plan(cli, &p, e);
	if (r >= 0)
		r = view_instances(cli, cli->app.name, &instances, e);
	if (r >= 0)
		r = view_schedules(cli, &p, &schedules, e);
	if (r < 0)
		return r;
	if (cli->is_json) {
		print_json(cli, &p, instances, schedules);
		return 0;
	}
	for (size_t i = 0; i < p.n_services; i++)
		(void) printf("%s:%u\n", p.services[i].name, p.services[i].instances);
	if (json_array_size(instances))
		print_instances(instances);
	else if (cli->app.is_stopped)
		(void) printf("\napp '%s' is stopped.\n", cli->app.name);
	if (json_array_size(schedules))
		view_print_schedules(schedules);
	return 0;
}

/* One SERVICE=COUNT. What is wrong with it is added to problems. */
static void read_count(struct cli *cli, const struct plan *p, const char *text, json_t *counts,
		       struct strv *problems)
{
	const char *equals = strchr(text, '=');
	_cleanup_(freep) char *name = xstrndup(text, equals ? (size_t) (equals - text) : strlen(text));
	long n;

	if (!equals || equals == text || !str_to_long(equals + 1, INT32_MIN, INT32_MAX, &n))
		strv_addf(problems, "malformed setting '%s'", text);
	else if (!plan_find_service(p, name))
		strv_addf(problems, "worker type '%s' not present in '%s'", name, cli->app.name);
	else if (n < 0)
		strv_addf(problems, "cannot scale type '%s' below 0", name);
	else if (n > MAX_INSTANCES)
		strv_addf(problems, "cannot scale type '%s' above %d", name, MAX_INSTANCES);
	else
		json_put_num(counts, name, n);
}

static int run_scale(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = json_object(), *args = json_object(), *counts = json_object();
	_cleanup_(strv_done) struct strv problems = { 0 };
	_cleanup_(plan_done) struct plan p = { 0 };
	int r = view_live_plan(cli, &p, e);

	if (r < 0)
		return r;
	for (char **arg = argv + 1; *arg; arg++)
		read_count(cli, &p, *arg, counts, &problems);
	if (problems.n) {
		_cleanup_(freep) char *text = strv_join(&problems, "; ");

		return err_set(e, ERR_FAILED, "Error: %s (nothing was changed)", text);
	}
	(void) json_object_set(args, "scale", counts);
	(void) json_object_set(j, "args", args);
	json_put_text(j, "app", cli->app.name);
	json_put_text(j, "kind", "scale");
	return follow_request(cli, j, e);
}

const struct command cmd_ps = {
	.words = "ps",
	.args = "APP",
	.summary = "show how many instances are wanted and which run",
	.role = ROLE_READ,
	.group = "Apps",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP | CLI_JSON,
	.run = run_ps,
};

const struct command cmd_ps_scale = {
	.words = "ps:scale scale",
	.args = "APP SERVICE=COUNT...",
	.summary = "set how many instances of a service run",
	.details = "All counts are checked before anything changes. Nothing is rebuilt: instances are "
		   "started or stopped,\n"
		   "the highest first.",
	.role = ROLE_DEPLOY,
	.group = "Deployments",
	.min_args = 2,
	.max_args = -1,
	.needs = NEEDS_APP,
	.run = run_scale,
	.options =
		(const struct option_def[]){
			{ 0, "no-wait", NULL, "print the deployment's number and return" }, { 0 } },
};
