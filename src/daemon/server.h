/* The control socket: connections, requests, answers in the order of the requests (docs/control.md). */
#pragma once

#include <jansson.h>

#include "base/err.h"

struct daemon;
struct server;

struct request {
	struct request *next;    /* of the same connection */
	struct connection *from; /* NULL: it has gone away */
	struct server *of;       /* then */
	json_t *args;            /* the request */
	char *answer;            /* NULL: not yet */
};

/* What runs an operation answers by one of the two below, at once or later; < 0 is a refusal. */
struct op {
	const char *name;
	int (*run)(struct daemon *d, struct request *rq, struct err **e);
};
const struct op *op_find(const char *name); /* NULL: unknown */

/* Members of the answer, taken over; NULL: none but "ok". rq is gone afterwards. */
void request_answer(struct request *rq, json_t *members);
void request_refuse(struct request *rq, int code, const struct err *e);

/* Writes the token, then listens; after a re-exec with the socket and the connections of before. */
int server_open(struct daemon *d, struct err **e);
/* Runs the requests again whose answers the daemon before owed. */
void server_resume(struct daemon *d);
/* Socket, token, connections and what is owed to them, for handover.h; appends the descriptors to fds. */
json_t *server_hand_over(const struct daemon *d, int **fds, size_t *n_fds);
void server_close(struct daemon *d);
