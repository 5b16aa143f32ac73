/*
 * The control API's client side: one JSON object a line over run/slipwayd.sock. Every request carries the
 * token of run/token (0600), an "op" and its arguments; every answer is {"ok": true, ...} or
 * {"error": {"code": N, "message": "..."}}. Answers come in the order of the requests of a connection.
 * docs/control.md lists the operations.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct control {
	int fd;
	char *token;
	struct control_buffer *buffer;
	bool is_gone; /* the daemon has closed the connection: control_again() makes a new one */
};

/* socket: run/slipwayd.sock; token: beside it. ERR_MISSING when no daemon listens, saying how to start it. */
int control_open(struct control *ret, const char *socket, struct err **e);
/* The command that starts the daemon of this root: systemctl's where scripts/install has installed a unit
 * that serves it. To be freed. */
char *control_start_words(const char *root);
void control_close(struct control *c); /* for _cleanup_() */

/* Connects anew to a daemon that is being restarted, waiting up to 5 s for it. What was asked and not
 * answered has to be asked again. */
int control_again(struct control *c, struct err **e);

/*
 * Sends one request and waits for its answer; asks again when the daemon is restarted meanwhile, but for what
 * must not be done twice (`deploy`, `run-now`, `shutdown`, `reexec`). args: members besides op and token,
 * borrowed, may be NULL. *ret: the answer, may be NULL; new reference. An error answer is returned as its
 * code and message.
 */
int control_call(struct control *c, const char *op, const json_t *args, json_t **ret, struct err **e);
/* The two halves of it, for waiting on several things: c->fd becomes readable when an answer may be there. */
int control_send(struct control *c, const char *op, const json_t *args, struct err **e);
/* 1: *ret is the answer (an error answer is returned as < 0). 0: not yet, with wait false. */
int control_receive(struct control *c, bool wait, json_t **ret, struct err **e);
