/* Schedules and their runs in the store. A time that a run was due at is its key, so none happens twice. */
#include "store/run.h"

#include "base/clock.h"
#include "store/store-internal.h"

#define SELECT_RUN                                                                                           \
	"SELECT id, app, service, version, scheduled_for_s, started_at_s, ended_at_s, exit_status, outcome " \
	"FROM run "

enum { KEPT_RUNS = 100 }; /* of each service */

int store_schedule_put(struct store *st, const struct schedule_row *row, struct err **e)
{
	int r = store_run(st, e,
			  "INSERT OR REPLACE INTO schedule (app, service, is_suspended, next_s) "
			  "VALUES (:app, :service, :suspended, :next)",
			  F(":app", row->app), F(":service", row->service),
			  F(":suspended", row->is_suspended), F(":next", row->next_s));

	return r < 0 ? r : 0;
}

int store_schedule_list(struct store *st, const char *app, struct schedule_row **ret, size_t *n,
			struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	struct schedule_row *rows = NULL;
	size_t count = 0;
	int r = store_select(&q, st, e,
			     "SELECT app, service, is_suspended, next_s FROM schedule WHERE app = :app "
			     "ORDER BY service",
			     F(":app", app));

	while (r >= 0 && (r = store_next(st, q, e)) > 0)
		*GROW(&rows, &count) = (struct schedule_row){
			.app = store_text(q, 0),
			.service = store_text(q, 1),
			.is_suspended = sqlite3_column_int(q, 2),
			.next_s = sqlite3_column_int64(q, 3),
		};
	if (r < 0) {
		schedule_rows_free(rows, count);
		return r;
	}
	*ret = rows;
	*n = count;
	return 0;
}

int store_schedule_remove(struct store *st, const char *app, const char *service, struct err **e)
{
	int r = store_run(st, e, "DELETE FROM schedule WHERE app = :app AND service = :service",
			  F(":app", app), F(":service", service));

	return r < 0 ? r : 0;
}

int store_run_add(struct store *st, struct run_row *run, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r = tx_begin(&tx, st, e);

	if (r >= 0)
		r = store_run(st, e,
			      "INSERT INTO run (app, service, version, scheduled_for_s, started_at_s, "
			      "ended_at_s, exit_status, outcome) VALUES (:app, :service, :version, :for, "
			      ":started, :ended, :status, :outcome)",
			      F(":app", run->app), F(":service", run->service), F(":version", run->version),
			      F(":for", run->scheduled_for_s), F(":started", run->started_at_s),
			      F(":ended", run->ended_at_s), F(":status", run->exit_status),
			      F(":outcome", run->outcome));
	if (r < 0)
		return r;
	int64_t id = sqlite3_last_insert_rowid(st->db);

	r = store_run(st, e,
		      "DELETE FROM run WHERE app = :app AND service = :service AND outcome != 'running' AND "
		      "id <= (SELECT id FROM run WHERE app = :app AND service = :service "
		      "ORDER BY id DESC LIMIT 1 OFFSET :kept)",
		      F(":app", run->app), F(":service", run->service), F(":kept", KEPT_RUNS));
	if (r >= 0)
		r = tx_commit(&tx, e);
	if (r >= 0)
		run->id = id;
	return r;
}

int store_run_end(struct store *st, int64_t id, const char *outcome, int exit_status, struct err **e)
{
	int r = store_run(st, e,
			  "UPDATE run SET outcome = :outcome, exit_status = :status, ended_at_s = :now "
			  "WHERE id = :id AND outcome = 'running'",
			  F(":outcome", outcome), F(":status", exit_status), F(":now", now_s()),
			  F(":id", id));

	return r < 0 ? r : 0;
}

static void read_run(sqlite3_stmt *q, struct run_row *ret)
{
	*ret = (struct run_row){
		.id = sqlite3_column_int64(q, 0),
		.app = store_text(q, 1),
		.service = store_text(q, 2),
		.version = sqlite3_column_int64(q, 3),
		.scheduled_for_s = sqlite3_column_int64(q, 4),
		.started_at_s = sqlite3_column_int64(q, 5),
		.ended_at_s = sqlite3_column_int64(q, 6),
		.exit_status = sqlite3_column_int64(q, 7),
		.outcome = store_text(q, 8),
	};
}

int store_run_get(struct store *st, int64_t id, struct run_row *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e, SELECT_RUN "WHERE id = :id", F(":id", id));

	if (r >= 0)
		r = store_next(st, q, e);
	if (r == 0)
		return err_set(e, ERR_NOT_FOUND, "run %lld not found", (long long) id);
	if (r < 0)
		return r;
	read_run(q, ret);
	return 0;
}

int store_run_list(struct store *st, const char *app, const char *service, unsigned limit,
		   struct run_row **ret, size_t *n, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int64_t max = limit ? (int64_t) limit : -1;
	struct run_row *rows = NULL;
	size_t count = 0;
	int r = service ? store_select(&q, st, e,
				       SELECT_RUN "WHERE app = :app AND service = :service "
						  "ORDER BY id DESC LIMIT :limit",
				       F(":app", app), F(":service", service), F(":limit", max))
			: store_select(&q, st, e, SELECT_RUN "WHERE app = :app ORDER BY id DESC LIMIT :limit",
				       F(":app", app), F(":limit", max));

	while (r >= 0 && (r = store_next(st, q, e)) > 0)
		read_run(q, GROW(&rows, &count));
	if (r < 0) {
		run_rows_free(rows, count);
		return r;
	}
	*ret = rows;
	*n = count;
	return 0;
}

void schedule_rows_free(struct schedule_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rows[i].app);
		free(rows[i].service);
	}
	free(rows);
}

void run_row_done(struct run_row *row)
{
	free(row->app);
	free(row->service);
	free(row->outcome);
	*row = (struct run_row){ 0 };
}

void run_rows_free(struct run_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_row_done(&rows[i]);
	free(rows);
}
