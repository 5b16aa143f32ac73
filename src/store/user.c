/* Users in the store; see user.h. */
#include "store/user.h"

#include "store/store-internal.h"

int store_user_get(struct store *st, const char *app, struct user_row *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e, "SELECT uid, active, before FROM app_user WHERE app = :app",
			     F(":app", app));

	*ret = (struct user_row){ .before = -1 };
	if (r >= 0)
		r = store_next(st, q, e);
	if (r > 0)
		*ret = (struct user_row){ sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
					  sqlite3_column_int64(q, 2) };
	return r < 0 ? r : 0;
}

/* Those of apps that were destroyed and of which nothing is left. */
static int forget_gone(struct store *st, const struct user_choice *c, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	_cleanup_(strv_done) struct strv gone = { 0 };
	int r = store_select(
		&q, st, e, "SELECT app FROM app_user WHERE app NOT IN (SELECT name FROM app) AND uid > :none",
		F(":none", 0));

	while (r >= 0 && (r = store_next(st, q, e)) > 0)
		STRV_ADD(&gone, (const char *) sqlite3_column_text(q, 0));
	for (size_t i = 0; r >= 0 && i < gone.n; i++)
		if (!c->has_files(gone.v[i], c->ctx))
			r = store_run(st, e, "DELETE FROM app_user WHERE app = :app", F(":app", gone.v[i]));
	return r < 0 ? r : 0;
}

static int find_free(struct store *st, const struct user_choice *c, int64_t *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e,
			     "SELECT uid FROM app_user WHERE uid BETWEEN :first AND :last ORDER BY uid",
			     F(":first", c->first), F(":last", c->last));

	if (r >= 0)
		r = store_next(st, q, e);
	for (unsigned uid = c->first; r >= 0 && uid <= c->last; uid++) {
		if (r > 0 && sqlite3_column_int64(q, 0) == uid) {
			r = store_next(st, q, e);
		} else if (c->is_free(uid)) {
			*ret = uid;
			return 0;
		}
	}
	return r < 0 ? r
		     : err_set(e, ERR_REFUSED,
			       "no user is left in [instances] users = \"%u-%u\" of config.toml: widen it",
			       c->first, c->last);
}

int store_user_assign(struct store *st, const char *app, const struct user_choice *c, int64_t *ret,
		      struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	struct user_row row;
	int r = tx_begin(&tx, st, e);

	if (r >= 0)
		r = store_user_get(st, app, &row, e);
	if (r < 0)
		return r;
	if (row.uid) {
		*ret = row.uid;
		return tx_commit(&tx, e);
	}
	r = forget_gone(st, c, e);
	if (r >= 0)
		r = find_free(st, c, ret, e);
	if (r >= 0)
		r = store_run(st, e, "INSERT INTO app_user VALUES (:uid, :app, 0, -1)", F(":uid", *ret),
			      F(":app", app));
	return r < 0 ? r : tx_commit(&tx, e);
}

int store_user_set(struct store *st, const char *app, int64_t active, int64_t before, struct err **e)
{
	int r = store_run(st, e, "UPDATE app_user SET active = :active, before = :before WHERE app = :app",
			  F(":active", active), F(":before", before), F(":app", app));

	return r < 0 ? r : 0;
}

int store_user_restore(struct store *st, const char *app, int64_t uid, int64_t active, struct err **e)
{
	int r = store_run(st, e, "INSERT OR IGNORE INTO app_user VALUES (:uid, :app, :active, -1)",
			  F(":uid", uid), F(":app", app), F(":active", active));

	return r < 0 ? r : 0;
}
