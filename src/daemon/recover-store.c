/* Recovery: the new store's rows, in one transaction. */
#include <inttypes.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "check/check.h"
#include "daemon/recover-internal.h"
#include "plan/name.h"
#include "plan/root.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/inspect.h"
#include "store/instance.h"
#include "store/port.h"
#include "store/run.h"
#include "store/user.h"

struct writing {
	struct found *f;
	struct store st;
	char *boot;
	int64_t last; /* the highest number of a deployment so far */
};

/* ---- releases and deployments ---- */

/* The deployment that made it, so that its log is found and a push of the same commit is known. */
static int write_deployment(struct writing *w, const struct found_app *app,
			    const struct found_release *release, struct err **e)
{
	struct deployment_row row = { .id = release->deployment,
				      .app = app->name,
				      .kind = (char *) "deploy",
				      .state = (char *) "succeeded",
				      .commit = release->commit,
				      .version = release->version,
				      .by = release->by,
				      .created_ms = release->created_at_s * 1000 };

	return store_deployment_restore(&w->st, &row, e);
}

static const char *state_of(const struct found_app *app, const struct found_release *release)
{
	return release->version == app->live ? "live" : release->is_staged ? "staged" : "old";
}

static int write_release(struct writing *w, const struct found_app *app, const struct found_release *release,
			 struct err **e)
{
	struct release_row row = { .app = app->name,
				   .version = release->version,
				   .commit = release->commit,
				   .state = (char *) state_of(app, release),
				   .runtime = release->runtime,
				   .by = release->by,
				   .created_at_s = release->created_at_s };
	int r = store_release_restore(&w->st, &row, release->serves_files, e);

	return r < 0 ? r : write_deployment(w, app, release, e);
}

static bool knows_commit(const struct found_app *app, const char *commit)
{
	for (size_t i = 0; i < app->n_releases; i++)
		if (!app->releases[i].commit || str_eq(app->releases[i].commit, commit))
			return true;
	return app->n_releases == 0 && !commit;
}

/* What was pushed last made no release: whether it failed or never began, nobody knows any more. */
static int write_pushed(struct writing *w, struct found_app *app, struct err **e)
{
	struct deployment_row row = {
		.app = app->name,
		.kind = (char *) "deploy",
		.state = (char *) "failed",
		.commit = app->pushed,
		.ref = app->pushed_ref,
		.by = (char *) "recover",
		.error = (char *) "what became of it was lost with the store",
		.exit_status = 1,
		.created_ms = now_ms(),
	};

	if (!app->pushed || knows_commit(app, app->pushed))
		return 0;
	row.id = ++w->last;
	strv_addf(&app->notes, "the last push (%.12s) is not deployed: slipway deploy %s --force",
		  app->pushed, app->name);
	return store_deployment_restore(&w->st, &row, e);
}

static int write_app(struct writing *w, struct found_app *app, struct err **e)
{
	long top = app->n_releases ? app->releases[app->n_releases - 1].version : 0;
	struct app_row row = { .name = app->name,
			       .source = (char *) "push",
			       .is_stopped = app->is_stopped,
			       .is_held = app->is_held,
			       .live_version = app->live,
			       .created_at_s = app->created_at_s };

	for (size_t i = 0; i < app->n_releases; i++) {
		if (!app->releases[i].deployment) /* of an older slipway */
			app->releases[i].deployment = (long) ++w->last;
		if (app->releases[i].version == app->live)
			row.live_deployment = app->generation = app->releases[i].deployment;
	}
	int r = store_app_restore(&w->st, &row, (top > app->live ? top : app->live) + 1, e);
	for (size_t i = 0; r >= 0 && i < app->n_releases; i++)
		r = write_release(w, app, &app->releases[i], e);
	if (r >= 0)
		r = write_pushed(w, app, e);
	for (size_t i = 0; r >= 0 && i < app->shared.n; i++)
		r = store_shared_add(&w->st, app->name, app->shared.v[i], e);
	for (size_t i = 0; r >= 0 && i < app->suspended.n; i++)
		r = store_schedule_put(&w->st,
				       &(struct schedule_row){ app->name, app->suspended.v[i], true, 0 }, e);
	return r;
}

/* ---- instances ---- */

