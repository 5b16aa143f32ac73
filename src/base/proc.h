/* Children: one way to start every program. No shell, the whole environment given, only the descriptors said.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct proc {              /* the caller fills in the first half, proc_start() the rest */
	char *const *argv; /* argv[0]: absolute, see find_program() */
	const char *file;  /* what is executed; NULL: argv[0] */
	char *const *envp; /* all of it; NULL: ours */
	const char *cwd;   /* NULL: ours */
	/* Descriptors for 0, 1, 2; -1: /dev/null for 0, a pipe read by proc_wait() for 1 and 2. */
	int in, out, err;
	bool is_tied;        /* is killed when we die, however we do */
	bool is_foreground;  /* stays in our session and process group (interactive commands) */
	unsigned timeout_ms; /* 0: none. Then TERM to the group, after 10 s KILL */
	/* stdout and stderr, as they come; may be NULL. */
	void (*on_output)(void *ctx, const char *data, size_t n);
	void *ctx;

	pid_t pid;       /* leads a session of its own unless is_foreground */
	int pidfd, pipe; /* closed by proc_done(); pipe: where its output comes out, non-blocking, or -1 */
	int status;      /* after proc_wait(): exit status, 128 + signal, or -ETIMEDOUT */
};

#define PROC(argv_)                                                                                          \
	((struct proc){ .argv = (argv_), .in = -1, .out = -1, .err = -1, .pidfd = -1, .pipe = -1 })

/* Starts it; 0, or < 0 with *e. A failed exec is reported here. */
int proc_start(struct proc *p, struct err **e);
/* Waits for its end, handing on its output; kills what it left in its process group. 0, or < 0. */
int proc_wait(struct proc *p, struct err **e);
/* For _cleanup_(): kills what still runs and releases. */
void proc_done(struct proc *p);

/*
 * Runs argv to its end and collects its output (at most 1 MiB is kept). env: NULL for ours.
 * Returns its exit status (>= 0), or < 0 with *e when it could not be run. out may be NULL; to be freed.
 */
int proc_run(char *const *argv, char *const *envp, const char *cwd, unsigned timeout_ms, char **out,
	     struct err **e);

int pidfd_of(pid_t pid); /* pidfd_open(2), close-on-exec; -errno */
/* Field 22 of /proc/PID/stat, clock ticks since boot: tells a process from a later one of the same pid. 0:
 * gone. */
unsigned long long proc_start_time(pid_t pid);
/* Is it a child of ours, ended or not? */
bool proc_is_child(pid_t pid);
/* Does the process exist and is no zombie? */
bool proc_is_alive(pid_t pid, unsigned long long start_time);
/*
 * What tells this run of the machine, or of a container in it, from every other: the kernel's boot_id and the
 * pid namespace, or SLIPWAY_TEST_BOOT. To be freed.
 */
char *boot_id(void);
