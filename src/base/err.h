/*
 * The one error type. What can fail returns 0 (or a count) or a negative code and says why through its last
 * parameter, which may be NULL. Each level that has something to add puts it on top with err_wrap(); nobody
 * logs on the way up.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"

/* Codes below -5000 are slipway's own, all others are -errno. See err_exit_status(). */
enum {
	ERR_USAGE = -5000,      /* exit 2: wrong usage */
	ERR_NOT_FOUND = -5001,  /* exit 3: no such app */
	ERR_REFUSED = -5002,    /* exit 4: refused by validation */
	ERR_MISSING = -5003,    /* exit 5: a daemon, engine, router or tool that is needed is not there */
	ERR_UNDONE = -5004,     /* exit 6: rolled back */
	ERR_PERMISSION = -5005, /* exit 7: not permitted */
	ERR_FAILED = -5006,     /* exit 1: tried and failed, nothing changed */
	ERR_CHILD = -5007, /* a child's own exit status, in err.status: preflight, release command, run */
};

struct err {
	int code;          /* -errno or ERR_* */
	int status;        /* with ERR_CHILD: the exit status */
	char *msg;         /* what happened and, where one can, what to do about it */
	struct err *cause; /* the level below, or NULL */
};

/* Begins a chain and returns code. %m is the errno at the time of the call. */
int err_set(struct err **e, int code, const char *fmt, ...) PRINTF(3, 4);
/* Puts a level on top of the chain in *e (may be NULL) and returns code. */
int err_wrap(struct err **e, int code, const char *fmt, ...) PRINTF(3, 4);
/* Takes NULL, returns NULL. */
struct err *err_free(struct err *e);
DEFINE_CLEANUP(struct err *, err_free)
/* The chain as one text "a: b: c"; to be freed. NULL gives "unknown error". */
char *err_text(const struct err *e);
/* Will it work later without anybody changing anything but making room: a full disk, a locked store ...? */
bool err_is_temporary(int code);
/* The exit status that design.md gives to a code: 1 to 7. */
int err_exit_status(int code);
