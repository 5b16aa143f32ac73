/* Retention: which releases, dependencies and logs of an app are kept; and what was left without an owner. */
#include <errno.h>
#include <limits.h>

#include "base/crash-point.h"
#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "deploy/deploy.h"
#include "deploy/leftovers.h"
#include "plan/name.h"
#include "plan/root.h"
#include "store/instance.h"
#include "store/release.h"

enum { KEPT_LOGS = 30 };

static void add(struct leftovers *all, int64_t version, char *why, char *path)
{
	*GROW(&all->v, &all->n) = (struct leftover){ .path = path, .why = why, .version = version };
}

static bool has_version(const struct release_row *rows, size_t n, int64_t version)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].version == version)
			return true;
	return false;
}

/* Old instances run on for a while: what they run stays as long. */
static bool is_running(const struct instance_row *rows, size_t n, int64_t version)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].version == version)
			return true;
	return false;
}

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

static int find_old_releases(struct leftovers *all, struct store *st, const char *root,
			     const struct release_row *rows, size_t n, unsigned keep, struct strv *kept,
			     struct err **e)
{
	struct instance_row *instances = NULL;
	size_t n_instances = 0;
	int r = n ? store_instance_list(st, rows[0].app, &instances, &n_instances, e) : 0;

	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (is_kept(&rows[i], &keep) || is_running(instances, n_instances, rows[i].version))
			strv_addf(kept, "%lld", (long long) rows[i].version);
		else
			add(all, rows[i].version,
			    xstrdup(str_eq(rows[i].state, "failed") ? "a release that failed"
								    : "a release beyond those kept"),
			    root_release(root, rows[i].app, (long) rows[i].version));
	}
	instance_rows_free(instances, n_instances);
	return r;
}

/* dirs were listed before the rows were: what has none by now never will. */
static void find_lost_releases(struct leftovers *all, const char *root, const char *app,
			       const struct strv *dirs, const struct release_row *rows, size_t n)
{
	for (size_t i = 0; i < dirs->n; i++) {
		long version;

		if (*dirs->v[i] == 'v' && str_to_long(dirs->v[i] + 1, 1, INT32_MAX, &version) &&
		    !has_version(rows, n, version))
			add(all, 0, xstrdup("a release that the store does not know"),
			    root_release(root, app, version));
	}
}

static int find_releases(struct leftovers *all, struct store *st, const char *root, const char *app,
			 unsigned keep, struct strv *kept, struct err **e)
{
	_cleanup_(freep) char *parent = root_path(root, "releases/%s", app);
	_cleanup_(strv_done) struct strv dirs = { 0 };
	struct release_row *rows = NULL;
	size_t n = 0;
	int r = dir_list(parent, &dirs, e);

	if (r >= 0)
		r = store_release_list(st, app, &rows, &n, e);
	if (r >= 0)
		r = find_old_releases(all, st, root, rows, n, keep, kept, e);
	if (r >= 0)
		find_lost_releases(all, root, app, &dirs, rows, n);
	release_rows_free(rows, n);
	return r;
}

/* The directories in envs/APP/deps that no kept release shows in its sandbox. */
static int find_deps(struct leftovers *all, const char *root, const char *app, const struct strv *versions,
		     struct err **e)
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
			add(all, 0, xstrdup("dependencies that no release uses"), TAKE(path));
	}
	return r;
}

static int find_logs(struct leftovers *all, struct store *st, const char *root, const char *app,
		     struct err **e)
{
	struct deployment_row *rows = NULL;
	size_t n = 0;
	int r = store_deployment_list(st, app, 0, &rows, &n, e);

	for (size_t i = KEPT_LOGS; r >= 0 && i < n; i++) {
		_cleanup_(freep) char *log = root_deploy_log(root, app, (long) rows[i].id);

		if (file_exists(log))
			add(all, 0, xasprintf("the log of deployment %lld", (long long) rows[i].id),
			    TAKE(log));
	}
	deployment_rows_free(rows, n);
	return r;
}