static int put_instance(struct writing *w, const struct found_instance *i, int64_t deployment, int64_t run,
			struct err **e)
{
	struct instance_row row = { .deployment = deployment,
				    .app = i->app,
				    .service = i->service,
				    .ordinal = i->ordinal,
				    .version = i->version,
				    .port = i->port,
				    .pid = i->pid,
				    .pid_start = i->start,
				    .boot = w->boot,
				    .started_at_s = i->started_at_s,
				    .run = run };

	return store_instance_put(&w->st, &row, e);
}

static int put_run(struct writing *w, const struct found_instance *i, int64_t deployment, struct err **e)
{
	struct run_row run = { .app = i->app,
			       .service = i->service,
			       .version = i->version,
			       .started_at_s = i->started_at_s,
			       .outcome = (char *) "running" };
	int r = store_run_add(&w->st, &run, e);

	return r < 0 ? r : put_instance(w, i, deployment, run.id, e);
}

static const struct plan_service *service_of(const struct found_app *app, const char *name)
{
	return app->has_plan ? plan_find_service((struct plan *) &app->plan, name) : NULL;
}

static int write_taken(struct writing *w, const struct found_app *app, const struct found_instance *i,
		       struct err **e)
{
	const struct plan_service *s = service_of(app, i->service);
	int r;

	if (s && s->kind == SERVICE_CRON)
		return put_run(w, i, app->generation, e);
	r = put_instance(w, i, app->generation, 0, e);
	if (r >= 0 && s && s->is_routed && i->port && !app->plan.fixed_port)
		r = store_port_restore(&w->st, app->name, i->service, i->ordinal, 0, i->port, e);
	return r;
}

static const struct found_instance *taken(const struct found *f, const char *app, const char *service,
					  unsigned ordinal)
{
	for (size_t i = 0; i < f->n_instances; i++)
		if (f->instances[i].is_taken && f->instances[i].ordinal == ordinal &&
		    str_eq(f->instances[i].app, app) && str_eq(f->instances[i].service, service))
			return &f->instances[i];
	return NULL;
}

static bool is_used(const struct found *f, const char *app, unsigned port)
{
	for (size_t i = 0; i < f->n_instances; i++)
		if (f->instances[i].is_taken && f->instances[i].port == port &&
		    str_eq(f->instances[i].app, app))
			return true;
	return false;
}

/* One that nginx leads to and that nobody has, else a new one. */
static int missing_port(struct writing *w, struct found_app *app, const struct plan_service *s,
			unsigned ordinal, unsigned *port, struct err **e)
{
	*port = 0;
	if (!s->is_routed)
		return 0;
	if (app->plan.fixed_port) {
		*port = app->plan.fixed_port;
		return 0;
	}
	for (size_t i = 0; i < app->n_ports && !*port; i++)
		if (app->ports[i] && !is_used(w->f, app->name, app->ports[i])) {
			*port = app->ports[i];
			app->ports[i] = 0;
		}
	if (*port)
		return store_port_restore(&w->st, app->name, s->name, ordinal, 0, *port, e);
	strv_addf(&app->notes, "%s.%u has a new port: slipway restart %s lets nginx know", s->name, ordinal,
		  app->name);
	return store_port_get(&w->st, app->name, s->name, ordinal, 0, w->f->host.port_first,
			      w->f->host.port_last, check_port_is_free, port, e);
}

/* What should run and does not, for slipwayd to start. */
static int write_missing(struct writing *w, struct found_app *app, const struct plan_service *s,
			 struct err **e)
{
	int r = 0;

	for (unsigned ordinal = 1; r >= 0 && ordinal <= s->instances; ordinal++) {
		struct found_instance i = {
			.app = app->name, .service = s->name, .ordinal = ordinal, .version = app->live
		};

		if (taken(w->f, app->name, s->name, ordinal))
			continue;
		r = missing_port(w, app, s, ordinal, &i.port, e);
		if (r >= 0)
			r = put_instance(w, &i, app->generation, 0, e);
	}
	return r;
}

static int write_instances(struct writing *w, struct found_app *app, struct err **e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < w->f->n_instances; i++)
		if (w->f->instances[i].is_taken && str_eq(w->f->instances[i].app, app->name))
			r = write_taken(w, app, &w->f->instances[i], e);
	for (size_t i = 0; r >= 0 && app->has_plan && !app->is_stopped && i < app->plan.n_services; i++) {
		const struct plan_service *s = &app->plan.services[i];

		if (service_is_kept(s->kind))
			r = write_missing(w, app, s, e);
	}
	return r;
}

