/* Giving files to a user: by descriptors, following no link, leaving no directory. */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/*
 * Gives name in the open directory dir and all below it to the user and its group. Mounts below are left
 * alone, and so are files with several links that are somebody else's: one of the links may lie elsewhere.
 * Missing is done. *left: how many of these there were, added to it; may be NULL.
 */
int tree_own(int dir, const char *name, uid_t uid, gid_t gid, size_t *left, struct err **e);
