/* Apps: the named things to run. */
#pragma once

#include "base/str.h"
#include "store/store.h"

struct app_row {
	char *name;
	char *source;            /* "push" */
	bool is_stopped;         /* by `stop`: wanted down */
	int64_t live_version;    /* 0: none */
	int64_t live_deployment; /* whose instances are the live ones; 0: none */
	int64_t last_deployment; /* 0: never deployed */
	char *last_state;        /* of it; NULL: never deployed */
	int64_t created_at_s;
	bool is_held;      /* by `hold`: what is pushed is stored and not deployed */
	bool serves_files; /* the live release has files that the router serves, whatever runs */
};

/* Makes the app if it is not there. 1: made, 0: was there. */
int store_app_add(struct store *st, const char *name, const char *source, struct err **e);
/* ERR_NOT_FOUND "app 'NAME' not found", with the nearest name. *ret is released with app_row_done(). */
int store_app_get(struct store *st, const char *name, struct app_row *ret, struct err **e);
/* All, by name; *ret is an array of *n rows, released with app_rows_free(). */
int store_app_list(struct store *st, struct app_row **ret, size_t *n, struct err **e);
int store_app_set_stopped(struct store *st, const char *name, bool is_stopped, struct err **e);
int store_app_set_held(struct store *st, const char *name, bool is_held, struct err **e);
/* Forgets the app and all that hangs on it but its events. */
int store_app_remove(struct store *st, const char *name, struct err **e);
/* Paths beside the code that live in data/APP/shared (relative). */
int store_shared_add(struct store *st, const char *app, const char *path, struct err **e);
int store_shared_list(struct store *st, const char *app, struct strv *ret, struct err **e);
void app_row_done(struct app_row *row);
void app_rows_free(struct app_row *rows, size_t n);
