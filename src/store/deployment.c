/* Deployments in the store, and the journal of their steps. */
#include "store/deployment.h"

#include "base/clock.h"
#include "store/store-internal.h"

#define SELECT_DEPLOYMENT                                                                                    \
	"SELECT id, app, kind, state, commit_id, ref, version, from_version, from_deployment, made_by, "     \
	"fingerprint, push, args, error, exit_status, superseded_by, owner_pid, owner_start, step, "         \
	"created_ms, started_ms, ended_ms FROM deployment "

static void read_row(sqlite3_stmt *q, struct deployment_row *ret)
{
	*ret = (struct deployment_row){
		.id = sqlite3_column_int64(q, 0),
		.app = store_text(q, 1),
		.kind = store_text(q, 2),
		.state = store_text(q, 3),
		.commit = store_text(q, 4),
		.ref = store_text(q, 5),
		.version = sqlite3_column_int64(q, 6),
		.from_version = sqlite3_column_int64(q, 7),
		.from_deployment = sqlite3_column_int64(q, 8),
		.by = store_text(q, 9),
		.fingerprint = store_text(q, 10),
		.push = store_text(q, 11),
		.args = store_text(q, 12),
		.error = store_text(q, 13),
		.exit_status = sqlite3_column_int64(q, 14),
		.superseded_by = sqlite3_column_int64(q, 15),
		.owner_pid = sqlite3_column_int64(q, 16),
		.owner_start = sqlite3_column_int64(q, 17),
		.step = store_text(q, 18),
		.created_ms = sqlite3_column_int64(q, 19),
		.started_ms = sqlite3_column_int64(q, 20),
		.ended_ms = sqlite3_column_int64(q, 21),
	};
}

static int read_one(struct store *st, sqlite3_stmt *q, struct deployment_row *ret, const char *what,
		    struct err **e)
{
	int r = store_next(st, q, e);

	if (r == 0)
		return err_set(e, ERR_NOT_FOUND, "no deployment %s", what);
	if (r < 0)
		return r;
	read_row(q, ret);
	return 0;
}

static int read_all(struct store *st, sqlite3_stmt *q, struct deployment_row **ret, size_t *n, struct err **e)
{
	struct deployment_row *rows = NULL;
	size_t count = 0;
	int r;

	while ((r = store_next(st, q, e)) > 0)
		read_row(q, GROW(&rows, &count));
	if (r < 0) {
		deployment_rows_free(rows, count);
		return r;
	}
	*ret = rows;
	*n = count;
	return 0;
}

/* Of an UPDATE that has to hit one row. */
static int changed_one(int r, int64_t id, const char *must_be, struct err **e)
{
	if (r == 0)
		return err_set(e, ERR_NOT_FOUND, "deployment %lld is not there or not %s", (long long) id,
			       must_be);
	return r < 0 ? r : 0;
}

int store_deployment_add(struct store *st, struct deployment_row *d, struct err **e)
{
	int64_t now = now_ms();
	int r = store_run(
		st, e,
		"INSERT INTO deployment (app, kind, state, commit_id, ref, version, from_version, "
		"from_deployment, made_by, fingerprint, push, args, created_ms) VALUES (:app, :kind, "
		"'queued', :commit, :ref, :version, :from_version, :from_deployment, :by, :fingerprint, "
		":push, :args, :now)",
		F(":app", d->app), F(":kind", d->kind), F(":commit", d->commit), F(":ref", d->ref),
		F(":version", d->version), F(":from_version", d->from_version),
		F(":from_deployment", d->from_deployment), F(":by", d->by), F(":fingerprint", d->fingerprint),
		F(":push", d->push), F(":args", d->args), F(":now", now));

	if (r < 0)
		return r;
	d->id = sqlite3_last_insert_rowid(st->db);
	d->created_ms = now;
	str_set(&d->state, "queued");
	return 0;
}

int store_deployment_get(struct store *st, int64_t id, struct deployment_row *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	_cleanup_(freep) char *what = xasprintf("%lld", (long long) id);
	int r = store_select(&q, st, e, SELECT_DEPLOYMENT "WHERE id = :id", F(":id", id));

	return r < 0 ? r : read_one(st, q, ret, what, e);
}

int store_deployment_by_push(struct store *st, const char *push, struct deployment_row *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e, SELECT_DEPLOYMENT "WHERE push = :push ORDER BY id DESC LIMIT 1",
			     F(":push", push));

	return r < 0 ? r : read_one(st, q, ret, "of this push", e);
}

static int oldest_in_state(struct store *st, const char *app, const char *state, struct deployment_row *ret,
			   struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	_cleanup_(freep) char *what = xasprintf("of app '%s' is %s", app, state);
	int r = store_select(&q, st, e,
			     SELECT_DEPLOYMENT "WHERE app = :app AND state = :state ORDER BY id LIMIT 1",
			     F(":app", app), F(":state", state));

	return r < 0 ? r : read_one(st, q, ret, what, e);
}

int store_deployment_running(struct store *st, const char *app, struct deployment_row *ret, struct err **e)
{
	return oldest_in_state(st, app, "running", ret, e);
}

int store_deployment_queued(struct store *st, const char *app, struct deployment_row *ret, struct err **e)
{
	return oldest_in_state(st, app, "queued", ret, e);
}

int store_deployment_list(struct store *st, const char *app, unsigned limit, struct deployment_row **ret,
			  size_t *n, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int64_t rows = limit ? (int64_t) limit : -1;
	int r = app ? store_select(&q, st, e,
				   SELECT_DEPLOYMENT "WHERE app = :app ORDER BY id DESC LIMIT :limit",
				   F(":app", app), F(":limit", rows))
		    : store_select(&q, st, e, SELECT_DEPLOYMENT "ORDER BY id DESC LIMIT :limit",
				   F(":limit", rows));

	return r < 0 ? r : read_all(st, q, ret, n, e);
}

