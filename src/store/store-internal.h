/* For the files of this folder only: statements with values bound by name. */
#pragma once

#include "base/str.h"
#include "store/store.h"

int store_error(struct store *st, int rc, const char *sql, struct err **e); /* -EBUSY, -EEXIST, -EIO, ... */
/* Runs one statement to its end. The rows it changed, or < 0. */
int store_exec(struct store *st, struct err **e, const char *sql, const struct field *f, size_t n);
#define store_run(st, e, sql, ...) store_exec(st, e, sql, FIELDS(__VA_ARGS__))
/* Prepares a query; walk it with store_next(). Released by sqlite3_finalize(). */
int store_query(sqlite3_stmt **ret, struct store *st, struct err **e, const char *sql, const struct field *f,
		size_t n);
#define store_select(ret, st, e, sql, ...) store_query(ret, st, e, sql, FIELDS(__VA_ARGS__))
/* 1: a row. 0: no more. < 0: see *e. */
int store_next(struct store *st, sqlite3_stmt *q, struct err **e);
/* A column's text, copied; NULL stays NULL. */
char *store_text(sqlite3_stmt *q, int column);
int store_migrate(struct store *st, bool may_create, struct err **e);
int store_read_version(struct store *st, int *ret, struct err **e); /* of the schema; 0: nothing is in it */
/* ERR_REFUSED with what to do for a version that is not this program's; may_migrate: older ones will do. */
int store_judge_version(struct store *st, int version, bool may_migrate, struct err **e);
/* wal.c: ERR_MISSING when the store's write-ahead log is damaged. All of it is read, before SQLite does: once
 * that has taken it for a shorter one, nobody can tell. */
int wal_check(const char *path, struct err **e);
bool wal_header_is_legal(const unsigned char *h, size_t n);
DEFINE_CLEANUP(sqlite3_stmt *, sqlite3_finalize)
