/* Releases: immutable numbered versions of an app. */
#pragma once

#include "store/store.h"

struct release_row {
	char *app;
	int64_t version;
	char *commit;  /* full object name; NULL: from a plain directory */
	char *state;   /* "building", "staged", "live", "old", "failed" */
	char *runtime; /* NULL while unknown */
	char *by;      /* the key's name */
	int64_t created_at_s;
};

/* The next number of the app; never used before, also not by a failed deployment. Begins as "building". */
int store_release_add(struct store *st, const char *app, const char *commit, const char *by, int64_t *version,
		      struct err **e);
int store_release_get(struct store *st, const char *app, int64_t version, struct release_row *ret,
		      struct err **e);
/* Newest first. */
int store_release_list(struct store *st, const char *app, struct release_row **ret, size_t *n,
		       struct err **e);
int store_release_set_state(struct store *st, const char *app, int64_t version, const char *state,
			    struct err **e);
/* What its plan says; serves_files: it has files that the router serves, whatever runs. */
int store_release_set_runtime(struct store *st, const char *app, int64_t version, const char *runtime,
			      bool serves_files, struct err **e);
/* Makes version the live release, started by deployment; the one before becomes "old". One transaction. */
int store_release_go_live(struct store *st, const char *app, int64_t version, int64_t deployment,
			  struct err **e);
int store_release_remove(struct store *st, const char *app, int64_t version, struct err **e);
void release_row_done(struct release_row *row);
void release_rows_free(struct release_row *rows, size_t n);
