/* Recovery: the apps, their settings and releases, as the root's files have them. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "daemon/recover-internal.h"
#include "plan/mark.h"
#include "plan/name.h"
#include "plan/origin.h"
#include "plan/root.h"
#include "plan/spec.h"
#include "source/git.h"

enum { DEEPEST = 64, CONF_BYTES = 4 << 20 };

static int64_t changed_at_s(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mtim.tv_sec : now_s();
}

static void note(struct found_app *app, const char *what, struct err **why)
{
	_cleanup_(freep) char *text = err_text(*why);

	strv_addf(&app->notes, "%s: %s", what, text);
	*why = err_free(*why);
}

/* ---- releases ---- */

static void take_origin(struct found_release *release, const struct origin *o)
{
	release->commit = xstrdup(o->commit);
	release->by = xstrdup(o->made_by);
	release->deployment = o->deployment;
	release->created_at_s = o->created_at_s;
}

/* Without an origin it is of an older slipway, when one after it lives, or was never finished. */
static void read_release(const struct found *f, struct found_app *app, long version)
{
	_cleanup_(freep) char *dir = root_release(f->root, app->name, version),
			      *path = path_join(dir, "plan.json"),
			      *what = xasprintf("v%ld is left out", version);
	_cleanup_(origin_done) struct origin origin = { 0 };
	_cleanup_(plan_done) struct plan plan = { 0 };
	_cleanup_(spec_done) struct spec spec = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	bool has_origin = origin_read(&origin, f->root, app->name, version, NULL) >= 0;
	int r = plan_read(&plan, path, &e);

	if (r >= 0)
		r = spec_read(&spec, f->root, app->name, version, &e);
	if (r >= 0 && !has_origin && version > app->live)
		r = err_set(&e, ERR_REFUSED, "it was never finished");
	if (r < 0 && version != app->live) {
		note(app, what, &e);
		return;
	}
	if (r < 0)
		note(app, "the live release goes on, and cannot be deployed over until this is put right",
		     &e);
	struct found_release *release = GROW(&app->releases, &app->n_releases);

	*release = (struct found_release){ .version = version, .created_at_s = changed_at_s(path) };
	if (has_origin)
		take_origin(release, &origin);
	release->runtime = xstrdup(plan.runtime);
	release->serves_files = plan_serves_files(&plan);
	release->is_staged = version > app->live && !plan.is_auto_restart;
	if (version == app->live && r >= 0) {
		app->plan = plan;
		app->has_plan = true;
		plan = (struct plan){ 0 };
	}
}

static int by_version(const void *a, const void *b)
{
	long x = *(const long *) a, y = *(const long *) b;

	return (x > y) - (x < y);
}

static int read_releases(const struct found *f, struct found_app *app, struct err **e)
{
	_cleanup_(freep) char *dir = root_path(f->root, "releases/%s", app->name);
	_cleanup_(strv_done) struct strv names = { 0 };
	_cleanup_(freep) long *versions = NULL;
	size_t n = 0;
	int r = dir_list(dir, &names, e);

	for (size_t i = 0; r >= 0 && i < names.n; i++)
		if (recover_version(names.v[i]))
			*GROW(&versions, &n) = recover_version(names.v[i]);
	if (n)
		qsort(versions, n, sizeof *versions, by_version);
	for (size_t i = 0; i < n; i++)
		read_release(f, app, versions[i]);
	return r;
}

static void read_live(const struct found *f, struct found_app *app)
{
	_cleanup_(freep) char *link = root_path(f->root, "apps/%s", app->name);
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof target - 1);

	if (n <= 0)
		return;
	target[n] = '\0';
	_cleanup_(freep) char *dir = NULL;
	long version;

	if (!recover_live_link(target, app->name, &version))
		return;
	dir = root_release(f->root, app->name, version);
	if (is_dir(dir))
		app->live = version;
	else
		strv_addf(&app->notes, "its live release v%ld is gone", version);
}

/* ---- what the app shares between releases: links from the code ---- */

