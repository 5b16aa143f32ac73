/* Releases in the store: their numbers, which are never used twice, and which one is live. */
#include "store/release.h"

#include "base/clock.h"
#include "store/store-internal.h"

#define SELECT_RELEASE                                                                                       \
	"SELECT app, version, commit_id, state, runtime, made_by, created_at_s FROM app_release "

static void read_row(sqlite3_stmt *q, struct release_row *ret)
{
	*ret = (struct release_row){
		.app = store_text(q, 0),
		.version = sqlite3_column_int64(q, 1),
		.commit = store_text(q, 2),
		.state = store_text(q, 3),
		.runtime = store_text(q, 4),
		.by = store_text(q, 5),
		.created_at_s = sqlite3_column_int64(q, 6),
	};
}

static int not_found(const char *app, int64_t version, struct err **e)
{
	return err_set(e, ERR_NOT_FOUND, "app '%s' has no release v%lld; `slipway releases %s` lists them",
		       app, (long long) version, app);
}

/* The counter is on the app's row, so that a removed release's number stays used. */
static int next_version(struct store *st, const char *app, int64_t *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e,
			     "UPDATE app SET next_version = next_version + 1 WHERE name = :app "
			     "RETURNING next_version - 1",
			     F(":app", app));

	if (r >= 0)
		r = store_next(st, q, e);
	if (r == 0)
		return err_set(e, ERR_NOT_FOUND, "app '%s' not found", app);
	if (r < 0)
		return r;
	*ret = sqlite3_column_int64(q, 0);
	r = store_next(st, q, e);
	return r < 0 ? r : 0;
}

int store_release_add(struct store *st, const char *app, const char *commit, const char *by, int64_t *version,
		      struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int64_t next = 0;
	int r = tx_begin(&tx, st, e);

	if (r >= 0)
		r = next_version(st, app, &next, e);
	if (r >= 0)
		r = store_run(
			st, e,
			"INSERT INTO app_release (app, version, commit_id, state, made_by, created_at_s) "
			"VALUES (:app, :version, :commit, 'building', :by, :now)",
			F(":app", app), F(":version", next), F(":commit", commit), F(":by", by),
			F(":now", now_s()));
	if (r >= 0)
		r = tx_commit(&tx, e);
	if (r < 0)
		return r;
	*version = next;
	return 0;
}

int store_release_get(struct store *st, const char *app, int64_t version, struct release_row *ret,
		      struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e, SELECT_RELEASE "WHERE app = :app AND version = :version",
			     F(":app", app), F(":version", version));

	if (r >= 0)
		r = store_next(st, q, e);
	if (r <= 0)
		return r < 0 ? r : not_found(app, version, e);
	read_row(q, ret);
	return 0;
}

int store_release_list(struct store *st, const char *app, struct release_row **ret, size_t *n, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	struct release_row *rows = NULL;
	size_t count = 0;
	int r = store_select(&q, st, e, SELECT_RELEASE "WHERE app = :app ORDER BY version DESC",
			     F(":app", app));

	while (r >= 0 && (r = store_next(st, q, e)) > 0)
		read_row(q, GROW(&rows, &count));
	if (r < 0) {
		release_rows_free(rows, count);
		return r;
	}
	*ret = rows;
	*n = count;
	return 0;
}

int store_release_set_state(struct store *st, const char *app, int64_t version, const char *state,
			    struct err **e)
{
	int r = store_run(st, e,
			  "UPDATE app_release SET state = :state WHERE app = :app AND version = :version",
			  F(":state", state), F(":app", app), F(":version", version));

	return r == 0 ? not_found(app, version, e) : r < 0 ? r : 0;
}

int store_release_set_runtime(struct store *st, const char *app, int64_t version, const char *runtime,
			      bool serves_files, struct err **e)
{
	int r = store_run(st, e,
			  "UPDATE app_release SET runtime = :runtime, serves_files = :files "
			  "WHERE app = :app AND version = :version",
			  F(":runtime", runtime), F(":files", serves_files), F(":app", app),
			  F(":version", version));

	return r == 0 ? not_found(app, version, e) : r < 0 ? r : 0;
}

int store_release_go_live(struct store *st, const char *app, int64_t version, int64_t deployment,
			  struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r = tx_begin(&tx, st, e);

	if (r >= 0)
		r = store_run(st, e,
			      "UPDATE app_release SET state = 'old' "
			      "WHERE app = :app AND state = 'live' AND version <> :version",
			      F(":app", app), F(":version", version));
	if (r >= 0)
		r = store_release_set_state(st, app, version, "live", e);
	if (r >= 0)
		r = store_run(st, e,
			      "UPDATE app SET live_version = :version, live_deployment = :deployment WHERE "
			      "name = :app",
			      F(":version", version), F(":deployment", deployment), F(":app", app));
	return r < 0 ? r : tx_commit(&tx, e);
}

int store_release_remove(struct store *st, const char *app, int64_t version, struct err **e)
{
	int r = store_run(st, e, "DELETE FROM app_release WHERE app = :app AND version = :version",
			  F(":app", app), F(":version", version));

	return r < 0 ? r : 0;
}

void release_row_done(struct release_row *row)
{
	free(row->app);
	free(row->commit);
	free(row->state);
	free(row->runtime);
	free(row->by);
	*row = (struct release_row){ 0 };
}

void release_rows_free(struct release_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		release_row_done(&rows[i]);
	free(rows);
}
