/* hold, unhold: an app on which pushes and the daemon deploy nothing. */
#include "cli/cli-internal.h"
#include "plan/mark.h"
#include "source/git.h"
#include "store/deployment.h"
#include "store/event.h"

static int set_held(struct cli *cli, bool is_held, struct err **e)
{
	int r = store_app_set_held(&cli->store, cli->app.name, is_held, e);

	if (r >= 0)
		(void) mark_set(cli->root, cli->app.name, MARK_HELD, is_held,
				NULL); /* slipwayd's next start tries again */
	return r < 0 ? r
		     : store_event_add(&cli->store, cli->app.name, cli->who.by, is_held ? "hold" : "unhold",
				       NULL, "succeeded", e);
}

static int run_hold(struct cli *cli, char **argv UNUSED, struct err **e)
{
	int r;

	if (cli->app.is_held) {
		(void) printf("app '%s' is held already.\n", cli->app.name);
		return 0;
	}
	r = set_held(cli, true, e);
	if (r < 0)
		return r;
	(void) printf("app '%s' is held: what is pushed is stored and not deployed.\n", cli->app.name);
	return 0;
}

/* What was pushed meanwhile is for the operator to deploy, or for slipwayd at its next start. */
static int tell_waiting(struct cli *cli, struct err **e)
{
	_cleanup_(freep) char *commit = NULL, *ref = NULL;
	int r = git_pushed(cli->root, cli->app.name, &commit, &ref, NULL);

	if (r < 0)
		return 0; /* never pushed */
	r = store_deployment_has_commit(&cli->store, cli->app.name, commit, e);
	if (r == 0)
		(void) printf("%.8s (%s) waits: slipway deploy %s\n", commit, ref, cli->app.name);
	return r < 0 ? r : 0;
}

static int run_unhold(struct cli *cli, char **argv UNUSED, struct err **e)
{
	int r;

	if (!cli->app.is_held) {
		(void) printf("app '%s' is not held.\n", cli->app.name);
		return 0;
	}
	r = set_held(cli, false, e);
	if (r < 0)
		return r;
	(void) printf("app '%s' is held no longer.\n", cli->app.name);
	return tell_waiting(cli, e);
}

const struct command cmd_hold = {
	.words = "hold",
	.args = "APP",
	.summary = "take pushes without deploying them, until `unhold`",
	.details = "What runs goes on, and so does a deployment that has begun or is queued. Changes of "
		   "settings are written\n"
		   "and not deployed. `deploy --force` deploys all the same; restart, stop, start and "
		   "rollback are not held.",
	.role = ROLE_DEPLOY,
	.group = "Deployments",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP,
	.run = run_hold,
};

const struct command cmd_unhold = {
	.words = "unhold",
	.args = "APP",
	.summary = "let pushes deploy a held app again",
	.details = "What was pushed meanwhile is deployed by `deploy`, the next push or the next start of "
		   "slipwayd.",
	.role = ROLE_DEPLOY,
	.group = "Deployments",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP,
	.run = run_unhold,
};
