/*
 * cgroup v2, where a tree of it may be written: one group for each instance, build or command, side by side
 * below one directory, and a leaf "slipwayd" for the daemon itself, as a group with members cannot hand on
 * controllers.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/limit.h"

struct cgroup_tree {
	char *path; /* NULL: there is none that could be written */
	bool has[LIMIT_COUNT];
};

/*
 * The tree to use: configured, or NULL for the group that this process is in. Moves this process into the
 * leaf and hands on the controllers. 0: t->path tells whether there is one. < 0: a configured one cannot be
 * used.
 */
int cgroup_tree_open(struct cgroup_tree *t, const char *configured, struct err **e);
/* What cgroup_tree_open() of the daemon found, from and to a file that others read; a missing one is no tree.
 */
int cgroup_tree_write(const struct cgroup_tree *t, const char *path, struct err **e);
int cgroup_tree_read(struct cgroup_tree *t, const char *path, struct err **e);
void cgroup_tree_done(struct cgroup_tree *t);

/* A command that this process starts: makes its group and moves this process there, so that what it starts
 * begins in it. *ret: its path, to be freed; NULL: there is no tree. Then, once it has started,
 * cgroup_leave(). */
int cgroup_visit(const struct cgroup_tree *t, const char *name, const struct limits *l, char **ret,
		 struct err **e);
void cgroup_leave(const struct cgroup_tree *t);

/* Makes the group anew (what is left in one of that name is killed) and sets its limits. *ret: its path, to
 * be freed. */
int cgroup_make(const struct cgroup_tree *t, const char *name, const struct limits *l, char **ret,
		struct err **e);
int cgroup_set(const struct cgroup_tree *t, const char *group, const struct limits *l, struct err **e);
/* Moves a process (0: this one) into it. */
int cgroup_enter(const char *group, pid_t pid, struct err **e);
/* How many of its processes the kernel killed because its memory was used up; 0 when that cannot be told. */
int64_t cgroup_oom_kills(const char *group);
/* Kills what is left in it and removes it; when that takes a moment it stays, for cgroup_sweep(). */
void cgroup_remove(const char *group);
/* Removes groups without processes that keep() does not want. */
void cgroup_sweep(const struct cgroup_tree *t, bool (*keep)(const char *name, void *ctx), void *ctx);
