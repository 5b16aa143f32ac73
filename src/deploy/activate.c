/* start, check, switch, record, retire: making a staged release the live one. */
#include <errno.h>
#include <unistd.h>

#include "base/crash-point.h"
#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "plan/mark.h"
#include "plan/root.h"
#include "store/port.h"
#include "store/release.h"

/* The release that `restart` activates: the newest staged one (PIKU_AUTO_RESTART=false), else the live one.
 */
static int find_staged(struct deploy *d, int64_t *version, struct err **e)
{
	struct release_row *rows = NULL;
	size_t n = 0;
	int r = store_release_list(&d->store, d->row.app, &rows, &n, e);

	*version = d->row.from_version;
	for (size_t i = 0; r >= 0 && i < n && rows[i].version > d->row.from_version; i++)
		if (str_eq(rows[i].state, "staged")) {
			*version = rows[i].version;
			break;
		}
	release_rows_free(rows, n);
	return r;
}

/* The newest release before the live one that lived. */
static int find_previous(struct deploy *d, int64_t *version, struct err **e)
{
	struct release_row *rows = NULL;
	size_t n = 0;
	int r = store_release_list(&d->store, d->row.app, &rows, &n, e);

	*version = 0;
	for (size_t i = 0; r >= 0 && i < n && !*version; i++)
		if (str_eq(rows[i].state, "old") && rows[i].version < d->row.from_version)
			*version = rows[i].version;
	release_rows_free(rows, n);
	return r;
}

static int choose_release(struct deploy *d, struct err **e)
{
	bool is_rollback = str_eq(d->row.kind, "rollback");
	int64_t version = d->row.version;
	int r = 0;

	if (!version)
		r = is_rollback ? find_previous(d, &version, e) : find_staged(d, &version, e);
	if (r < 0)
		return r;
	if (!version)
		return err_set(
			e, ERR_REFUSED,
			is_rollback ? "'%s' has no earlier release to go back to: see `slipway releases %s`"
				    : "'%s' was never deployed: git push it first%.0s",
			d->row.app, d->row.app);
	if (is_rollback && version == d->row.from_version)
		return err_set(e, ERR_REFUSED, "v%lld of '%s' is the live release already",
			       (long long) version, d->row.app);
	d->row.version = version;
	deploy_set_version(d, (long) version);
	return store_deployment_set_version(&d->store, d->row.id, version, e);
}

/* The live release is left as the app has made it; another one gets today's links. */
static bool version_is_other(const struct deploy *d)
{
	return d->version != d->row.from_version;
}

int step_load(struct deploy *d, struct err **e)
{
	int r = choose_release(d, e);

	if (r >= 0 && !is_dir(d->src))
		r = err_set(e, ERR_REFUSED, "v%ld of '%s' is gone: see `slipway releases %s`", d->version,
			    d->row.app, d->row.app);
	if (r >= 0)
		r = deploy_read_release(d, e);
	if (r >= 0 && version_is_other(d))
		r = shared_link_known(d, e);
	if (r >= 0)
		r = targets_plan(d, e);
	return r;
}

/* Old generations that still finish requests are ended: their ports are needed. */
int end_retiring(struct deploy *d, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_object();

	json_put_text(args, "app", d->row.app);
	return control_call(&d->control, "retire-now", args, NULL, e);
}

/* The first time that an app wrote beside its code, its instances stop while that is moved to a safe place.
 */
static int take_over_writes(struct deploy *d, struct err **e)
{
	_cleanup_(strv_done) struct strv paths = { 0 }, after = { 0 };
	int r;

	if (!d->has_old || !version_is_other(d))
		return 0;
	r = shared_find(d, &paths, e);
	if (r <= 0)
		return r;
	say("the app wrote beside its code: this once it is stopped while these move to data/%s/shared",
	    d->row.app);
	r = instances_stop_old(d, true, e);
	if (r >= 0)
		r = shared_find(d, &after, e); /* what it wrote while it stopped */
	return r < 0 ? r : shared_move(d, &after, e);
}

