/* What the kinds of checks share. */
#pragma once

#include "check/check.h"

/*
 * Like check_who_listens(), but only for listeners that a connection to address may reach; *is_elsewhere is
 * set when the instance listens on the port, but not there.
 */
int listener_find(pid_t pid, const char *address, unsigned port, bool *is_elsewhere, char **holder);

/* Is the listener at the target's port the instance's own? 1: yes. 0: nobody listens, *why. < 0: another's.
 */
int tcp_find_listener(const struct check_target *t, char **why, struct err **e);

/* The address to connect to: "0.0.0.0", "", "::", "localhost" and brackets are read as people mean them. */
const char *tcp_connectable(const char *address);
/* "127.0.0.1:20001" or "[::1]:20001"; to be freed. */
char *tcp_endpoint(const struct check_target *t);
