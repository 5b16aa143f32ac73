/* Events in the store: who did what to what, when, with what result. */
#include "store/event.h"

#include "base/clock.h"
#include "store/store-internal.h"

#define SELECT_EVENT "SELECT id, at_s, app, who, what, detail, result FROM event WHERE id > :after "

/* So that a crash loop or a busy script cannot fill the disk. */
enum { MAX_EVENTS = 50000 };

int store_event_add(struct store *st, const char *app, const char *who, const char *what, const char *detail,
		    const char *result, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r = tx_begin(&tx, st, e);

	if (r >= 0)
		r = store_run(st, e,
			      "INSERT INTO event (at_s, app, who, what, detail, result) "
			      "VALUES (:now, :app, :who, :what, :detail, :result)",
			      F(":now", now_s()), F(":app", app), F(":who", who), F(":what", what),
			      F(":detail", detail), F(":result", result));
	if (r >= 0)
		r = store_run(st, e, "DELETE FROM event WHERE id <= :oldest",
			      F(":oldest", sqlite3_last_insert_rowid(st->db) - MAX_EVENTS));
	return r < 0 ? r : tx_commit(&tx, e);
}

int store_event_list(struct store *st, const char *app, unsigned limit, int64_t after_id,
		     struct event_row **ret, size_t *n, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int64_t max = limit ? (int64_t) limit : -1;
	struct event_row *rows = NULL;
	size_t count = 0;
	int r = app ? store_select(&q, st, e, SELECT_EVENT "AND app = :app ORDER BY id DESC LIMIT :limit",
				   F(":after", after_id), F(":app", app), F(":limit", max))
		    : store_select(&q, st, e, SELECT_EVENT "ORDER BY id DESC LIMIT :limit",
				   F(":after", after_id), F(":limit", max));

	while (r >= 0 && (r = store_next(st, q, e)) > 0)
		*GROW(&rows, &count) = (struct event_row){
			.id = sqlite3_column_int64(q, 0),
			.at_s = sqlite3_column_int64(q, 1),
			.app = store_text(q, 2),
			.who = store_text(q, 3),
			.what = store_text(q, 4),
			.detail = store_text(q, 5),
			.result = store_text(q, 6),
		};
	if (r < 0) {
		event_rows_free(rows, count);
		return r;
	}
	*ret = rows;
	*n = count;
	return 0;
}

void event_row_done(struct event_row *row)
{
	free(row->app);
	free(row->who);
	free(row->what);
	free(row->detail);
	free(row->result);
}

void event_rows_free(struct event_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		event_row_done(&rows[i]);
	free(rows);
}