int store_deployment_in_state(struct store *st, const char *state, struct deployment_row **ret, size_t *n,
			      struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e, SELECT_DEPLOYMENT "WHERE state = :state ORDER BY id",
			     F(":state", state));

	return r < 0 ? r : read_all(st, q, ret, n, e);
}

/* What was live is noted when it begins for the first time, not when it was asked for nor when it is
 * repaired. */
int store_deployment_begin(struct store *st, int64_t id, int64_t owner_pid, int64_t owner_start,
			   struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r = tx_begin(&tx, st, e);

	if (r >= 0)
		r = store_run(st, e,
			      "UPDATE deployment SET started_ms = :now, from_version = a.live_version, "
			      "from_deployment = a.live_deployment FROM app a "
			      "WHERE id = :id AND started_ms = 0 AND a.name = deployment.app",
			      F(":now", now_ms()), F(":id", id));
	if (r >= 0)
		r = changed_one(
			store_run(st, e,
				  "UPDATE deployment SET state = 'running', owner_pid = :pid, "
				  "owner_start = :start WHERE id = :id AND state IN ('queued', 'running')",
				  F(":pid", owner_pid), F(":start", owner_start), F(":id", id)),
			id, "to begin any more", e);
	return r < 0 ? r : tx_commit(&tx, e);
}

int store_deployment_set_version(struct store *st, int64_t id, int64_t version, struct err **e)
{
	return changed_one(store_run(st, e, "UPDATE deployment SET version = :version WHERE id = :id",
				     F(":version", version), F(":id", id)),
			   id, "known", e);
}

int store_deployment_end(struct store *st, int64_t id, const char *state, const char *error, int exit_status,
			 struct err **e)
{
	return changed_one(
		store_run(st, e,
			  "UPDATE deployment SET state = :state, error = :error, exit_status = :status, "
			  "ended_ms = :now, owner_pid = 0, owner_start = 0 WHERE id = :id",
			  F(":state", state), F(":error", error), F(":status", exit_status),
			  F(":now", now_ms()), F(":id", id)),
		id, "known", e);
}

int store_deployment_supersede(struct store *st, int64_t id, int64_t by, struct err **e)
{
	return changed_one(store_run(st, e,
				     "UPDATE deployment SET state = 'superseded', superseded_by = :by, "
				     "ended_ms = :now WHERE id = :id AND state = 'queued'",
				     F(":by", by), F(":now", now_ms()), F(":id", id)),
			   id, "queued any more", e);
}

int store_deployment_has_commit(struct store *st, const char *app, const char *commit, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e,
			     "SELECT 1 FROM deployment WHERE app = :app AND commit_id = :commit LIMIT 1",
			     F(":app", app), F(":commit", commit));

	return r < 0 ? r : store_next(st, q, e);
}

/* A step that a repair begins again keeps its place in the order. */
int store_step_begin(struct store *st, int64_t deployment, const char *name, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int r = tx_begin(&tx, st, e);

	if (r >= 0)
		r = store_run(
			st, e,
			"INSERT INTO step (deployment, name, started_ms) VALUES (:deployment, :name, :now) "
			"ON CONFLICT (deployment, name) DO UPDATE SET started_ms = excluded.started_ms, "
			"outcome = NULL, ended_ms = 0",
			F(":deployment", deployment), F(":name", name), F(":now", now_ms()));
	if (r >= 0)
		r = store_run(st, e, "UPDATE deployment SET step = :name WHERE id = :deployment",
			      F(":name", name), F(":deployment", deployment));
	return r < 0 ? r : tx_commit(&tx, e);
}

int store_step_end(struct store *st, int64_t deployment, const char *name, const char *outcome,
		   struct err **e)
{
	int r = store_run(st, e,
			  "UPDATE step SET outcome = :outcome, ended_ms = :now "
			  "WHERE deployment = :deployment AND name = :name",
			  F(":outcome", outcome), F(":now", now_ms()), F(":deployment", deployment),
			  F(":name", name));

	if (r == 0)
		return err_set(e, ERR_NOT_FOUND, "deployment %lld never began the step '%s'",
			       (long long) deployment, name);
	return r < 0 ? r : 0;
}

int store_step_list(struct store *st, int64_t deployment, struct step_row **ret, size_t *n, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	struct step_row *rows = NULL;
	size_t count = 0;
	int r = store_select(
		&q, st, e,
		"SELECT name, outcome, started_ms, ended_ms FROM step WHERE deployment = :deployment "
		"ORDER BY id",
		F(":deployment", deployment));

	while (r >= 0 && (r = store_next(st, q, e)) > 0)
		*GROW(&rows, &count) = (struct step_row){
			.name = store_text(q, 0),
			.outcome = store_text(q, 1),
			.started_ms = sqlite3_column_int64(q, 2),
			.ended_ms = sqlite3_column_int64(q, 3),
		};
	if (r < 0) {
		step_rows_free(rows, count);
		return r;
	}
	*ret = rows;
	*n = count;
	return 0;
}

void deployment_row_done(struct deployment_row *d)
{
	free(d->app);
	free(d->kind);
	free(d->state);
	free(d->commit);
	free(d->ref);
	free(d->by);
	free(d->fingerprint);
	free(d->push);
	free(d->args);
	free(d->error);
	free(d->step);
	*d = (struct deployment_row){ 0 };
}

void deployment_rows_free(struct deployment_row *d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		deployment_row_done(&d[i]);
	free(d);
}

void step_rows_free(struct step_row *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(s[i].name);
		free(s[i].outcome);
	}
	free(s);
}
