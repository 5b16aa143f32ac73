/* stage: links what is shared and runs the release command, which sees the coming PORT. */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "plan/origin.h"

static int run_release(struct deploy *d, struct err **e)
{
	const struct plan_service *web = plan_routed_service(&d->plan);
	const struct target *first = web ? targets_of(d, web, 1) : NULL;
	_cleanup_(env_done) struct env extra = { 0 };
	struct command_run c = { .what = "release command",
				 .command = d->plan.release,
				 .extra = &extra,
				 .timeout_ms = d->plan.release_timeout_ms,
				 .limits = &d->spec.release_limits };

	if (!d->plan.release)
		return 0;
	if (first)
		env_setf(&extra, "PORT", "slipway", "%u", first->port);
	say("Releasing");
	return command_run(d, &c, e);
}

char *include_copy(const char *src)
{
	const char *slash = strrchr(src, '/');

	return xasprintf("%.*s/include", (int) (slash - src), src);
}

/* An app can write to its code: later restarts route by what was there before it ran for the first time. */
static int freeze_include(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *copy = include_copy(d->src), *text = NULL;
	size_t n;

	if (!d->plan.route.include_file)
		return 0;
	int r = file_read_beneath(d->src_fd, d->plan.route.include_file, 1 << 20, &text, &n, e);

	return r < 0 ? err_wrap(e, r, "NGINX_INCLUDE_FILE") : file_replace(copy, text, n, 0600, e);
}

/* The last file of a release: with it, it is complete. */
static int write_origin(struct deploy *d, struct err **e)
{
	struct origin o = { .app = d->row.app,
			    .version = d->version,
			    .commit = d->commit,
			    .made_by = d->row.by,
			    .deployment = (long) d->row.id,
			    .created_at_s = (long) now_s() };

	return origin_write(&o, d->root, e);
}

int step_stage(struct deploy *d, struct err **e)
{
	int r = shared_link_known(d, e);

	if (r >= 0)
		r = run_release(d, e);
	crash_point("stage.middle");
	if (r >= 0)
		r = freeze_include(d, e);
	if (r >= 0)
		r = shared_snapshot(d, true, e);
	if (r >= 0)
		r = write_origin(d, e);
	/* git and build tools do not fsync: a release that may become the live one is on disk before it does
	 */
	if (r >= 0 && syncfs(d->src_fd) < 0)
		r = err_set(e, -errno, "writing the release to disk: %m");
	return r;
}
