/* What the daemon before left running goes on; what should run and does not is started; what is left over
 * ends. */
#include "base/json.h"
#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "store/app.h"
#include "store/deployment.h"

/* Deployments whose instances have a right to be: the live one of each app, and those that run. */
struct owners {
	int64_t *v;
	size_t n;
};

static void add_owner(struct owners *o, int64_t deployment)
{
	if (deployment)
		*GROW(&o->v, &o->n) = deployment;
}

static int find_owners(struct daemon *d, struct owners *ret, struct err **e)
{
	struct app_row *apps = NULL;
	struct deployment_row *running = NULL;
	size_t n_apps = 0, n_running = 0;
	int r = store_app_list(&d->store, &apps, &n_apps, e);

	if (r >= 0)
		r = store_deployment_in_state(&d->store, "running", &running, &n_running, e);
	for (size_t i = 0; r >= 0 && i < n_apps; i++)
		add_owner(ret, apps[i].live_deployment);
	for (size_t i = 0; r >= 0 && i < n_running; i++) {
		add_owner(ret, running[i].id);
		add_owner(ret, running[i].from_deployment);
	}
	app_rows_free(apps, n_apps);
	deployment_rows_free(running, n_running);
	return r;
}

static bool is_owned(const struct owners *o, int64_t deployment)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i] == deployment)
			return true;
	return false;
}

/* A run of a schedule goes on over the end of its release. */
static bool app_runs(struct daemon *d, const char *name)
{
	_cleanup_(app_row_done) struct app_row app = { 0 };

	return store_app_get(&d->store, name, &app, NULL) >= 0 && app.live_version && !app.is_stopped;
}

/* Takes over the row. 1: its process runs. */
static int take(struct daemon *d, struct instance_row *row, bool is_wanted)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct instance *i = instance_new(d);

	i->row = *row;
	*row = (struct instance_row){ 0 };
	is_wanted = is_wanted && !i->row.is_stopping;
	i->row.is_stopping = false;
	i->is_known = true;
	record_read(i);
	int r = instance_adopt(i, &e);

	if (r < 0) {
		i->row.pid = 0;
		i->row.last_status = -1;
	}
	if (!is_wanted || (r < 0 && i->row.run)) /* a run is not started again */
		instance_stop(i);
	else if (r < 0)
		boot_queue(i);
	return r >= 0;
}

/* ---- over a re-exec ---- */

json_t *supervisor_hand_over(const struct daemon *d)
{
	json_t *list = json_array();

	for (const struct instance *i = d->instances; i; i = i->next)
		(void) json_array_append_new(list, instance_hand_over(i));
	return list;
}

/* What the daemon before in this process knew of it; NULL: nothing. */
static const json_t *find_handed_over(const struct daemon *d, const struct instance_row *row)
{
	const json_t *at;
	size_t k;

	json_array_foreach(json_object_get(d->handover, "instances"), k,
			   at) if (json_num(at, "deployment", 0) == row->deployment &&
				   json_num(at, "ordinal", 0) == row->ordinal &&
				   str_eq(json_text(at, "service"), row->service)) return at;
	return NULL;
}

static bool resume(struct daemon *d, struct instance_row *row)
{
	const json_t *was = find_handed_over(d, row);

	if (!was)
		return false;
	struct instance *i = instance_new(d);

	i->row = *row;
	*row = (struct instance_row){ 0 };
	i->is_known = true;
	record_read(i);
	instance_resume(i, was);
	return true;
}

int supervisor_adopt(struct daemon *d, struct err **e)
{
	_cleanup_(freep) int64_t *owned = NULL;
	struct owners owners = { 0 };
	struct instance_row *rows = NULL;
	size_t n = 0;
	int64_t adopted = 0;
	int r = find_owners(d, &owners, e);

	owned = owners.v;
	if (r >= 0)
		r = store_instance_list(&d->store, NULL, &rows, &n, e);
	for (size_t i = 0; r >= 0 && i < n; i++)
		adopted += resume(d, &rows[i]) || take(d, &rows[i],
						       rows[i].run ? app_runs(d, rows[i].app)
								   : is_owned(&owners, rows[i].deployment));
	instance_rows_free(rows, n);
	if (r >= 0 && n > 0)
		log_info("instances on record", F("all", (int64_t) n), F("adopted", adopted));
	return r;
}
