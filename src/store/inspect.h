/* The store's file looked at before it is opened, and the rows of a store that is built anew from other
 * files. */
#pragma once

#include "store/app.h"
#include "store/deployment.h"
#include "store/release.h"
#include "store/store.h"

/*
 * Reads all of the file at path and changes nothing. 0: it is whole. ERR_NOT_FOUND: it is not there, or
 * empty. ERR_MISSING: it is damaged, or its write-ahead log has lost what was committed; *e says what to do.
 * ERR_REFUSED: of a newer schema. For the only user of the file in this process: closing it drops the locks
 * of others here.
 */
int store_inspect(const char *path, struct err **e);
/* "PATH is damaged (WHY): stop slipwayd and run `slipway recover` ...": ERR_MISSING. */
int store_damaged(const char *path, const char *why, struct err **e);

/* Rows as they are given, for a store that is still empty. */
int store_app_restore(struct store *st, const struct app_row *app, int64_t next_version, struct err **e);
int store_release_restore(struct store *st, const struct release_row *release, bool serves_files,
			  struct err **e);
int store_deployment_restore(struct store *st, const struct deployment_row *d, struct err **e);
/* A port that is reserved already stays with whom it is. */
int store_port_restore(struct store *st, const char *app, const char *service, unsigned ordinal,
		       unsigned slot, unsigned port, struct err **e);
/* The next deployment's number is above last. */
int store_deployment_skip(struct store *st, int64_t last, struct err **e);
/* Brings what is in the write-ahead log into the file itself, so that the file alone is the store. */
int store_settle(struct store *st, struct err **e);