static void find_links(struct found_app *app, const char *dir, const char *shared, const char *below,
		       int depth)
{
	_cleanup_(strv_done) struct strv names = { 0 };

	if (depth > DEEPEST || dir_list(dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(dir, names.v[i]),
				      *name = *below ? path_join(below, names.v[i]) : xstrdup(names.v[i]);
		char target[PATH_MAX];
		struct stat st;

		if (lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			find_links(app, path, shared, name, depth + 1);
		if (!S_ISLNK(st.st_mode))
			continue;
		ssize_t n = readlink(path, target, sizeof target - 1);

		target[n > 0 ? n : 0] = '\0';
		if (str_starts(target, shared) && str_eq(target + strlen(shared), name))
			STRV_ADD(&app->shared, name);
	}
}

/* ---- the rest ---- */

static void read_marks(const struct found *f, struct found_app *app)
{
	_cleanup_(freep) char *dir = root_path(f->root, "config/%s", app->name);
	_cleanup_(strv_done) struct strv names = { 0 };

	app->is_stopped = mark_is_set(f->root, app->name, MARK_STOPPED);
	app->is_held = mark_is_set(f->root, app->name, MARK_HELD);
	(void) dir_list(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		const char *service = names.v[i] + strlen(MARK_SUSPENDED);

		if (str_starts(names.v[i], MARK_SUSPENDED) && service_name_is_legal(service))
			STRV_ADD(&app->suspended, service);
	}
}

static void read_ports(const struct found *f, struct found_app *app)
{
	_cleanup_(freep) char *path = root_path(f->root, "nginx/%s.conf", app->name), *text = NULL;

	if (file_read(path, CONF_BYTES, &text, NULL, NULL) >= 0)
		recover_nginx_ports(text, &app->ports, &app->n_ports);
}

static void read_logs(const struct found *f, struct found_app *app)
{
	_cleanup_(freep) char *dir = root_path(f->root, "logs/%s", app->name);
	_cleanup_(strv_done) struct strv names = { 0 };

	(void) dir_list(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++)
		if (recover_log_number(names.v[i]) > app->last_deployment)
			app->last_deployment = recover_log_number(names.v[i]);
}

static int read_app(struct found *f, const char *name, struct err **e)
{
	_cleanup_(freep) char *repo = root_repo(f->root, name),
			      *shared = root_path(f->root, "data/%s/shared/", name);
	struct found_app *app = GROW(&f->apps, &f->n_apps);

	app->name = xstrdup(name);
	app->created_at_s = changed_at_s(repo);
	read_live(f, app);
	int r = read_releases(f, app, e);

	if (r < 0)
		return err_wrap(e, r, "reading the releases of '%s'", name);
	(void) git_pushed(f->root, name, &app->pushed, &app->pushed_ref, NULL);
	read_marks(f, app);
	read_ports(f, app);
	read_logs(f, app);
	if (app->live) {
		_cleanup_(freep) char *release = root_release(f->root, name, app->live),
				      *src = path_join(release, "src");

		find_links(app, src, shared, "", 0);
	}
	if (app->n_releases && app->releases[0].created_at_s < app->created_at_s)
		app->created_at_s = app->releases[0].created_at_s;
	return 0;
}

/* An app has a repository that was pushed to, or releases. */
static bool is_app(const char *root, const char *name)
{
	_cleanup_(freep) char *releases = root_path(root, "releases/%s", name);

	return app_name_is_legal(name) &&
	       (is_dir(releases) || (git_repo_exists(root, name) && git_repo_has_refs(root, name, NULL) > 0));
}

int recover_read_files(struct found *f, struct err **e)
{
	static const char *const dirs[] = { "repos", "releases" };
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = host_read(&f->host, f->root, e);

	for (size_t i = 0; r >= 0 && i < COUNT(dirs); i++) {
		_cleanup_(freep) char *path = root_path(f->root, "%s", dirs[i]);

		r = dir_list(path, &names, e);
	}
	strv_sort(&names);
	for (size_t i = 0; r >= 0 && i < names.n; i++)
		if ((i == 0 || !str_eq(names.v[i], names.v[i - 1])) && is_app(f->root, names.v[i]))
			r = read_app(f, names.v[i], e);
	return r;
}

static void app_done(struct found_app *app)
{
	for (size_t i = 0; i < app->n_releases; i++) {
		free(app->releases[i].commit);
		free(app->releases[i].by);
		free(app->releases[i].runtime);
	}
	free(app->releases);
	free(app->name);
	free(app->pushed);
	free(app->pushed_ref);
	free(app->ports);
	plan_done(&app->plan);
	strv_done(&app->suspended);
	strv_done(&app->shared);
	strv_done(&app->notes);
}

void found_done(struct found *f)
{
	for (size_t i = 0; i < f->n_apps; i++)
		app_done(&f->apps[i]);
	for (size_t i = 0; i < f->n_instances; i++) {
		free(f->instances[i].app);
		free(f->instances[i].service);
	}
	free(f->apps);
	free(f->instances);
	host_done(&f->host);
	*f = (struct found){ 0 };
}
