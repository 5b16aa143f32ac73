/*
 * Runtimes: a language's way to install dependencies and start. A runtime says what is to be done; deploy/
 * does it in the sandbox. Dependencies go to envs/APP/deps/HASH, one directory per hash of all inputs.
 */
#pragma once

#include <stdbool.h>

#include "base/env.h"
#include "base/err.h"
#include "base/problem.h"
#include "base/str.h"
#include "plan/plan.h"

struct runtime_input {
	const char *src;         /* absolute path of the checkout */
	int dir;                 /* the same, open */
	const struct env *env;   /* settings (NODE_VERSION ...) as the build sees them */
	const char *tool_path;   /* where programs are looked for */
	const struct plan *plan; /* services are known; runtime is not yet */
	const char *cache;       /* cache/APP, absolute: tools may keep there what they like between builds */
};

/*
 * One command of a build, run in the sandbox in order; a non-zero exit fails the deployment. It may write in
 * deps/HASH and the cache, and, where struct build says so, in src. Its environment: the app's over
 * build.env.
 */
struct build_step {
	char *title;      /* "installing requirements.txt" */
	struct strv argv; /* argv[0] absolute */
	char *cwd;        /* absolute */
	bool may_fail; /* the next step runs instead when this one fails (fallback); otherwise it is skipped
			*/
};

/* What a runtime wants done for one release. */
struct build {
	char *hash;          /* of all inputs and the runtime's version; NULL: needs no deps directory */
	bool is_per_release; /* the project installs itself: src is an input, deps/HASH is for this release
				alone, and the deps steps may write in src too */
	struct strv notices; /* lines for the pusher, before anything is run */
	struct strv copies;  /* "FILE=NAME": copied from src/FILE to deps/HASH/NAME before the deps steps */
	struct build_step *deps; /* fill deps/HASH; skipped when it is complete */
	size_t n_deps;
	struct build_step *steps; /* run in src for every new release */
	size_t n_steps;
	struct env env;      /* added to the app's environment below ENV and settings: PATH, VIRTUAL_ENV ...;
				values may use $PATH of the base */
	struct env step_env; /* of the steps alone, over everything else: where their caches lie */
	struct strv links; /* "NAME=TARGET": symbolic links made in src before the steps, unless something is
			      there (node_modules) */
	struct strv read;  /* paths outside the system that the app and the build must see (toolchains) */
};

struct runtime_ops {
	const char *name;  /* "python", as in the plan */
	const char *label; /* "Python", as in "Python app detected." */
	/*
	 * Does the directory hold an app of this runtime, and are its tools there? 1: yes. 0: no. 0 with
	 * *missing set (to be freed): yes, but tools are missing: "FILE found, but these are missing: TOOLS
	 * (what to install)".
	 */
	int (*detect)(const struct runtime_input *in, char **missing);
	/* Fills in *ret (released with build_done()). deps_parent: envs/APP/deps, absolute; the directory is
	 * deps_parent/HASH. Runs nothing but version queries. */
	int (*plan)(struct build *ret, const struct runtime_input *in, const char *deps_parent,
		    struct err **e);
};

/*
 * The first runtime of Piku's table that fits (spec section 9, docs/runtimes.md). A marker whose tools are
 * missing falls through to a later row only with a warning; nothing else fitting is ERR_REFUSED or
 * ERR_MISSING naming what was looked for and what is missing.
 */
int runtime_detect(const struct runtime_ops **ret, const struct runtime_input *in, struct problems *problems,
		   struct err **e);
const struct runtime_ops *runtime_find(const char *name); /* NULL: none */
void build_done(struct build *b);
