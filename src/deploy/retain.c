/* Retention: which releases, dependencies and logs of an app are kept. */
#include <errno.h>

#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "deploy/deploy.h"
#include "plan/root.h"
#include "store/instance.h"
#include "store/release.h"

enum { KEPT_LOGS = 30 };

/* Which of the releases (newest first) go: beyond `keep` old or staged ones, and all failed ones. */
static bool is_kept(const struct release_row *row, unsigned *left)
{
	if (str_eq(row->state, "live"))
		return true;
	if (str_eq(row->state, "failed") || *left == 0)
		return false;
	(*left)--;
	return true;
}

/* A run of a schedule may outlast the release it began with. */
static bool is_used(const struct instance_row *rows, size_t n, int64_t version)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].version == version)
			return true;
	return false;
}

static int remove_releases(struct store *st, const char *root, const char *app, unsigned keep,
			   struct strv *kept, struct err **e)
{
	struct release_row *rows = NULL;
	struct instance_row *instances = NULL;
	size_t n = 0, n_instances = 0;
	int r = store_release_list(st, app, &rows, &n, e);

	if (r >= 0)
		r = store_instance_list(st, app, &instances, &n_instances, e);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (is_kept(&rows[i], &keep) || is_used(instances, n_instances, rows[i].version)) {
			strv_addf(kept, "%lld", (long long) rows[i].version);
			continue;
		}
		_cleanup_(freep) char *dir = root_release(root, app, (long) rows[i].version);

		r = tree_remove(dir, e);
		if (r >= 0)
			r = store_release_remove(st, app, rows[i].version, e);
	}
	instance_rows_free(instances, n_instances);
	release_rows_free(rows, n);
	return r;
}

/* Removes the directories in envs/APP/deps that no kept release shows in its sandbox. */
static int remove_deps(const char *root, const char *app, const struct strv *versions, struct err **e)
{
	_cleanup_(freep) char *parent = root_path(root, "envs/%s/deps", app);
	_cleanup_(strv_done) struct strv names = { 0 }, used = { 0 };
	int r = dir_list(parent, &names, e);

	for (size_t i = 0; r >= 0 && i < versions->n; i++) {
		_cleanup_(spec_done) struct spec spec = { 0 };

		r = spec_read(&spec, root, app, strtol(versions->v[i], NULL, 10), e);
		for (size_t k = 0; r >= 0 && k < spec.sandbox.read.n; k++)
			STRV_ADD(&used, spec.sandbox.read.v[k]);
	}
	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(parent, names.v[i]);

		if (!strv_has(&used, path))
			r = tree_remove(path, e);
	}
	return r;
}

static int remove_logs(struct store *st, const char *root, const char *app, struct err **e)
{
	struct deployment_row *rows = NULL;
	size_t n = 0;
	int r = store_deployment_list(st, app, 0, &rows, &n, e);

	for (size_t i = KEPT_LOGS; r >= 0 && i < n; i++) {
		_cleanup_(freep) char *log = root_deploy_log(root, app, (long) rows[i].id);

		r = tree_remove(log, e);
	}
	deployment_rows_free(rows, n);
	return r;
}

static int keep_of(const char *root, const struct app_row *app, unsigned *ret, struct err **e)
{
	_cleanup_(plan_done) struct plan plan = { 0 };
	_cleanup_(freep) char *dir = root_release(root, app->name, (long) app->live_version);
	_cleanup_(freep) char *path = path_join(dir, "plan.json");
	int r = plan_read(&plan, path, e);

	*ret = plan.keep_releases;
	return r;
}

int deploy_retain(const char *root, const char *app, struct err **e)
{
	_cleanup_(freep) char *path = root_store(root);
	_cleanup_(store_close) struct store st = { 0 };
	_cleanup_(app_row_done) struct app_row row = { 0 };
	_cleanup_(deployment_row_done) struct deployment_row running = { 0 };
	_cleanup_(strv_done) struct strv kept = { 0 };
	unsigned keep;
	int r = store_open(&st, path, false, e);

	if (r >= 0)
		r = store_app_get(&st, app, &row, e);
	if (r < 0 || !row.live_version)
		return r;
	if (store_deployment_running(&st, app, &running, NULL) >= 0)
		return 0; /* its own retirement comes back here */
	r = keep_of(root, &row, &keep, e);
	if (r >= 0)
		r = remove_releases(&st, root, app, keep, &kept, e);
	if (r >= 0)
		r = remove_deps(root, app, &kept, e);
	return r < 0 ? r : remove_logs(&st, root, app, e);
}
