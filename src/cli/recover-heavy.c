/* recover: what was found again, for people and programs. */
#include "cli/cli-internal.h"
#include "cli/recover.h"
#include "daemon/recover.h"
#include "plan/root.h"

static char *state_of(const json_t *app)
{
	return xasprintf("%s%s",
			 json_flag(app, "stopped", false)  ? "stopped"
			 : json_num(app, "version", 0) > 0 ? "live"
							   : "not deployed",
			 json_flag(app, "held", false) ? ", held" : "");
}

static void print_app(struct columns *c, const json_t *app)
{
	_cleanup_(freep) char *version = view_version(json_num(app, "version", 0)),
			      *releases = xasprintf("%lld", (long long) json_num(app, "releases", 0)),
			      *running = xasprintf("%lld", (long long) json_num(app, "running", 0)),
			      *state = state_of(app);
	_cleanup_(strv_done) struct strv notes = { 0 };

	json_get_strv(app, "notes", &notes);
	_cleanup_(freep) char *text = strv_join(&notes, "; ");

	COLUMNS_ROW(c, json_text(app, "name"), version, releases, running, state, text);
}

static void print_report(const json_t *report)
{
	_cleanup_(columns_done) struct columns c = { 0 };
	const char *state = json_text(report, "state"), *why = json_text(report, "why"),
		   *kept = json_text(report, "kept");
	const json_t *app;
	size_t i;

	if (str_eq(state, "whole")) {
		(void) puts("The store is whole: there is nothing to recover.");
		return;
	}
	(void) printf("%s.\n", why);
	COLUMNS_ROW(&c, "APP", "RELEASE", "RELEASES", "RUNNING", "STATE", "NOTES");
	json_array_foreach(json_object_get(report, "apps"), i, app) print_app(&c, app);
	columns_print(&c);
	if (str_eq(state, "to be recovered")) {
		(void) puts("Nothing was changed (--dry-run).");
		return;
	}
	if (kept)
		(void) printf("The old store is kept as %s.\n", kept);
	(void) puts("Lost with it: events, what deployments and runs of schedules there were (their logs are "
		    "in logs/).\n"
		    "Next: start slipwayd, which takes over what runs.");
}

int recover_command(struct cli *cli, char **argv UNUSED, struct err **e)
{
	_cleanup_(json_releasep) json_t *report = NULL;
	int r = cli->root ? 0 : root_find(&cli->root, e);

	if (r >= 0)
		r = recover_run(cli->root, cli->who.by, cli_option(cli, "dry-run") != NULL, &report, e);
	if (r < 0)
		return r;
	if (cli->is_json)
		json_print(report);
	else
		print_report(report);
	return 0;
}
