/* Releasing by declaration, and the small macros that every file uses. */
#pragma once

#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>

#define _cleanup_(fn)     __attribute__((cleanup(fn)))
#define UNUSED            __attribute__((unused))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define COUNT(array)      (sizeof(array) / sizeof *(array))

/* DEFINE_CLEANUP(struct plan *, plan_free) allows: _cleanup_(plan_freep) struct plan *p = NULL; */
#define DEFINE_CLEANUP(type, fn)                                                                             \
	static inline void fn##p(type *p)                                                                    \
	{                                                                                                    \
		if (*p)                                                                                      \
			(void) fn(*p);                                                                       \
	}

/* Moves a pointer out of a variable that has a cleanup. */
#define TAKE(p)                                                                                              \
	({                                                                                                   \
		__typeof__(p) *from_ = &(p), val_ = *from_;                                                  \
		*from_ = NULL;                                                                               \
		val_;                                                                                        \
	})

static inline void freep(void *p)
{
	free(*(void **) p);
}

static inline void closep(const int *fd)
{
	if (*fd >= 0)
		(void) close(*fd);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		(void) fclose(*f);
}

static inline void close_pairp(int (*fd)[2])
{
	closep(&(*fd)[0]);
	closep(&(*fd)[1]);
}

/* Moves a descriptor out of a variable that has a cleanup. */
static inline int take_fd(int *fd)
{
	int v = *fd;
	*fd = -1;
	return v;
}
