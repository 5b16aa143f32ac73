/*
 * The store: state.db in SQLite (WAL, synchronous=FULL, STRICT tables, migrations by user_version). All SQL
 * is in this folder, one file per entity. The store keeps what happened; what operators set lies in files.
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/field.h"

struct store {
	sqlite3 *db;
	/* Set it where a loop must go on: once a lock has been waited for in vain (10 s), the next writes
	 * wait only 100 ms for it, until one succeeds. */
	bool is_brief;
	bool is_away; /* the last write was in vain */
};

/*
 * Opens the store at path. may_create: makes and migrates it; otherwise a missing store is ERR_NOT_FOUND, and
 * one of another schema version is ERR_REFUSED with what to do. A damaged file is ERR_MISSING, here as later.
 * One store a process: looking at its files drops the locks of an earlier one.
 */
int store_open(struct store *ret, const char *path, bool may_create, struct err **e);
/* Reads all of it (about 10 ms a MB): 0, or ERR_MISSING with the first that is damaged. */
int store_check(struct store *st, struct err **e);
/* The schema version that this slipway knows. */
int store_schema(void);
void store_close(struct store *st); /* for _cleanup_() */
/* Brings what is in the write-ahead log into the file, so that the log's room is used again. */
void store_checkpoint(struct store *st);

struct tx {
	struct store *st; /* NULL: nothing to roll back */
};
int tx_begin(struct tx *tx, struct store *st, struct err **e); /* BEGIN IMMEDIATE */
int tx_commit(struct tx *tx, struct err **e);
void tx_end(struct tx *tx); /* for _cleanup_(): rolls back what was not committed */
