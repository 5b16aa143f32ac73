/* The tables, as a list of migrations: entry N leads from user_version N to N + 1. */
#include "store/store-internal.h"

static const char *const migrations[] = {
	/* 0 -> 1: the beginning. Deployments and events outlive their app: who destroyed it still wants the
	   outcome. */
	"CREATE TABLE app ("
	" name TEXT NOT NULL PRIMARY KEY,"
	" source TEXT NOT NULL,"
	" is_stopped INTEGER NOT NULL DEFAULT 0,"
	" live_version INTEGER NOT NULL DEFAULT 0,"
	" live_deployment INTEGER NOT NULL DEFAULT 0,"
	" next_version INTEGER NOT NULL DEFAULT 1,"
	" created_at_s INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

	"CREATE TABLE shared_path ("
	" app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,"
	" path TEXT NOT NULL,"
	" PRIMARY KEY (app, path)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE app_release ("
	" app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,"
	" version INTEGER NOT NULL,"
	" commit_id TEXT,"
	" state TEXT NOT NULL CHECK (state IN ('building', 'staged', 'live', 'old', 'failed')),"
	" runtime TEXT,"
	" made_by TEXT,"
	" created_at_s INTEGER NOT NULL,"
	" PRIMARY KEY (app, version)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE deployment ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" app TEXT NOT NULL,"
	" kind TEXT NOT NULL,"
	" state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'rolled back',"
	"  'superseded')),"
	" commit_id TEXT,"
	" ref TEXT,"
	" version INTEGER NOT NULL,"
	" from_version INTEGER NOT NULL,"
	" from_deployment INTEGER NOT NULL,"
	" made_by TEXT,"
	" fingerprint TEXT,"
	" push TEXT,"
	" args TEXT,"
	" error TEXT,"
	" exit_status INTEGER NOT NULL DEFAULT 0,"
	" superseded_by INTEGER NOT NULL DEFAULT 0,"
	" owner_pid INTEGER NOT NULL DEFAULT 0,"
	" owner_start INTEGER NOT NULL DEFAULT 0,"
	" step TEXT,"
	" created_ms INTEGER NOT NULL,"
	" started_ms INTEGER NOT NULL DEFAULT 0,"
	" ended_ms INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX deployment_app ON deployment(app, id);"
	"CREATE INDEX deployment_push ON deployment(push) WHERE push IS NOT NULL;"
	"CREATE INDEX deployment_unended ON deployment(state) WHERE state IN ('queued', 'running');"

	"CREATE TABLE step ("
	" id INTEGER PRIMARY KEY,"
	" deployment INTEGER NOT NULL REFERENCES deployment(id) ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" outcome TEXT CHECK (outcome IN ('done', 'failed', 'undone')),"
	" started_ms INTEGER NOT NULL,"
	" ended_ms INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE (deployment, name)) STRICT;"

	"CREATE TABLE instance ("
	" deployment INTEGER NOT NULL,"
	" app TEXT NOT NULL,"
	" service TEXT NOT NULL,"
	" ordinal INTEGER NOT NULL,"
	" version INTEGER NOT NULL,"
	" port INTEGER NOT NULL,"
	" pid INTEGER NOT NULL,"
	" pid_start INTEGER NOT NULL,"
	" boot TEXT,"
	" started_at_s INTEGER NOT NULL,"
	" restarts INTEGER NOT NULL,"
	" last_status INTEGER NOT NULL,"
	" is_stopping INTEGER NOT NULL,"
	" PRIMARY KEY (app, service, ordinal, deployment)) STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX instance_key ON instance(deployment, service, ordinal);"

	"CREATE TABLE port ("
	" app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,"
	" service TEXT NOT NULL,"
	" ordinal INTEGER NOT NULL,"
	" slot INTEGER NOT NULL,"
	" port INTEGER NOT NULL UNIQUE,"
	" PRIMARY KEY (app, service, ordinal, slot)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE event ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" at_s INTEGER NOT NULL,"
	" app TEXT,"
	" who TEXT,"
	" what TEXT NOT NULL,"
	" detail TEXT,"
	" result TEXT) STRICT;"
	"CREATE INDEX event_app ON event(app, id);",
	/* 1 -> 2: whether a release without instances serves anything, for listings that read no plan. */
	"ALTER TABLE app_release ADD COLUMN serves_files INTEGER NOT NULL DEFAULT 0;",
	/* 2 -> 3: `hold`. */
	"ALTER TABLE app ADD COLUMN is_held INTEGER NOT NULL DEFAULT 0;",
	/* 3 -> 4: schedules. An instance with a run ends for good instead of being started again. */
	"ALTER TABLE instance ADD COLUMN run INTEGER NOT NULL DEFAULT 0;"

	"CREATE TABLE schedule ("
	" app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,"
	" service TEXT NOT NULL,"
	" is_suspended INTEGER NOT NULL,"
	" next_s INTEGER NOT NULL,"
	" PRIMARY KEY (app, service)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE run ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,"
	" service TEXT NOT NULL,"
	" version INTEGER NOT NULL,"
	" scheduled_for_s INTEGER NOT NULL,"
	" started_at_s INTEGER NOT NULL,"
	" ended_at_s INTEGER NOT NULL,"
	" exit_status INTEGER NOT NULL,"
	" outcome TEXT NOT NULL) STRICT;"
	"CREATE INDEX run_service ON run(app, service, id);"
	"CREATE UNIQUE INDEX run_time ON run(app, service, scheduled_for_s) WHERE scheduled_for_s > 0;",
	/* users of apps; they outlive their app, as its data does */
	"CREATE TABLE app_user ("
	" uid INTEGER NOT NULL PRIMARY KEY,"
	" app TEXT NOT NULL UNIQUE,"
	" active INTEGER NOT NULL,"
	" before INTEGER NOT NULL) STRICT;",
};

