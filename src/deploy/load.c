/* What a deployment finds when it begins, and what it holds released. */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "plan/root.h"

void deploy_set_version(struct deploy *d, long version)
{
	free(d->dir);
	free(d->src);
	d->version = version;
	d->dir = root_release(d->root, d->row.app, version);
	d->src = path_join(d->dir, "src");
}

static int read_old(struct deploy *d, struct err **e)
{
	if (!d->row.from_version)
		return 0;
	_cleanup_(freep) char *dir = root_release(d->root, d->row.app, (long) d->row.from_version);
	_cleanup_(freep) char *path = path_join(dir, "plan.json");
	int r = plan_read(&d->old_plan, path, e);

	d->has_old = r >= 0;
	if (r < 0 && str_eq(d->row.kind, "destroy")) { /* its files may have gone already */
		if (e)
			*e = err_free(*e);
		return 0;
	}
	return r < 0 ? err_wrap(e, r, "reading the live release v%ld", (long) d->row.from_version) : 0;
}

int deploy_load(struct deploy *d, const char *root, int64_t id, struct err **e)
{
	_cleanup_(freep) char *path = root_store(root), *socket = root_socket(root);
	int r;

	d->root = root;
	d->is_activated = true;
	r = store_open(&d->store, path, false, e);
	if (r >= 0)
		r = store_deployment_get(&d->store, id, &d->row, e);
	if (r >= 0)
		r = store_app_get(&d->store, d->row.app, &d->app, e);
	if (r == ERR_NOT_FOUND && str_eq(d->row.kind, "destroy")) { /* killed when it was all but done */
		if (e)
			*e = err_free(*e);
		r = 0;
	}
	if (r < 0)
		return r;
	r = store_user_get(&d->store, d->row.app, &d->user, e);
	if (r < 0)
		return r;
	if (str_eq(d->row.state,
		   "queued")) { /* what lives now counts, not what lived when it was asked for */
		d->row.from_version = d->app.live_version;
		d->row.from_deployment = d->app.live_deployment;
	}
	d->kind = deploy_kind_find(d->row.kind);
	if (!d->kind)
		return err_set(e, ERR_REFUSED, "deployment %lld is of an unknown kind '%s'", (long long) id,
			       d->row.kind);
	d->generation = (long) (str_eq(d->row.kind, "scale") ? d->row.from_deployment : id);
	if (d->row.version)
		deploy_set_version(d, (long) d->row.version);
	r = host_read(&d->host, root, e);
	if (r >= 0)
		r = control_open(&d->control, socket, e);
	if (r >= 0)
		r = read_old(d, e);
	return r;
}

int deploy_read_release(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *path = path_join(d->dir, "plan.json");
	int r = plan_read(&d->plan, path, e);

	if (r >= 0)
		r = spec_read(&d->spec, d->root, d->row.app, d->version, e);
	return r < 0 ? err_wrap(e, r, "reading release v%ld", d->version) : 0;
}

struct generation deploy_generation(struct deploy *d, long version, long deployment)
{
	return (struct generation){ d->root, d->row.app, version, deployment, &d->control };
}

const struct runner_ops *deploy_runner(const struct deploy *d)
{
	const char *name = d->plan.runner ? d->plan.runner : d->old_plan.runner;

	return runner_find(name ? name : "native");
}

void deploy_done(struct deploy *d)
{
	closep(&d->src_fd);
	control_close(&d->control);
	store_close(&d->store);
	host_done(&d->host);
	deployment_row_done(&d->row);
	app_row_done(&d->app);
	plan_done(&d->plan);
	plan_done(&d->old_plan);
	spec_done(&d->spec);
	build_done(&d->build);
	env_done(&d->operator_env);
	router_old_done(&d->old_workers);
	free(d->targets);
	free(d->deps);
	free(d->commit);
	free(d->dir);
	free(d->src);
}
