/* Rows for a store that is built anew from other files. */
#include <errno.h>

#include "store/store-internal.h"

#include "store/inspect.h"

int store_app_restore(struct store *st, const struct app_row *app, int64_t next_version, struct err **e)
{
	int r = store_run(
		st, e,
		"INSERT INTO app (name, source, is_stopped, live_version, live_deployment, next_version, "
		"created_at_s, is_held) VALUES (:name, :source, :stopped, :version, :deployment, :next, "
		":created, :held)",
		F(":name", app->name), F(":source", app->source), F(":stopped", app->is_stopped),
		F(":version", app->live_version), F(":deployment", app->live_deployment),
		F(":next", next_version), F(":created", app->created_at_s), F(":held", app->is_held));

	return r < 0 ? r : 0;
}

int store_release_restore(struct store *st, const struct release_row *release, bool serves_files,
			  struct err **e)
{
	int r = store_run(
		st, e,
		"INSERT INTO app_release (app, version, commit_id, state, runtime, made_by, created_at_s, "
		"serves_files) VALUES (:app, :version, :commit, :state, :runtime, :by, :created, :files)",
		F(":app", release->app), F(":version", release->version), F(":commit", release->commit),
		F(":state", release->state), F(":runtime", release->runtime), F(":by", release->by),
		F(":created", release->created_at_s), F(":files", serves_files));

	return r < 0 ? r : 0;
}

int store_deployment_restore(struct store *st, const struct deployment_row *d, struct err **e)
{
	int r = store_run(
		st, e,
		"INSERT OR IGNORE INTO deployment (id, app, kind, state, commit_id, ref, version, "
		"from_version, from_deployment, made_by, error, exit_status, created_ms, started_ms, "
		"ended_ms) VALUES (:id, :app, :kind, :state, :commit, :ref, :version, 0, 0, :by, :error, "
		":status, :created, :created, :created)",
		F(":id", d->id), F(":app", d->app), F(":kind", d->kind), F(":state", d->state),
		F(":commit", d->commit), F(":ref", d->ref), F(":version", d->version), F(":by", d->by),
		F(":error", d->error), F(":status", d->exit_status), F(":created", d->created_ms));

	return r < 0 ? r : 0;
}

int store_port_restore(struct store *st, const char *app, const char *service, unsigned ordinal,
		       unsigned slot, unsigned port, struct err **e)
{
	int r = store_run(st, e, "INSERT OR IGNORE INTO port VALUES (:app, :service, :ordinal, :slot, :port)",
			  F(":app", app), F(":service", service), F(":ordinal", ordinal), F(":slot", slot),
			  F(":port", port));

	return r < 0 ? r : 0;
}

/* AUTOINCREMENT keeps the highest number there was in a table of its own, without a key. */
int store_deployment_skip(struct store *st, int64_t last, struct err **e)
{
	int r = store_run(st, e, "DELETE FROM sqlite_sequence WHERE name = :name", F(":name", "deployment"));

	if (r >= 0)
		r = store_run(
			st, e,
			"INSERT INTO sqlite_sequence (name, seq) "
			"SELECT 'deployment', max(:last, coalesce((SELECT max(id) FROM deployment), 0))",
			F(":last", last));
	return r < 0 ? r : 0;
}

int store_settle(struct store *st, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_query(&q, st, e, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, 0);

	if (r >= 0)
		r = store_next(st, q, e);
	if (r < 0)
		return r;
	return sqlite3_column_int(q, 0) ? err_set(e, -EBUSY, "somebody else is using the new store") : 0;
}
