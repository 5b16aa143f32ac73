/*
 * Marks: empty files in config/APP that say what an operator has set and the store keeps: the app is stopped
 * or held, a schedule is suspended. The store is what counts; they are there for the day it is lost
 * (docs/recovery.md).
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define MARK_STOPPED   "STOPPED"
#define MARK_HELD      "HELD"
#define MARK_SUSPENDED "SUSPENDED." /* and the service's name */

/* Makes it be there or not. Costs one look when it is so already. */
int mark_set(const char *root, const char *app, const char *mark, bool is_set, struct err **e);
bool mark_is_set(const char *root, const char *app, const char *mark);
