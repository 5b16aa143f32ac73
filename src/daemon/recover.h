/* A lost store made anew from what lies in the root's other files and from the processes that run. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/*
 * Rebuilds state.db when it is missing, empty or damaged; what there was is kept beside it. is_dry: only says
 * what would be. *report (new reference, also of a store that is whole): docs/json.md. ERR_FAILED while
 * slipwayd runs, -EBUSY while a deployment's process does, ERR_REFUSED for a store of a newer schema.
 */
int recover_run(const char *root, const char *by, bool is_dry, json_t **report, struct err **e);
