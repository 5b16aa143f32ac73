/* Instances that the supervisor keeps: what should run, and the process that does. */
#pragma once

#include "store/store.h"

struct instance_row {
	int64_t deployment; /* which started it; with service and ordinal the key */
	char *app, *service;
	unsigned ordinal;     /* from 1 */
	int64_t version;      /* of the release */
	unsigned port;        /* 0: none */
	int64_t pid;          /* 0: not running */
	uint64_t pid_start;   /* proc_start_time() of it */
	char *boot;           /* boot_id() when it was started */
	int64_t started_at_s; /* of the process */
	int64_t restarts;     /* since it was asked for */
	int64_t last_status;  /* of the last exit: status, 128 + signal, -1 unknown */
	bool is_stopping;     /* asked to go away */
	int64_t run;          /* of a schedule (store/run.h): not started again; 0: kept running */
};

/* Inserts or replaces by key. */
int store_instance_put(struct store *st, const struct instance_row *row, struct err **e);
int store_instance_remove(struct store *st, int64_t deployment, const char *service, unsigned ordinal,
			  struct err **e);
/* app NULL: all. By app, service, ordinal, deployment. */
int store_instance_list(struct store *st, const char *app, struct instance_row **ret, size_t *n,
			struct err **e);
void instance_row_done(struct instance_row *row);
void instance_rows_free(struct instance_row *rows, size_t n);