int step_start(struct deploy *d, struct err **e)
{
	int r = end_retiring(d, e);

	if (r >= 0)
		r = take_over_writes(d, e);
	if (r >= 0)
		r = instances_start(d, true, e);
	return r;
}

int undo_start(struct deploy *d, struct err **e)
{
	int r = instances_stop_new(d, true, e);

	crash_point("undo-start.middle");
	if (r < 0 || (!d->is_touched && !d->is_repair))
		return r;
	r = instances_start_old(d, e);
	return r < 0 || !d->has_old ? r : route_old(d, e);
}

int step_check(struct deploy *d, struct err **e)
{
	return instances_check(d, true, e);
}

int scaling_write(const struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *path = root_scaling(d->root, d->row.app);
	struct strb text = STRB(1 << 20);

	for (size_t i = 0; i < d->plan.n_services; i++)
		(void) strb_addf(&text, "%s:%u\n", d->plan.services[i].name, d->plan.services[i].instances);
	_cleanup_(freep) char *scaling = strb_take(&text);

	return file_replace(path, scaling, strlen(scaling), 0600, e);
}

static int link_live(const struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *link = root_path(d->root, "apps/%s", d->row.app);
	_cleanup_(freep) char *target = xasprintf("../releases/%s/v%ld/src", d->row.app, d->version);

	return link_replace(target, link, e);
}

int step_switch(struct deploy *d, struct err **e)
{
	int r = instances_stop_old(d, false, e);

	crash_point("switch.stopped");
	if (r >= 0)
		r = instances_start(d, false, e);
	if (r >= 0)
		r = instances_check(d, false, e);
	if (r >= 0)
		r = route_new(d, e);
	crash_point("switch.routed");
	if (r >= 0)
		r = link_live(d, e);
	crash_point("switch.linked");
	if (r >= 0)
		r = environment_write_live(d, e);
	return r;
}

int undo_switch(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *link = root_path(d->root, "apps/%s", d->row.app);
	_cleanup_(freep) char *target =
		xasprintf("../releases/%s/v%lld/src", d->row.app, (long long) d->row.from_version);
	int r = instances_stop_new(d, false, e);

	/* What the router may still lead to goes last. */
	if (r >= 0)
		r = instances_start_old(d, e);
	crash_point("undo-switch.middle");
	if (r >= 0)
		r = route_old(d, e);
	crash_point("undo-switch.routed");
	if (r >= 0 && d->has_old)
		r = link_replace(target, link, e);
	if (r >= 0 && !d->has_old)
		(void) unlink(link);
	return r < 0 ? r : instances_stop_new(d, true, e);
}

int step_record(struct deploy *d, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r;

	if (!d->is_activated)
		return store_release_set_state(&d->store, d->row.app, d->version, "staged", e);
	r = scaling_write(d, e);
	if (r >= 0)
		r = tx_begin(&tx, &d->store, e);
	if (r >= 0)
		r = store_release_go_live(&d->store, d->row.app, d->version, d->row.id, e);
	if (r >= 0)
		r = user_record(d, e);
	if (r >= 0 && d->app.is_stopped)
		r = store_app_set_stopped(&d->store, d->row.app, false, e);
	crash_point("record.middle");
	if (r >= 0)
		r = tx_commit(&tx, e);
	if (r >= 0)
		(void) mark_set(d->root, d->row.app, MARK_STOPPED, false, NULL);
	return r;
}

int step_retire(struct deploy *d, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_object();
	json_t *workers = json_array();

	json_put_text(args, "app", d->row.app);
	json_put_num(args, "deployment", d->row.id);
	json_put_num(args, "timeout_ms", d->plan.drain_timeout_ms);
	for (size_t i = 0; i < d->old_workers.n; i++) {
		json_t *worker = json_object();

		json_put_num(worker, "pid", d->old_workers.pids[i]);
		json_put_num(worker, "start", (int64_t) proc_start_time(d->old_workers.pids[i]));
		(void) json_array_append_new(workers, worker);
	}
	(void) json_object_set_new(args, "workers", workers);
	return control_call(&d->control, "retire", args, NULL, e);
}
