/*
 * A name in an open directory. Apps may write to their code and data, and plant links there: whatever slipway
 * does to what lies below such a directory goes through here, and no link leads it out of it.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

struct spot {
	int dir; /* where it lies */
	char *name;
};

/* Finds path below the open directory base; with make, directories on the way to it are made (0755). A
 * missing one is -ENOENT otherwise; what leads out of base is refused. */
int spot_find(struct spot *ret, int base, const char *path, bool make, struct err **e);
/* What lies there, a link as itself; false: nothing. */
bool spot_stat(const struct spot *s, struct stat *ret);
bool spot_exists(const struct spot *s);
int spot_make_dir(const struct spot *s, mode_t mode, struct err **e); /* one that is there stays */
/* Moves what lies there, over what is no directory; copies it where they are not on one file system. */
int spot_move(const struct spot *from, const struct spot *to, struct err **e);
/* Makes or replaces the symbolic link atomically. */
int spot_link(const struct spot *s, const char *target, struct err **e);
/* Removes what lies there with everything below it, following no link. */
int spot_remove(const struct spot *s, struct err **e);
void spot_done(struct spot *s);
