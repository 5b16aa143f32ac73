/* Ports in the store: two for each instance of a routed service, kept until the app goes. */
#include "store/port.h"

#include "store/store-internal.h"

struct slot {
	const char *app, *service;
	unsigned ordinal, slot;
};

/* 1: *ret is the port of the slot. 0: it has none yet. */
static int find(struct store *st, const struct slot *s, unsigned *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(
		&q, st, e,
		"SELECT port FROM port WHERE app = :app AND service = :service AND ordinal = :ordinal "
		"AND slot = :slot",
		F(":app", s->app), F(":service", s->service), F(":ordinal", s->ordinal), F(":slot", s->slot));

	if (r >= 0)
		r = store_next(st, q, e);
	if (r > 0)
		*ret = (unsigned) sqlite3_column_int64(q, 0);
	return r;
}

/* The lowest port in [first, last] that nobody has in the store nor on the machine; 0: none. */
static int search(struct store *st, unsigned first, unsigned last, bool (*is_free)(unsigned port),
		  unsigned *ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e,
			     "SELECT port FROM port WHERE port BETWEEN :first AND :last ORDER BY port",
			     F(":first", first), F(":last", last));

	if (r < 0)
		return r;
	*ret = 0;
	r = store_next(st, q, e);
	for (unsigned port = first; r >= 0 && port <= last; port++) {
		if (r > 0 && (unsigned) sqlite3_column_int64(q, 0) == port) {
			r = store_next(st, q, e);
		} else if (is_free(port)) {
			*ret = port;
			break;
		}
	}
	return r < 0 ? r : 0;
}

static int reserve(struct store *st, const struct slot *s, unsigned port, struct err **e)
{
	return store_run(st, e, "INSERT INTO port VALUES (:app, :service, :ordinal, :slot, :port)",
			 F(":app", s->app), F(":service", s->service), F(":ordinal", s->ordinal),
			 F(":slot", s->slot), F(":port", port));
}

int store_port_get(struct store *st, const char *app, const char *service, unsigned ordinal, unsigned slot,
		   unsigned first, unsigned last, bool (*is_free)(unsigned port), unsigned *ret,
		   struct err **e)
{
	const struct slot s = { app, service, ordinal, slot };
	_cleanup_(tx_end) struct tx tx = { 0 };
	unsigned port = 0;
	int r = find(st, &s, ret, e);

	if (r != 0)
		return r < 0 ? r : 0;
	r = tx_begin(&tx, st, e);
	if (r >= 0)
		r = search(st, first, last, is_free, &port, e);
	if (r >= 0 && !port)
		return err_set(e, ERR_REFUSED,
			       "no port is free from %u to %u: widen [ports] first and last in config.toml",
			       first, last);
	if (r >= 0)
		r = reserve(st, &s, port, e);
	if (r >= 0)
		r = tx_commit(&tx, e);
	if (r < 0)
		return r;
	*ret = port;
	return 0;
}

int store_port_drop(struct store *st, const char *app, const char *service, unsigned ordinal, unsigned slot,
		    struct err **e)
{
	int r = store_run(st, e,
			  "DELETE FROM port WHERE app = :app AND service = :service AND ordinal = :ordinal "
			  "AND slot = :slot",
			  F(":app", app), F(":service", service), F(":ordinal", ordinal), F(":slot", slot));

	return r < 0 ? r : 0;
}

int store_port_trim(struct store *st, const char *app, const char *service, unsigned keep, struct err **e)
{
	int r = store_run(st, e,
			  "DELETE FROM port WHERE app = :app AND service = :service AND ordinal > :keep",
			  F(":app", app), F(":service", service), F(":keep", keep));

	return r < 0 ? r : 0;
}

int store_port_owner(struct store *st, unsigned port, char **ret, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_select(&q, st, e, "SELECT app FROM port WHERE port = :port", F(":port", port));

	if (r >= 0)
		r = store_next(st, q, e);
	if (r < 0)
		return r;
	*ret = r > 0 ? store_text(q, 0) : NULL;
	return 0;
}
