/* One connection to state.db: opening it, running statements with values bound by name, transactions. */
#include "store/store-internal.h"

#include <errno.h>
#include <fcntl.h>
#include "store/inspect.h"

enum { PATIENCE_MS = 10000, BRIEF_MS = 100 };

/* A cache of 256 KiB is plenty for rows this small; a writer waits for another one. */
static const char settings[] = "PRAGMA busy_timeout=10000; PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL;"
			       "PRAGMA cache_size=-256; PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY;"
			       "PRAGMA journal_size_limit=65536;";

static const char *file_of(struct store *st)
{
	const char *name = sqlite3_db_filename(st->db, "main");

	return name && *name ? name : "the store";
}

static int errno_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return -EACCES;
	default:
		return -EIO;
	}
}

int store_error(struct store *st, int rc, const char *sql, struct err **e)
{
	int primary = rc & 0xff;

	if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
		return store_damaged(file_of(st), sqlite3_errstr(primary), e);
	if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
		return err_set(e, -EBUSY, "%s has been locked by another process for too long; try again",
			       file_of(st));
	if (primary == SQLITE_PERM || primary == SQLITE_READONLY || primary == SQLITE_CANTOPEN)
		return err_set(e, -EACCES,
			       "%s cannot be opened for writing (%s): is this the user that set it up?",
			       file_of(st), sqlite3_errstr(primary));
	if (sql)
		return err_set(e, errno_of(rc), "%s: %s, in \"%.60s\"", file_of(st), sqlite3_errmsg(st->db),
			       sql);
	return err_set(e, errno_of(rc), "%s: %s", file_of(st), sqlite3_errmsg(st->db));
}

int store_query(sqlite3_stmt **ret, struct store *st, struct err **e, const char *sql, const struct field *f,
		size_t n)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(st->db, sql, -1, &q, NULL);

	for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
		int at = sqlite3_bind_parameter_index(q, f[i].key);

		rc = f[i].is_num ? sqlite3_bind_int64(q, at, f[i].num)
				 : sqlite3_bind_text(q, at, f[i].text, -1, SQLITE_TRANSIENT);
	}
	if (rc != SQLITE_OK)
		return store_error(st, rc, sql, e);
	*ret = TAKE(q);
	return 0;
}

/* After a write: how long will the next one wait? */
static void set_patience(struct store *st, int rc)
{
	bool is_away = (rc & 0xff) == SQLITE_BUSY;

	if (!st->is_brief || is_away == st->is_away)
		return;
	st->is_away = is_away;
	(void) sqlite3_busy_timeout(st->db, is_away ? BRIEF_MS : PATIENCE_MS);
}

int store_exec(struct store *st, struct err **e, const char *sql, const struct field *f, size_t n)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_query(&q, st, e, sql, f, n), rc;

	if (r < 0)
		return r;
	do
		rc = sqlite3_step(q);
	while (rc == SQLITE_ROW);
	set_patience(st, rc);
	return rc == SQLITE_DONE ? sqlite3_changes(st->db) : store_error(st, rc, sql, e);
}

int store_next(struct store *st, sqlite3_stmt *q, struct err **e)
{
	int rc = sqlite3_step(q);

	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : store_error(st, rc, sqlite3_sql(q), e);
}

char *store_text(sqlite3_stmt *q, int column)
{
	return xstrdup((const char *) sqlite3_column_text(q, column));
}

/*
 * SQLite gives its other files (-wal, -shm) the mode of the main one, so it is made here first. An existing
 * one is not even opened: closing it would drop the locks of this process's other connections (POSIX locks).
 */
static int make_file(const char *path, struct err **e)
{
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 && errno != EEXIST ? err_set(e, -errno, "making %s: %m", path) : 0;
}

static int open_file(struct store *st, const char *path, bool may_create, struct err **e)
{
	int rc, keep_wal = 1, r = may_create ? make_file(path, e) : 0;

	if (r < 0)
		return r;
	if (!may_create && access(path, F_OK) < 0)
		return errno == ENOENT
			       ? err_set(e, ERR_NOT_FOUND, "%s is not there: run `slipway setup` first", path)
			       : err_set(e, -errno, "opening %s: %m", path);
	rc = sqlite3_open_v2(path, &st->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(st->db, settings, NULL, NULL, NULL);
	/* Without a daemon each command is the last connection, and making and removing -wal costs it 1 ms.
	 */
	if (rc == SQLITE_OK)
		(void) sqlite3_file_control(st->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
	return rc == SQLITE_OK ? 0 : store_error(st, rc, NULL, e);
}

int store_open(struct store *ret, const char *path, bool may_create, struct err **e)
{
	struct store st = { 0 };
	int r = wal_check(path, e);

	if (r >= 0)
		r = open_file(&st, path, may_create, e);
	if (r >= 0)
		r = store_migrate(&st, may_create, e);
	if (r < 0) {
		store_close(&st);
		return r;
	}
	*ret = st;
	return 0;
}

int store_check(struct store *st, struct err **e)
{
	_cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
	int r = store_query(&q, st, e, "PRAGMA quick_check(1)", NULL, 0);

	if (r >= 0)
		r = store_next(st, q, e);
	if (r < 0)
		return r;
	_cleanup_(freep) char *said = store_text(q, 0);

	if (said)
		said[strcspn(said, "\n")] = '\0';
	return str_eq(said, "ok") ? 0 : store_damaged(file_of(st), said ? said : "it cannot be read", e);
}

void store_checkpoint(struct store *st)
{
	(void) sqlite3_wal_checkpoint_v2(st->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

void store_close(struct store *st)
{
	(void) sqlite3_close(st->db);
	st->db = NULL;
}

/* Within a transaction this one is part of the outer one, which alone commits. */
int tx_begin(struct tx *tx, struct store *st, struct err **e)
{
	int r;

	tx->st = NULL;
	if (!sqlite3_get_autocommit(st->db))
		return 0;
	r = store_exec(st, e, "BEGIN IMMEDIATE", NULL, 0);
	if (r < 0)
		return r;
	tx->st = st;
	return 0;
}

int tx_commit(struct tx *tx, struct err **e)
{
	struct store *st = tx->st;
	int r = st ? store_exec(st, e, "COMMIT", NULL, 0) : 0;

	if (r < 0)
		return r; /* still open: tx_end() rolls back */
	tx->st = NULL;
	return 0;
}

void tx_end(struct tx *tx)
{
	if (tx->st && !sqlite3_get_autocommit(tx->st->db))
		(void) store_exec(tx->st, NULL, "ROLLBACK", NULL, 0);
	tx->st = NULL;
}
