/* Manifests: the files in the code that say what to run, compiled to a plan. */
#pragma once

#include <stdbool.h>

#include "base/env.h"
#include "base/err.h"
#include "base/problem.h"
#include "plan/host.h"
#include "plan/plan.h"

struct manifest_input {
	const char *app;       /* its name */
	int dir;               /* an open directory: the code */
	const struct env *env; /* what settings are read from: base < ENV of the repository < operator's */
	const char *scaling;   /* text of config/APP/SCALING, NULL: none */
	const struct host *host;
};

struct manifest_ops {
	const char *name; /* "procfile" */
	/* Is this manifest in the directory? */
	bool (*detect)(int dir);
	/*
	 * Fills in *ret (released with plan_done() also on failure) all but runtime. What is wrong goes into
	 * problems, all of it, with file, line and column; ERR_REFUSED when one of them is an error.
	 */
	int (*compile)(struct plan *ret, const struct manifest_input *in, struct problems *problems,
		       struct err **e);
	/* Reads the settings that the repository ships (ENV) on top of env, in the manifest's dialect. */
	int (*read_env)(int dir, struct env *env, struct problems *problems, struct err **e);
};

/* The first that detects itself; NULL: none. */
const struct manifest_ops *manifest_detect(int dir);
/* The names of the files that are looked for, for messages: "Procfile". */
const char *manifest_file_names(void);