int store_read_version(struct store *st, int *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_query(&q, st, e, "PRAGMA user_version", NULL, 0);

	if (r >= 0)
		r = store_next(st, q, e);
	if (r < 0)
		return r;
	*ret = sqlite3_column_int(q, 0);
	return 0;
}

static int run_script(struct store *st, const char *sql, struct err **e)
{
	int rc = sqlite3_exec(st->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_error(st, rc, sql, e);
}

/* In one transaction; the version is read again in it, as another process may have been faster. */
static int migrate(struct store *st, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int version = 0, r = tx_begin(&tx, st, e);

	if (r >= 0)
		r = store_read_version(st, &version, e);
	for (size_t i = (size_t) version; r >= 0 && i < COUNT(migrations); i++) {
		_cleanup_(freep) char *mark = xasprintf("PRAGMA user_version=%zu", i + 1);

		r = run_script(st, migrations[i], e);
		if (r >= 0)
			r = run_script(st, mark, e);
	}
	return r >= 0 ? tx_commit(&tx, e) : r;
}

int store_judge_version(struct store *st, int version, bool may_migrate, struct err **e)
{
	const char *file = sqlite3_db_filename(st->db, "main");

	if (version > (int) COUNT(migrations))
		return err_set(e, ERR_REFUSED,
			       "%s is of schema version %d, this slipway knows %zu: use the newer slipway "
			       "that wrote it",
			       file, version, COUNT(migrations));
	if (version == 0 && !may_migrate)
		return err_set(e, ERR_MISSING,
			       "%s is empty: start slipwayd, which makes it; when there are apps, `slipway "
			       "recover` does",
			       file);
	if (version < (int) COUNT(migrations) && !may_migrate)
		return err_set(e, ERR_REFUSED,
			       "%s is of schema version %d, this slipway needs %zu: restart slipwayd, which "
			       "migrates it",
			       file, version, COUNT(migrations));
	return 0;
}

int store_migrate(struct store *st, bool may_create, struct err **e)
{
	int version = 0, r = store_read_version(st, &version, e);

	if (r < 0 || version == (int) COUNT(migrations))
		return r;
	r = store_judge_version(st, version, may_create, e);
	if (r >= 0)
		r = run_script(st, "PRAGMA journal_mode=WAL", e);
	return r < 0 ? r : migrate(st, e);
}

int store_schema(void)
{
	return (int) COUNT(migrations);
}
