/* Checks: how health is decided. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "plan/plan.h"

struct check_target {
	const char *service;
	unsigned ordinal;
	const char *address; /* "127.0.0.1" */
	unsigned port;       /* 0: none */
	const char *host;    /* for the Host header; NULL: address */
	pid_t pid;   /* the leading process of the instance: the listener must be it or a descendant */
	int exit_fd; /* becomes readable when the instance ends (a pidfd); -1: unknown */
	unsigned connect_ms; /* how long a TCP check waits to be accepted; 0: not at all, for the daemon's
				loop */
	const char *socket;  /* for CHECK_UWSGI: root_uwsgi_socket() */
};

enum { CHECK_CONNECT_MS = 1000 }; /* for who may wait */

struct check_ops {
	const char *name; /* "tcp" */
	/* One attempt. 1: healthy. 0: not yet, *why (to be freed) says what was seen. < 0: will never be. */
	int (*attempt)(const struct plan_check *check, const struct check_target *t, char **why,
		       struct err **e);
};

/*
 * Tries until healthy, at most check->timeout_ms, with growing pauses (from 2 ms to 250 ms) that end at once
 * when the instance does. 0: healthy. ERR_FAILED with what was seen last.
 */
int check_wait(const struct plan_check *check, const struct check_target *t, struct err **e);

/* One attempt. It waits for nothing when the check is CHECK_PROCESS, or CHECK_TCP and connect_ms is 0. 1:
 * healthy. 0: not yet. < 0: never. */
int check_attempt(const struct plan_check *check, const struct check_target *t);
/* check_wait() for argv: ROOT APP VERSION SERVICE ORDINAL PORT PID; all else is in the release's plan. */
int check_instance(char **argv, struct err **e);

/* The TCP ports on which pid or a descendant listens, for "listens on 8000 instead"; array of *n, to be
 * freed. */
int check_listening_ports(pid_t pid, unsigned **ret, size_t *n);
/*
 * 1: pid (0: nobody) or a descendant listens there. 0: no one does. -1: another process does; *holder (to be
 * freed) names it ("python3 (pid 812)"), or says that it belongs to another user.
 */
int check_who_listens(pid_t pid, unsigned port, char **holder);
/* Can a server bind the port on all addresses now? */
bool check_port_is_free(unsigned port);
