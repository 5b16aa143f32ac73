/* The sockets that listen on TCP, whoever holds them. */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <sys/types.h>

struct listener {
	struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
	unsigned port;
	uid_t uid;
	unsigned long inode; /* of the socket, as /proc/PID/fd names it */
};

struct listeners {
	struct listener *v;
	size_t n;
};

/* Adds them all. */
void listeners_read(struct listeners *ret);
/* The same from /proc/net alone: for a test. */
void listeners_read_proc(struct listeners *ret);
void listeners_done(struct listeners *l);
