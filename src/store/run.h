/* Schedules: when each is due next, and the runs that there were. */
#pragma once

#include "store/store.h"

/* What the scheduler has to know over its own restarts. */
struct schedule_row {
	char *app, *service;
	bool is_suspended;
	int64_t next_s; /* when it is due; 0: it is not (stopped, switched off, suspended, never) */
};

/* One run of a scheduled service. */
struct run_row {
	int64_t id;
	char *app, *service;
	int64_t version;                  /* of the release; 0: nothing was started */
	int64_t scheduled_for_s;          /* the time it was due; 0: asked for by `run-now` */
	int64_t started_at_s, ended_at_s; /* 0: not yet */
	int64_t exit_status;              /* status, 128 + signal, -1: unknown */
	/* "running", then "succeeded", "failed", "timed out", "stopped" (with its app) or "unknown" (it ended
	 * while slipwayd did not run); never started: "skipped" (the one before was running), "missed" */
	char *outcome;
};

/* Inserts or replaces by app and service. */
int store_schedule_put(struct store *st, const struct schedule_row *row, struct err **e);
/* Of one app, by service. */
int store_schedule_list(struct store *st, const char *app, struct schedule_row **ret, size_t *n,
			struct err **e);
int store_schedule_remove(struct store *st, const char *app, const char *service, struct err **e);

/* id is set by the store. -EEXIST: there is one for this time already. Old runs are forgotten. */
int store_run_add(struct store *st, struct run_row *run, struct err **e);
/* Once: what has ended stays as it is. */
int store_run_end(struct store *st, int64_t id, const char *outcome, int exit_status, struct err **e);
int store_run_get(struct store *st, int64_t id, struct run_row *ret, struct err **e);
/* Newest first; service NULL: of all; limit 0: no limit. */
int store_run_list(struct store *st, const char *app, const char *service, unsigned limit,
		   struct run_row **ret, size_t *n, struct err **e);
void schedule_rows_free(struct schedule_row *rows, size_t n);
void run_row_done(struct run_row *row);
void run_rows_free(struct run_row *rows, size_t n);
