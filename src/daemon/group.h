/* What /proc says about process groups and sessions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Signals the group that the process led, also after it has ended: never a later group of the same number. */
void group_signal(pid_t leader, unsigned long long start, int sig);
/* Is anything but zombies left in it? */
bool group_is_alive(pid_t leader, unsigned long long start);

/* A living process of a group whose leader has ended; 0: there is none, or the leader lives. */
pid_t group_orphan(pid_t leader);

/* Resident memory by session: the processes of an instance, as it leads one. */
struct session_memory {
	pid_t session;
	int64_t bytes;
};
/* One pass over /proc; fills in bytes for each of v. */
void sessions_measure(struct session_memory *v, size_t n);
