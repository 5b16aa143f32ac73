/*
 * Named points at which a test kills slipway: only in builds with -Ddebug_hooks=true, else nothing at all.
 *
 * ROOT/run/crash/at says what is to happen, a line each: "POINT ROLE...". Whoever comes first to the point
 * of the first line takes the line away, adds the point to ROOT/run/crash/hit and kills these roles with
 * SIGKILL, itself last. So several lines are several deaths, one after the other.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"

#ifdef DEBUG_HOOKS
/* What this process is from now on: "deployment", "daemon", "keeper", "retention". root is kept. */
void crash_role(const char *root, const char *role);
/* role "nginx", which nobody takes, is the master of the private nginx. */
void crash_point(const char *fmt, ...) PRINTF(1, 2);
#else
#define crash_role(root, role) ((void) 0)
#define crash_point(...)       ((void) 0)
#endif