/* Without a live release nothing but what has failed is too much. */
static int keep_of(const char *root, const struct app_row *app, unsigned *ret, struct err **e)
{
	_cleanup_(plan_done) struct plan plan = { 0 };
	_cleanup_(freep) char *dir = root_release(root, app->name, (long) app->live_version);
	_cleanup_(freep) char *path = path_join(dir, "plan.json");
	int r;

	*ret = UINT_MAX;
	if (!app->live_version)
		return 0;
	r = plan_read(&plan, path, e);
	*ret = plan.keep_releases;
	return r;
}

/* A deployment's release has no spec yet, its dependencies no release: whoever looks has to wait. */
static bool is_busy(struct store *st, const char *app)
{
	_cleanup_(deployment_row_done) struct deployment_row running = { 0 };

	return store_deployment_running(st, app, &running, NULL) >= 0;
}

int leftovers_find(struct leftovers *ret, struct store *st, const char *root, const struct app_row *app,
		   struct err **e)
{
	_cleanup_(strv_done) struct strv kept = { 0 };
	unsigned keep;
	int r;

	if (is_busy(st, app->name))
		return 1;
	r = keep_of(root, app, &keep, e);
	if (r >= 0)
		r = find_releases(ret, st, root, app->name, keep, &kept, e);
	if (r >= 0 && app->live_version)
		r = find_deps(ret, root, app->name, &kept, e);
	return r < 0 ? r : find_logs(ret, st, root, app->name, e);
}

int leftovers_find_lost(struct leftovers *ret, struct store *st, const char *root, struct err **e)
{
	static const char *const forms[] = { "releases/%s", "envs/%s/deps" };
	_cleanup_(freep) char *releases = root_path(root, "releases"), *envs = root_path(root, "envs");
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = dir_list(releases, &names, e);

	if (r >= 0)
		r = dir_list(envs, &names, e);
	strv_sort(&names);
	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		_cleanup_(app_row_done) struct app_row app = { 0 };
		int found = store_app_get(st, names.v[i], &app, NULL);

		if (found != ERR_NOT_FOUND || !app_name_is_legal(names.v[i]) ||
		    (i && str_eq(names.v[i], names.v[i - 1])))
			continue;
		for (size_t k = 0; k < COUNT(forms); k++) {
			const char *rest = strstr(forms[k], "%s") + 2;
			_cleanup_(freep) char *path = root_path(root, "%.*s%s%s", (int) (rest - 2 - forms[k]),
								forms[k], names.v[i], rest);

			if (is_dir(path))
				add(ret, 0, xstrdup("of an app that is not there"), TAKE(path));
		}
	}
	return r;
}

int leftover_remove(const struct leftover *l, struct store *st, const char *app, struct err **e)
{
	int r;

	if (app && is_busy(st, app))
		return err_set(e, -EBUSY, "a deployment of '%s' has begun: %s stays for now", app, l->path);
	r = tree_remove(l->path, e);
	crash_point("retain.middle");
	return r < 0 || !l->version ? r : store_release_remove(st, app, l->version, e);
}

void leftovers_done(struct leftovers *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->v[i].path);
		free(all->v[i].why);
	}
	free(all->v);
	*all = (struct leftovers){ 0 };
}

int deploy_retain(const char *root, const char *app, struct err **e)
{
	_cleanup_(freep) char *path = root_store(root);
	_cleanup_(store_close) struct store st = { 0 };
	_cleanup_(app_row_done) struct app_row row = { 0 };
	_cleanup_(leftovers_done) struct leftovers all = { 0 };
	int r = store_open(&st, path, false, e);

	if (r >= 0)
		r = store_app_get(&st, app, &row, e);
	if (r == ERR_NOT_FOUND) { /* destroyed meanwhile */
		if (e)
			*e = err_free(*e);
		return 0;
	}
	if (r >= 0 && row.live_version)
		r = leftovers_find(&all, &st, root, &row, e); /* busy: its own retirement comes back here */
	for (size_t i = 0; r >= 0 && i < all.n; i++)
		r = leftover_remove(&all.v[i], &st, app, e);
	return r == -EBUSY ? 0 : r < 0 ? r : 0;
}
