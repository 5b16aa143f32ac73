/* A process that the daemon watches through a pidfd in the event loop, whether it is its own child or
 * adopted. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/err.h"

struct child {
	pid_t pid;                /* 0: none */
	unsigned long long start; /* proc_start_time() of it */
	int gate;                 /* where a byte lets it begin (launch_gate()), -1: nowhere */
	int pidfd;
	sd_event_source *source;
	/* It has ended and is reaped. pid and start are left to tell which it was; this clears them, starts
	 * the next in its place, or frees c. status: exit status, 128 + signal, -1: unknown (adopted). */
	void (*on_end)(struct child *c, int status);
	void *ctx;
};

struct child_spawn {
	char *const *argv;
	const char *file; /* what is executed; NULL: argv[0] */
	const char *log;  /* file that gets standard output and error, appended; NULL: /dev/null */
	mode_t log_mode;
	bool is_gated; /* held at launch_gate() until child_release() */
};

/* Starts a process in a session of its own and watches it. on_end and ctx are set by the caller. */
int child_start(struct child *c, sd_event *loop, const struct child_spawn *how, struct err **e);
/* Watches one that runs already, or a child of ours that has ended and was not reaped (after a re-exec).
 * -ESRCH: neither (or another process has its pid). */
int child_adopt(struct child *c, sd_event *loop, pid_t pid, unsigned long long start, struct err **e);
void child_release(struct child *c); /* opens its gate */
/* Stops watching; the process goes on. One whose gate is closed ends. */
void child_forget(struct child *c);
void child_signal(const struct child *c, int sig); /* to the process alone */
