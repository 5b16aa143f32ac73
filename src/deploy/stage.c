/* stage: links what is shared and runs the release command, which sees the coming PORT. */
#include <errno.h>
#include <unistd.h>

#include "deploy/deploy-internal.h"

static int run_release(struct deploy *d, struct err **e)
{
	const struct plan_service *web = plan_routed_service(&d->plan);
	const struct target *first = web ? targets_of(d, web, 1) : NULL;
	_cleanup_(env_done) struct env extra = { 0 };
	struct command_run c = { .what = "release command",
				 .command = d->plan.release,
				 .extra = &extra,
				 .timeout_ms = d->plan.release_timeout_ms };

	if (!d->plan.release)
		return 0;
	if (first)
		env_setf(&extra, "PORT", "slipway", "%u", first->port);
	say("Releasing");
	return command_run(d, &c, e);
}

int step_stage(struct deploy *d, struct err **e)
{
	int r = shared_link_known(d, e);

	if (r >= 0)
		r = run_release(d, e);
	if (r >= 0)
		r = shared_snapshot(d, true, e);
	/* git and build tools do not fsync: a release that may become the live one is on disk before it does
	 */
	if (r >= 0 && syncfs(d->src_fd) < 0)
		r = err_set(e, -errno, "writing the release to disk: %m");
	return r;
}
