/*
 * What one slipwayd hands to the next one in the same process (`slipway daemon reexec`): a memory file with
 * one JSON object, whose number is in SLIPWAY_HANDOVER_FD. The next one takes from it what it understands;
 * the rest it finds in the store, as after a kill -9.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"

enum { HANDOVER_FORMAT = 1 };

/* The object, or NULL: started like any other. Descriptors of an object that is not understood are closed. */
json_t *handover_take(void);
/* Writes the object and marks its descriptor and fds as inherited. */
int handover_give(const json_t *j, const int *fds, size_t n, struct err **e);
/* The exec failed: takes all of that back. */
void handover_undo(const int *fds, size_t n);

/* A descriptor that was handed over, close-on-exec again; -1: none. */
int handover_fd(const json_t *j, const char *key);
/* Any bytes as text. */
void handover_put_bytes(json_t *j, const char *key, const char *data, size_t n);
/* To be freed; *n is 0 and NULL returned when there are none. */
char *handover_bytes(const json_t *j, const char *key, size_t *n);
