/* Runners: plan -> instances. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "control/control.h"
#include "plan/plan.h"

/* One generation of an app's instances: those that one deployment started. */
struct generation {
	const char *root, *app;
	long version, deployment;
	struct control *control; /* to the daemon; NULL where a runner needs none */
};

/* One instance to be started. */
struct instance_want {
	const char *service;
	unsigned ordinal;
	unsigned port; /* 0: none */
};

struct runner_ops {
	const char *name; /* as in "runner: native" */
	/* Usable on this host? < 0 with *e saying what to install or start. Changes nothing. */
	int (*probe)(const struct generation *g, struct err **e);
	/* Starts one instance. Repeated after a crash, so it must be idempotent by deployment, service and
	 * ordinal. *pid (may be NULL): the leading process, 0 when the runner has none. */
	int (*start)(const struct generation *g, const struct instance_want *want, int64_t *pid,
		     struct err **e);
	/* Stops what this generation runs: of one service, or all with service NULL; ordinals above keep.
	 * Returns when they are gone. Gone already counts as stopped. */
	int (*stop)(const struct generation *g, const char *service, unsigned keep, struct err **e);
};
const struct runner_ops *runner_find(const char *name); /* NULL: no such runner */
