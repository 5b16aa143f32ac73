/* Events: one line of history each. */
#pragma once

#include "store/store.h"

struct event_row {
	int64_t id, at_s;
	char *app;    /* NULL: of the host */
	char *who;    /* the key's name, "local", "slipwayd" */
	char *what;   /* "deploy", "config:set", "crash" ... */
	char *detail; /* names, never values of settings; may be NULL */
	char *result; /* "succeeded" ... */
};

int store_event_add(struct store *st, const char *app, const char *who, const char *what, const char *detail,
		    const char *result, struct err **e);
/* Newest first; app NULL: all; limit 0: no limit; after_id: only newer ones. */
int store_event_list(struct store *st, const char *app, unsigned limit, int64_t after_id,
		     struct event_row **ret, size_t *n, struct err **e);
void event_row_done(struct event_row *row);
void event_rows_free(struct event_row *rows, size_t n);
