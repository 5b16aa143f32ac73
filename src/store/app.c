/* Apps in the store, and the paths beside their code that they share between releases. */
#include "store/app.h"

#include "base/clock.h"
#include "store/store-internal.h"

#define SELECT_APP                                                                                           \
	"SELECT name, source, is_stopped, live_version, live_deployment, d.id, d.state, a.created_at_s, "    \
	"r.serves_files, is_held FROM app a "                                                                \
	"LEFT JOIN deployment d ON d.id = (SELECT max(id) FROM deployment WHERE app = name) "                \
	"LEFT JOIN app_release r ON r.app = name AND r.version = live_version "

static void read_row(sqlite3_stmt *q, struct app_row *ret)
{
	*ret = (struct app_row){
		.name = store_text(q, 0),
		.source = store_text(q, 1),
		.is_stopped = sqlite3_column_int(q, 2),
		.live_version = sqlite3_column_int64(q, 3),
		.live_deployment = sqlite3_column_int64(q, 4),
		.last_deployment = sqlite3_column_int64(q, 5),
		.last_state = store_text(q, 6),
		.created_at_s = sqlite3_column_int64(q, 7),
		.serves_files = sqlite3_column_int(q, 8),
		.is_held = sqlite3_column_int(q, 9),
	};
}

int store_app_add(struct store *st, const char *name, const char *source, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int added, r = tx_begin(&tx, st, e);

	if (r < 0)
		return r;
	added = store_run(st, e,
			  "INSERT INTO app (name, source, created_at_s) VALUES (:name, :source, :now) "
			  "ON CONFLICT (name) DO NOTHING",
			  F(":name", name), F(":source", source), F(":now", now_s()));
	if (added <= 0)
		return added;
	/* What a former app of this name left (the deployment that destroyed it) is not this one's history.
	 */
	r = store_run(st, e, "DELETE FROM deployment WHERE app = :name", F(":name", name));
	if (r >= 0)
		r = tx_commit(&tx, e);
	return r < 0 ? r : 1;
}

static int not_found(struct store *st, const char *name, struct err **e)
{
	_cleanup_(strv_done) struct strv names = { 0 };
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	const char *near = NULL;
	int r = store_query(&q, st, NULL, "SELECT name FROM app", NULL, 0);

	while (r >= 0 && (r = store_next(st, q, NULL)) > 0)
		strv_push(&names, store_text(q, 0));
	if (names.n)
		near = str_nearest(name, (const char *const *) names.v, names.n);
	if (near)
		return err_set(e, ERR_NOT_FOUND, "app '%s' not found; did you mean '%s'?", name, near);
	return err_set(e, ERR_NOT_FOUND, "app '%s' not found", name);
}

int store_app_get(struct store *st, const char *name, struct app_row *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e, SELECT_APP "WHERE name = :name", F(":name", name));

	if (r >= 0)
		r = store_next(st, q, e);
	if (r <= 0)
		return r < 0 ? r : not_found(st, name, e);
	read_row(q, ret);
	return 0;
}

int store_app_list(struct store *st, struct app_row **ret, size_t *n, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	struct app_row *rows = NULL;
	size_t count = 0;
	int r = store_query(&q, st, e, SELECT_APP "ORDER BY name", NULL, 0);

	while (r >= 0 && (r = store_next(st, q, e)) > 0)
		read_row(q, GROW(&rows, &count));
	if (r < 0) {
		app_rows_free(rows, count);
		return r;
	}
	*ret = rows;
	*n = count;
	return 0;
}

int store_app_set_stopped(struct store *st, const char *name, bool is_stopped, struct err **e)
{
	int r = store_run(st, e, "UPDATE app SET is_stopped = :stopped WHERE name = :name",
			  F(":stopped", is_stopped), F(":name", name));

	return r == 0 ? not_found(st, name, e) : r < 0 ? r : 0;
}

int store_app_set_held(struct store *st, const char *name, bool is_held, struct err **e)
{
	int r = store_run(st, e, "UPDATE app SET is_held = :held WHERE name = :name", F(":held", is_held),
			  F(":name", name));

	return r == 0 ? not_found(st, name, e) : r < 0 ? r : 0;
}

int store_app_remove(struct store *st, const char *name, struct err **e)
{
	static const char *const statements[] = {
		"DELETE FROM instance WHERE app = :name",
		/* The one that removes the app is still running; it ends after this, for whoever follows it.
		 */
		"DELETE FROM deployment WHERE app = :name AND state NOT IN ('queued', 'running')",
		"UPDATE deployment SET state = 'failed', error = 'the app was destroyed meanwhile', "
		"exit_status = 1,"
		" ended_ms = created_ms WHERE app = :name AND state = 'queued'",
		"DELETE FROM app WHERE name = :name", /* and, by foreign keys, its releases, ports and shared
							 paths */
	};
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r = tx_begin(&tx, st, e);

	for (size_t i = 0; r >= 0 && i < COUNT(statements); i++)
		r = store_run(st, e, statements[i], F(":name", name));
	return r < 0 ? r : tx_commit(&tx, e);
}

int store_shared_add(struct store *st, const char *app, const char *path, struct err **e)
{
	int r = store_run(st, e, "INSERT INTO shared_path VALUES (:app, :path) ON CONFLICT DO NOTHING",
			  F(":app", app), F(":path", path));

	return r < 0 ? r : 0;
}

int store_shared_list(struct store *st, const char *app, struct strv *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e, "SELECT path FROM shared_path WHERE app = :app ORDER BY path",
			     F(":app", app));

	while (r >= 0 && (r = store_next(st, q, e)) > 0)
		strv_push(ret, store_text(q, 0));
	return r;
}

void app_row_done(struct app_row *row)
{
	free(row->name);
	free(row->source);
	free(row->last_state);
	*row = (struct app_row){ 0 };
}

void app_rows_free(struct app_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		app_row_done(&rows[i]);
	free(rows);
}
