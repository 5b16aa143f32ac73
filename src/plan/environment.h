/* The parts of an app's environment that slipway itself gives (Piku spec 7.2, steps 1 and 5 to 7). */
#pragma once

#include <sys/types.h>

#include "base/env.h"
#include "base/err.h"
#include "plan/plan.h"

/* The name of a user of this host, or its number; to be freed. */
char *environment_user(uid_t uid);
/* Where USER and LOGNAME are still ours (as of step 1), they become those of the user whom the app runs as.
 */
void environment_set_user(struct env *env, uid_t uid);

/*
 * Step 1, before anything the app or its operator set: APP, LOG_ROOT, DATA_ROOT, HOME (data/APP/home), USER,
 * LOGNAME, PATH, PWD and LANG, all of origin "base". Nothing of our own environment is handed on but USER.
 * src:        the code's absolute path
 * tool_path:  PATH; runtimes put theirs in front
 */
int environment_base(struct env *ret, const char *root, const char *app, const char *src,
		     const char *tool_path, struct err **e);
/*
 * The last steps, after all settings were merged: drops PIKU_INTERNAL_*, gives an app that is served over
 * HTTP the defaults of what it left unset (BIND_ADDRESS, NGINX_IPV4_ADDRESS, NGINX_IPV6_ADDRESS; origin
 * "slipway") and puts blanks between host names. PORT is given to each instance when it starts.
 */
void environment_finish(struct env *env, const struct plan *p);
