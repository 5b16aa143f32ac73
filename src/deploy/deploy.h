/*
 * The pipeline: fetch > plan > build > stage > start > check > switch > record > retire, one step after
 * another in a process of its own (`slipwayd deploy ROOT ID`), every step in the journal before it begins and
 * after it ended.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* The exit status of a process that could not bring its deployment to an end, as the disk is full or the
 * store is locked: it is to be repaired when that has changed. */
enum { DEPLOY_UNFINISHED = 75 };

/*
 * Runs the deployment with this id, whose row is "queued", to its end. Progress goes to standard output,
 * which is its log. Returns the exit status for whoever asked (0, 1, 4, 5, 6), also recorded in the store; <
 * 0 only when the row itself could not be read or written.
 */
int deploy_run(const char *root, int64_t id, struct err **e);
/* Ends a deployment whose process died: finishes it from `switch` on, undoes it before. The same return
 * values. */
int deploy_repair(const char *root, int64_t id, struct err **e);
/* Applies retention to an app: removes releases beyond the plan's number, dependencies that no release uses,
 * and old deployment logs. Never touches the live release nor one of a running deployment. */
int deploy_retain(const char *root, const char *app, struct err **e);