/* Is there another process of this name that slipwayd began? Then what is left of a session is the app's own.
 */
static bool has_leader(const struct found *f, const struct found_instance *i)
{
	for (size_t k = 0; k < f->n_instances; k++)
		if (!f->instances[k].is_orphan && f->instances[k].ordinal == i->ordinal &&
		    str_eq(f->instances[k].app, i->app) && str_eq(f->instances[k].service, i->service))
			return true;
	return false;
}

/* Or a double of one that goes on: the same release, the same port. */
static bool is_the_apps_own(const struct found *f, const struct found_instance *i)
{
	const struct found_instance *t = taken(f, i->app, i->service, i->ordinal);

	return i->is_orphan ? has_leader(f, i) : t && t->version == i->version && t->port == i->port;
}

static bool is_first_of_session(const struct found *f, const struct found_instance *i)
{
	for (const struct found_instance *at = f->instances; at < i; at++)
		if (at->pid == i->pid)
			return false;
	return true;
}

/* Of a release that does not live any more, or not yet, or without its first process: slipwayd ends them, as
 * instances of nobody's. */
static int write_rest(struct writing *w, struct err **e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < w->f->n_instances; i++) {
		const struct found_instance *one = &w->f->instances[i];

		if (!one->is_taken && !is_the_apps_own(w->f, one) && is_first_of_session(w->f, one))
			r = put_instance(w, one, ++w->last, 0, e);
	}
	return r;
}

/* ---- users ---- */

static bool is_app(const struct found *f, const char *name)
{
	for (size_t i = 0; i < f->n_apps; i++)
		if (str_eq(f->apps[i].name, name))
			return true;
	return false;
}

/* data/APP belongs to the app's user; what was destroyed and left its data keeps it from others. */
static int write_users(struct writing *w, struct err **e)
{
	_cleanup_(freep) char *parent = root_path(w->f->root, "data");
	_cleanup_(strv_done) struct strv names = { 0 };
	unsigned first, last;
	int r = host_users(&w->f->host, &first, &last) ? dir_list(parent, &names, e) : 0;

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(parent, names.v[i]);
		struct stat st;

		if (app_name_is_legal(names.v[i]) && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
		    st.st_uid >= first && st.st_uid <= last)
			r = store_user_restore(&w->st, names.v[i], st.st_uid,
					       is_app(w->f, names.v[i]) ? st.st_uid : 0, e);
	}
	return r;
}

/* ---- all of it ---- */

static void find_last(struct writing *w)
{
	for (size_t i = 0; i < w->f->n_apps; i++) {
		const struct found_app *app = &w->f->apps[i];

		if (app->last_deployment > w->last)
			w->last = app->last_deployment;
		for (size_t k = 0; k < app->n_releases; k++)
			if (app->releases[k].deployment > w->last)
				w->last = app->releases[k].deployment;
	}
}

static int write_store(struct writing *w, const char *by, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r = tx_begin(&tx, &w->st, e);

	find_last(w);
	for (size_t i = 0; r >= 0 && i < w->f->n_apps; i++) {
		r = write_app(w, &w->f->apps[i], e);
		if (r >= 0)
			r = write_instances(w, &w->f->apps[i], e);
		if (r >= 0)
			r = store_event_add(&w->st, w->f->apps[i].name, by, "recover", NULL, "succeeded", e);
		if (r < 0)
			return err_wrap(e, r, "'%s'", w->f->apps[i].name);
	}
	if (r >= 0)
		r = write_users(w, e);
	if (r >= 0)
		r = write_rest(w, e);
	if (r >= 0)
		r = store_deployment_skip(&w->st, w->last, e);
	return r < 0 ? r : tx_commit(&tx, e);
}

int recover_write(struct found *f, const char *path, const char *by, struct err **e)
{
	_cleanup_(freep) char *boot = boot_id();
	struct writing w = { .f = f, .boot = boot };
	int r = store_open(&w.st, path, true, e);

	if (r >= 0)
		r = write_store(&w, by, e);
	if (r >= 0)
		r = store_settle(&w.st, e);
	store_close(&w.st);
	return r;
}
