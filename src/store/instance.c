/* Instances in the store: what the supervisor has to keep running, over its own restarts. */
#include "store/instance.h"

#include "store/store-internal.h"

#define SELECT_INSTANCE                                                                                      \
	"SELECT deployment, app, service, ordinal, version, port, pid, pid_start, boot, started_at_s, "      \
	"restarts, last_status, is_stopping, run FROM instance "

static void read_row(sqlite3_stmt *q, struct instance_row *ret)
{
	*ret = (struct instance_row){
		.deployment = sqlite3_column_int64(q, 0),
		.app = store_text(q, 1),
		.service = store_text(q, 2),
		.ordinal = (unsigned) sqlite3_column_int64(q, 3),
		.version = sqlite3_column_int64(q, 4),
		.port = (unsigned) sqlite3_column_int64(q, 5),
		.pid = sqlite3_column_int64(q, 6),
		.pid_start = (uint64_t) sqlite3_column_int64(q, 7),
		.boot = store_text(q, 8),
		.started_at_s = sqlite3_column_int64(q, 9),
		.restarts = sqlite3_column_int64(q, 10),
		.last_status = sqlite3_column_int64(q, 11),
		.is_stopping = sqlite3_column_int(q, 12),
		.run = sqlite3_column_int64(q, 13),
	};
}

int store_instance_put(struct store *st, const struct instance_row *row, struct err **e)
{
	int r = store_run(
		st, e,
		"INSERT OR REPLACE INTO instance (deployment, app, service, ordinal, version, port, pid, "
		"pid_start, boot, started_at_s, restarts, last_status, is_stopping, run) VALUES "
		"(:deployment, "
		":app, :service, :ordinal, :version, :port, :pid, :pid_start, :boot, :started, :restarts, "
		":status, :stopping, :run)",
		F(":deployment", row->deployment), F(":app", row->app), F(":service", row->service),
		F(":ordinal", row->ordinal), F(":version", row->version), F(":port", row->port),
		F(":pid", row->pid), F(":pid_start", (int64_t) row->pid_start), F(":boot", row->boot),
		F(":started", row->started_at_s), F(":restarts", row->restarts),
		F(":status", row->last_status), F(":stopping", row->is_stopping), F(":run", row->run));

	return r < 0 ? r : 0;
}

int store_instance_remove(struct store *st, int64_t deployment, const char *service, unsigned ordinal,
			  struct err **e)
{
	int r = store_run(st, e,
			  "DELETE FROM instance WHERE deployment = :deployment AND service = :service "
			  "AND ordinal = :ordinal",
			  F(":deployment", deployment), F(":service", service), F(":ordinal", ordinal));

	return r < 0 ? r : 0;
}

int store_instance_list(struct store *st, const char *app, struct instance_row **ret, size_t *n,
			struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	struct instance_row *rows = NULL;
	size_t count = 0;
	int r = app ? store_select(&q, st, e,
				   SELECT_INSTANCE
				   "WHERE app = :app ORDER BY app, service, ordinal, deployment",
				   F(":app", app))
		    : store_query(&q, st, e, SELECT_INSTANCE "ORDER BY app, service, ordinal, deployment",
				  NULL, 0);

	while (r >= 0 && (r = store_next(st, q, e)) > 0)
		read_row(q, GROW(&rows, &count));
	if (r < 0) {
		instance_rows_free(rows, count);
		return r;
	}
	*ret = rows;
	*n = count;
	return 0;
}

void instance_row_done(struct instance_row *row)
{
	free(row->app);
	free(row->service);
	free(row->boot);
	*row = (struct instance_row){ 0 };
}

void instance_rows_free(struct instance_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		instance_row_done(&rows[i]);
	free(rows);
}
