/* Commands that ask for a deployment: deploy, rollback, restart, stop, start. */
#include "cli/cli-internal.h"
#include "source/git.h"
#include "store/release.h"

static const struct option_def no_wait[] = {
	{ 0, "no-wait", NULL, "print the deployment's number and return" }, { 0 }
};
static const struct option_def deploy_options[] = {
	{ 'f', "force", NULL, "also when this commit failed before or is live already" },
	{ 0, "no-wait", NULL, "print the deployment's number and return" },
	{ 0 },
};

static json_t *request(struct cli *cli, const char *kind)
{
	json_t *j = json_object();

	json_put_text(j, "app", cli->app.name);
	json_put_text(j, "kind", kind);
	return j;
}

static int run_deploy(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = request(cli, "deploy");
	_cleanup_(freep) char *commit = NULL;
	int r = argv[1] ? git_resolve(cli->root, cli->app.name, argv[1], &commit, e) : 0;

	if (r == ERR_NOT_FOUND) /* exit 3 is for apps */
		return err_wrap(e, ERR_FAILED, "deploy");
	if (r < 0)
		return r;
	json_put_text(j, "commit", commit);
	json_put_text(j, "ref", argv[1]);
	json_put_flag(j, "force", cli_option(cli, "force") != NULL);
	return follow_request(cli, j, e);
}

/* The newest release that was live before the one that is. */
static int find_earlier(struct cli *cli, int64_t *ret, struct err **e)
{
	struct release_row *rows = NULL;
	size_t n = 0;
	int r = store_release_list(&cli->store, cli->app.name, &rows, &n, e);

	*ret = 0;
	for (size_t i = 0; r >= 0 && i < n && !*ret; i++)
		if (rows[i].version < cli->app.live_version && str_eq(rows[i].state, "old"))
			*ret = rows[i].version;
	release_rows_free(rows, n);
	if (r >= 0 && !*ret)
		return err_set(e, ERR_FAILED,
			       "'%s' has no earlier release to go back to; `slipway releases %s` lists them",
			       cli->app.name, cli->app.name);
	return r;
}

static int read_version(struct cli *cli, const char *text, int64_t *ret, struct err **e)
{
	struct release_row row = { 0 };
	long version;
	int r;

	if (!str_to_long(text + (*text == 'v'), 1, 1000000000, &version))
		return err_set(e, ERR_USAGE,
			       "'%s' is no release: expected vN, as `slipway releases %s` lists them", text,
			       cli->app.name);
	r = store_release_get(&cli->store, cli->app.name, version, &row, e);
	if (r == ERR_NOT_FOUND)
		return err_wrap(e, ERR_FAILED, "rollback");
	if (r >= 0 && !str_eq(row.state, "old") && !str_eq(row.state, "live"))
		r = err_set(e, ERR_FAILED, "v%ld of '%s' is %s: it never was live", version, cli->app.name,
			    row.state);
	release_row_done(&row);
	*ret = version;
	return r;
}

static int run_rollback(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = request(cli, "rollback");
	int64_t version = 0;
	int r = argv[1] ? read_version(cli, argv[1], &version, e) : find_earlier(cli, &version, e);

	if (r < 0)
		return r;
	if (version == cli->app.live_version) {
		(void) printf("v%lld of '%s' is live already.\n", (long long) version, cli->app.name);
		return 0;
	}
	json_put_num(j, "version", version);
	return follow_request(cli, j, e);
}

static int change(struct cli *cli, const char *kind, const char *said, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = request(cli, kind);

	if (!cli->app.live_version)
		return err_set(e, ERR_FAILED, "Error: app '%s' not deployed! Push it with git first",
			       cli->app.name);
	if (!cli_option(cli, "no-wait"))
		(void) printf("%s app '%s'...\n", said, cli->app.name);
	(void) fflush(stdout);
	return follow_request(cli, j, e);
}

static int run_restart(struct cli *cli, char **argv UNUSED, struct err **e)
{
	return change(cli, "restart", "restarting", e);
}

static int run_stop(struct cli *cli, char **argv UNUSED, struct err **e)
{
	if (cli->app.live_version && cli->app.is_stopped) {
		(void) printf("app '%s' is already stopped.\n", cli->app.name);
		return 0;
	}
	return change(cli, "stop", "Stopping", e);
}

static int run_start(struct cli *cli, char **argv UNUSED, struct err **e)
{
	return change(cli, "start", "Starting", e);
}

const struct command cmd_deploy = {
	.words = "deploy",
	.args = "APP [REVISION]",
	.summary = "deploy what was pushed last, or a revision",
	.details = "REVISION is a branch, a tag or a commit of the app's repository. A commit whose "
		   "deployment failed is\n"
		   "tried again only with --force. The deployment goes on when this command is interrupted.",
	.role = ROLE_DEPLOY,
	.group = "Deployments",
	.min_args = 1,
	.max_args = 2,
	.needs = NEEDS_APP,
	.run = run_deploy,
	.options = deploy_options,
};

const struct command cmd_rollback = {
	.words = "rollback",
	.args = "APP [vN]",
	.summary = "make an earlier release live again, with its own settings",
	.role = ROLE_DEPLOY,
	.group = "Deployments",
	.min_args = 1,
	.max_args = 2,
	.needs = NEEDS_APP,
	.run = run_rollback,
	.options = no_wait,
};

const struct command cmd_restart = {
	.words = "restart ps:restart",
	.args = "APP",
	.summary = "start new instances of the live release and stop the old",
	.details = "Also activates a release that was only staged (PIKU_AUTO_RESTART=false) and starts a "
		   "stopped app.",
	.role = ROLE_DEPLOY,
	.group = "Deployments",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP,
	.run = run_restart,
	.options = no_wait,
};

const struct command cmd_stop = {
	.words = "stop",
	.args = "APP",
	.summary = "stop all instances until `start`",
	.role = ROLE_DEPLOY,
	.group = "Deployments",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP,
	.run = run_stop,
	.options = no_wait,
};

const struct command cmd_start = {
	.words = "start",
	.args = "APP",
	.summary = "start a stopped app",
	.role = ROLE_DEPLOY,
	.group = "Deployments",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP,
	.run = run_start,
	.options = no_wait,
};
