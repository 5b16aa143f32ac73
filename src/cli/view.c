/* What several commands show in the same way: instances, the live plan, times, versions, colours of states.
 */
#include "base/clock.h"
#include "base/proc.h"
#include "cli/cli-internal.h"
#include "plan/plan.h"
#include "plan/root.h"
#include "store/instance.h"

static json_t *row_to_json(const struct instance_row *row, const char *boot)
{
	bool is_alive =
		row->pid > 0 && str_eq(row->boot, boot) && proc_is_alive((pid_t) row->pid, row->pid_start);
	json_t *j = json_object();

	json_put_text(j, "app", row->app);
	json_put_text(j, "service", row->service);
	json_put_num(j, "ordinal", row->ordinal);
	json_put_num(j, "deployment", row->deployment);
	json_put_num(j, "version", row->version);
	json_put_num(j, "port", row->port);
	json_put_num(j, "pid", is_alive ? row->pid : 0);
	json_put_text(j, "state", !is_alive ? "down" : row->is_stopping ? "stopping" : "running");
	json_put_num(j, "restarts", row->restarts);
	json_put_num(j, "started_at_s", row->started_at_s);
	json_put_num(j, "last_status", row->last_status);
	return j;
}

static int instances_of_store(struct cli *cli, const char *app, json_t **ret, struct err **e)
{
	_cleanup_(freep) char *boot = boot_id();
	struct instance_row *rows = NULL;
	size_t n = 0;
	int r = cli_open_store(cli, e);

	if (r >= 0)
		r = store_instance_list(&cli->store, app, &rows, &n, e);
	if (r < 0)
		return r;
	*ret = json_array();
	for (size_t i = 0; i < n; i++)
		(void) json_array_append_new(*ret, row_to_json(&rows[i], boot));
	instance_rows_free(rows, n);
	return 0;
}

int view_instances(struct cli *cli, const char *app, json_t **ret, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_object(), *answer = NULL;
	int r = cli_open_control(cli, NULL);

	json_put_text(args, "app", app);
	if (r >= 0)
		r = control_call(&cli->control, "instances", args, &answer, NULL);
	if (r < 0)
		return instances_of_store(cli, app, ret, e);
	*ret = json_incref(json_object_get(answer, "instances"));
	if (!*ret)
		*ret = json_array();
	return 0;
}

int view_live_plan(struct cli *cli, struct plan *ret, struct err **e)
{
	_cleanup_(freep) char *dir = NULL, *path = NULL;

	if (!cli->app.live_version)
		return err_set(e, ERR_FAILED, "Error: app '%s' not deployed! Push it with git first",
			       cli->app.name);
	dir = root_release(cli->root, cli->app.name, (long) cli->app.live_version);
	path = xasprintf("%s/plan.json", dir);
	return plan_read(ret, path, e);
}

char *view_time(int64_t at_s)
{
	return at_s ? time_text(at_s) : xstrdup("");
}

char *view_version(int64_t version)
{
	return version ? xasprintf("v%lld", (long long) version) : xstrdup("-");
}

const char *view_commit(const char *commit, char short_name[static 9])
{
	(void) snprintf(short_name, 9, "%.8s", commit && *commit ? commit : "-");
	return short_name;
}

const char *view_colour(const char *state)
{
	static const char *const good[] = { "running", "live", "succeeded" }, *const bad[] = {
		"failed", "crashing", "down", "rolled back"
	};

	for (size_t i = 0; i < COUNT(good); i++)
		if (str_eq(state, good[i]))
			return cli_green();
	for (size_t i = 0; i < COUNT(bad); i++)
		if (str_eq(state, bad[i]))
			return cli_red();
	return cli_yellow();
}
