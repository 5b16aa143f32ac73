/*
 * Turning this process into a command of a release: environment, working directory, sandbox. The supervisor's
 * child, `run` and the hooks of a deployment all go this way.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/limit.h"
#include "plan/spec.h"

struct launch {
	const struct spec *spec;
	const char *command;         /* given to /bin/sh -c; or NULL, with */
	char *const *argv;           /* a program (argv[0] absolute) and its arguments */
	const char *cwd;             /* NULL: the spec's */
	struct env extra;            /* PORT, PROC_TYPE ...: wins over the spec's environment */
	struct strv write, read;     /* shown besides what the spec shows (a build's deps/HASH and cache) */
	uid_t uid;                   /* whom it runs as, with the group of the same number; 0: us */
	const struct limits *limits; /* NULL: none */
	struct limit_means means;    /* what of them somebody else sees to */
};

/* Sets the limits and, by what the daemon wrote in ROOT/run, what of them a cgroup sees to. */
void launch_limit(struct launch *l, const char *root, const struct limits *limits);
/* The argument vector and environment to execute, for proc_start(). The working directory is part of it. */
void launch_compose(const struct launch *l, struct strv *argv, struct strv *envp);
/* Replaces this process; returns only on failure. */
int launch_exec(const struct launch *l, struct err **e);

/*
 * The gate of a process that slipwayd starts: while standard input is a pipe, waits until a byte comes
 * through it, which says that the process is on record in the store. false: slipwayd died before that, so do
 * nothing. Leaves /dev/null as standard input; anything else than a pipe lets pass at once.
 */
bool launch_gate(void);

/*
 * `slipwayd instance ROOT APP VERSION SERVICE ORDINAL PORT UID` (argv begins at ROOT): opens the log FIFO for
 * 1 and 2, sets what is inherited, waits at the gate and becomes the service's command. Only the supervisor
 * starts it. Returns an exit status; why has then been written to the instance's log.
 */
int launch_instance(char **argv, struct err **e);
