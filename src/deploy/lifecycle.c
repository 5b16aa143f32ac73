/* scale, stop and destroy: changes to what runs that make no release. */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "plan/mark.h"
#include "plan/root.h"
#include "store/port.h"

static int apply_counts(struct deploy *d, const json_t *counts, struct err **e)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *) counts, name, value)
	{
		struct plan_service *s = plan_find_service(&d->plan, name);

		if (!s)
			return err_set(e, ERR_REFUSED, "worker type '%s' not present in '%s'", name,
				       d->row.app);
		s->instances = (unsigned) json_integer_value(value);
	}
	return 0;
}

int step_scale_load(struct deploy *d, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_loads(d->row.args ? d->row.args : "{}", 0, NULL);

	if (!d->row.from_version)
		return err_set(e, ERR_REFUSED, "'%s' was never deployed: git push it first", d->row.app);
	deploy_set_version(d, (long) d->row.from_version);
	int r = deploy_read_release(d, e);
	if (r >= 0)
		r = apply_counts(d, json_object_get(args, "scale"), e);
	if (r >= 0)
		r = targets_plan(d, e);
	if (d->app.is_stopped)
		d->n_targets = 0; /* the counts are for its next start */
	return r;
}

/* A count of a schedule only says whether it is on: one that is on may have any number of runs. */
static unsigned kept(const struct plan_service *s)
{
	return s->kind == SERVICE_CRON && s->instances ? UINT_MAX : s->instances;
}

int undo_scale(struct deploy *d, struct err **e)
{
	struct generation g = deploy_generation(d, d->version, d->generation);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < d->old_plan.n_services; i++)
		r = deploy_runner(d)->stop(&g, d->old_plan.services[i].name, kept(&d->old_plan.services[i]),
					   e);
	return r;
}

/* Workers are started here, as in any switch; then the router; then the highest ordinals go. */
int step_scale_switch(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *path = path_join(d->dir, "plan.json");
	struct generation g = deploy_generation(d, d->version, d->generation);
	int r = instances_start(d, false, e);

	if (r >= 0)
		r = instances_check(d, false, e);
	if (r >= 0 && !d->app.is_stopped)
		r = route_new(d, e);
	crash_point("switch.routed");
	if (r >= 0)
		r = plan_write(&d->plan, path, e);
	crash_point("switch.planned");
	if (r >= 0)
		r = scaling_write(d, e);
	crash_point("switch.scaled");
	for (size_t i = 0; r >= 0 && i < d->plan.n_services; i++) {
		const struct plan_service *s = &d->plan.services[i];

		r = deploy_runner(d)->stop(&g, s->name, kept(s), e);
		if (r >= 0 && s->is_routed)
			r = store_port_trim(&d->store, d->row.app, s->name, s->instances ? s->instances : 1,
					    e);
	}
	return r;
}

/* Before undo_scale() stops what is too much: the router leads to what stays. */
int undo_scale_switch(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *dir = root_release(d->root, d->row.app, (long) d->row.from_version),
			      *path = path_join(dir, "plan.json");
	int r = d->has_old ? plan_write(&d->old_plan, path, e) : 0;

	if (r >= 0)
		r = instances_start_old(d, e);
	return r < 0 || !d->has_old ? r : route_old(d, e);
}

int step_stop(struct deploy *d, struct err **e)
{
	int r;

	if (!d->has_old)
		return err_set(e, ERR_REFUSED, "app '%s' not deployed!", d->row.app);
	if (d->app.is_stopped)
		say_detail("app '%s' is already stopped", d->row.app);
	r = store_app_set_stopped(&d->store, d->row.app, true, e);
	d->app.is_stopped = true;
	crash_point("switch.middle");
	if (r >= 0)
		(void) mark_set(d->root, d->row.app, MARK_STOPPED, true,
				NULL); /* slipwayd's next start tries again */
	if (r >= 0)
		r = route_old(d, e);
	crash_point("switch.routed");
	if (r >= 0)
		r = instances_stop_old(d, true, e);
	return r;
}

/* What destroy takes away; what it keeps is said. */
static int remove_files(struct deploy *d, bool with_data, struct err **e)
{
	static const char *const gone[] = { "apps/%s", "repos/%s",  "envs/%s",      "releases/%s",
					    "logs/%s", "config/%s", "certs/%s.crt", "certs/%s.key" };
	static const char *const kept[] = { "data/%s", "cache/%s" };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < COUNT(gone) + COUNT(kept); i++) {
		const char *form = i < COUNT(gone) ? gone[i] : kept[i - COUNT(gone)];
		const char *rest = strstr(form, "%s") + 2;
		_cleanup_(freep) char *path =
			root_path(d->root, "%.*s%s%s", (int) (rest - 2 - form), form, d->row.app, rest);
		bool is_folder = !strchr(form, '.');

		if (access(path, F_OK) < 0)
			continue;
		if (i >= COUNT(gone) && !with_data) {
			(void) printf("==> Preserving folder '%s'\n", path);
			continue;
		}
		(void) printf("--> Removing %s '%s'\n", is_folder ? "folder" : "file", path);
		r = tree_remove(path, e);
		crash_point("switch.removed-%.*s", (int) strcspn(form, "/"), form);
	}
	return r;
}

/* A last copy of the settings: they are the operator's own work (Piku spec 17). */
static int keep_settings(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *from = root_path(d->root, "config/%s", d->row.app),
			      *stamp = time_text(now_s());
	/* with the deployment's number, as an app may come and go twice in a second */
	_cleanup_(freep) char *to =
		root_path(d->root, "backups/destroyed-%s-%s-%lld", d->row.app, stamp, (long long) d->row.id);

	if (!is_dir(from))
		return 0;
	if (rename(from, to) < 0)
		return err_set(e, -errno, "keeping the settings in %s: %m", to);
	(void) printf("==> Preserving folder '%s'\n", to);
	return 0;
}

int step_destroy(struct deploy *d, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_loads(d->row.args ? d->row.args : "{}", 0, NULL);
	_cleanup_(json_releasep) json_t *forget = json_object();
	const struct router_ops *router = router_find(d->has_old ? d->old_plan.router : d->host.router);
	int r = router ? router->remove(d->root, &d->host, d->row.app, e) : 0;

	json_put_text(forget, "app", d->row.app);
	crash_point("switch.routed");
	if (r >= 0)
		r = control_call(&d->control, "forget", forget, NULL, e);
	crash_point("switch.stopped");
	if (r >= 0)
		r = keep_settings(d, e);
	crash_point("switch.kept");
	if (r >= 0)
		r = remove_files(d, json_flag(args, "data", false), e);
	return r < 0 ? r : store_app_remove(&d->store, d->row.app, e);
}
