/* Deployments and the journal of their steps. */
#pragma once

#include "store/store.h"

/*
 * One attempt to change what runs. kind: "deploy", "rollback", "restart", "scale", "stop", "start",
 * "destroy". state: "queued", "running", then one of "succeeded", "failed", "rolled back", "superseded".
 */
struct deployment_row {
	int64_t id;
	char *app, *kind, *state;
	char *commit, *ref;      /* what to deploy; NULL: newest pushed */
	int64_t version;         /* the release it makes or uses; 0: not known yet */
	int64_t from_version;    /* live when it began; 0: none */
	int64_t from_deployment; /* whose instances were live when it began; 0: none */
	char *by, *fingerprint;  /* the key's name and fingerprint; "local" and NULL on the machine itself */
	char *push;              /* the token of the push that asked for it; NULL: none */
	char *args;              /* JSON object with the kind's arguments; NULL: none */
	char *error;             /* one line why it failed; NULL: it did not */
	int64_t exit_status;     /* for whoever asked: 0, 1, 5, 6, or a hook's own */
	int64_t superseded_by;   /* 0: no */
	int64_t owner_pid, owner_start;           /* the process that runs it; 0: none */
	char *step;                               /* the step it is in or ended in; NULL: none yet */
	int64_t created_ms, started_ms, ended_ms; /* 0: not yet */
};

/* id is set by the store, state is "queued". */
int store_deployment_add(struct store *st, struct deployment_row *d, struct err **e);
int store_deployment_get(struct store *st, int64_t id, struct deployment_row *ret, struct err **e);
/* The newest one that carries this push token; ERR_NOT_FOUND: none. */
int store_deployment_by_push(struct store *st, const char *push, struct deployment_row *ret, struct err **e);
/* The running (state "running") one of the app; ERR_NOT_FOUND: none. The same for the oldest queued. */
int store_deployment_running(struct store *st, const char *app, struct deployment_row *ret, struct err **e);
int store_deployment_queued(struct store *st, const char *app, struct deployment_row *ret, struct err **e);
/* Newest first; app NULL: of all; limit 0: no limit. */
int store_deployment_list(struct store *st, const char *app, unsigned limit, struct deployment_row **ret,
			  size_t *n, struct err **e);
/* All in this state, oldest first. */
int store_deployment_in_state(struct store *st, const char *state, struct deployment_row **ret, size_t *n,
			      struct err **e);
int store_deployment_begin(struct store *st, int64_t id, int64_t owner_pid, int64_t owner_start,
			   struct err **e);
int store_deployment_set_version(struct store *st, int64_t id, int64_t version, struct err **e);
/* error may be NULL. */
int store_deployment_end(struct store *st, int64_t id, const char *state, const char *error, int exit_status,
			 struct err **e);
int store_deployment_supersede(struct store *st, int64_t id, int64_t by, struct err **e);
/* Did a deployment (in any state) ask for this commit of the app? */
int store_deployment_has_commit(struct store *st, const char *app, const char *commit, struct err **e);

/* The journal: written before a step begins and after it ended. outcome: "done", "failed", "undone". */
struct step_row {
	char *name, *outcome; /* outcome NULL: began and did not end */
	int64_t started_ms, ended_ms;
};
int store_step_begin(struct store *st, int64_t deployment, const char *name, struct err **e);
int store_step_end(struct store *st, int64_t deployment, const char *name, const char *outcome,
		   struct err **e);
int store_step_list(struct store *st, int64_t deployment, struct step_row **ret, size_t *n, struct err **e);

void deployment_row_done(struct deployment_row *d);
void deployment_rows_free(struct deployment_row *d, size_t n);
void step_rows_free(struct step_row *s, size_t n);
