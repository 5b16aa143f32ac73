/*
 * Landlock, the kernel's sandbox that a process puts on itself (landlock(7)): what is not allowed below some
 * path is refused from then on, also to its children. Needs no privilege.
 */
#pragma once

#include "base/err.h"

enum landlock_grant {
	LANDLOCK_LIST,  /* the names in directories */
	LANDLOCK_READ,  /* reading, listing, executing */
	LANDLOCK_USE,   /* a device: reading, writing, ioctl */
	LANDLOCK_WRITE, /* everything */
};

enum {
	LANDLOCK_ABI_REFER = 2,    /* Linux 5.19: moving files to another directory can be allowed */
	LANDLOCK_ABI_TRUNCATE = 3, /* 6.2: truncating can be refused */
	LANDLOCK_ABI_IOCTL = 5,    /* 6.10: ioctl on devices can be refused */
	LANDLOCK_ABI_SCOPE = 6,    /* 6.12: signals and abstract sockets to the outside can be refused */
};

/* The version that this kernel has; 0: none. */
unsigned landlock_abi(void);
/* A new ruleset that refuses all that the version knows; a descriptor, or < 0. */
int landlock_open(unsigned abi, struct err **e);
/* Allows it for path and what is below; a path that is not there is left out. */
int landlock_allow(int ruleset, unsigned abi, const char *path, enum landlock_grant grant, struct err **e);
/* Lets what the descriptor stands for be opened again (/dev/stdout); what cannot be named needs no leave. */
void landlock_allow_fd(int ruleset, unsigned abi, int fd);
/* From here on, for good. Sets no_new_privs. */
int landlock_enforce(int ruleset, struct err **e);
