/*
 * Room on the disk of the root. run/reserve is a file of 1 MiB that holds nothing: it is given up on a full
 * disk for what makes room, ends something or starts slipwayd, and made again when there is plenty.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Is there so little left that hardly anything can be written? */
bool room_is_short(const char *root);
/* Makes the reserve, where it would not be missed and is not there. */
void room_reserve(const char *root);
/* Gives the reserve up when room is short. true: there is room now that was not. */
bool room_use_reserve(const char *root);
/* When it failed because the disk is full (code says so, or there is no room), the error in *e says that, and
 * what to do. Returns code. */
int room_explain(const char *root, int code, struct err **e);
