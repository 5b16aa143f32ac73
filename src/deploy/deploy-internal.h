/* One deployment in the making: what the steps hand on. For the files of this folder only. */
#pragma once

#include "base/env.h"
#include "base/proc.h"
#include "control/control.h"
#include "plan/host.h"
#include "plan/plan.h"
#include "plan/spec.h"
#include "router/router.h"
#include "runner/runner.h"
#include "runtime/runtime.h"
#include "store/app.h"
#include "store/user.h"
#include "store/deployment.h"
#include "store/instance.h"
#include "store/store.h"

/* An instance of the new generation. */
struct target {
	const struct plan_service *service; /* in plan */
	unsigned ordinal, port;
	int64_t pid;        /* once started; 0: not yet */
	int64_t started_ms; /* wall clock */
	bool is_there;      /* runs already: scaling, or taken over from a process that died */
};

struct deploy {
	const char *root;
	struct store store;
	struct host host;
	struct control control;
	struct deployment_row row;
	struct app_row app;
	struct user_row user;
	const struct deploy_kind *kind;
	const char *done_step; /* has run, which the journal learns with what comes next; NULL: it knows */

	long version;    /* of the release that shall live */
	long generation; /* the deployment that owns the instances: row.id, or the live one when scaling */
	char *commit;    /* that is being deployed; NULL: no release is made */
	char *dir, *src; /* releases/APP/vN and its src */
	int src_fd;
	struct plan plan, old_plan; /* old: of the live release */
	bool has_old;
	struct spec spec;
	struct env operator_env; /* config/APP/ENV alone */
	struct build build;
	const struct runtime_ops *runtime;
	char *deps; /* envs/APP/deps/HASH; NULL: none */
	struct target *targets;
	size_t n_targets;
	struct router_old old_workers;
	bool is_touched;   /* something that lived was stopped or rerouted: undoing it is a rollback */
	bool is_repair;    /* takes over from a process that died: what it did is not known for sure */
	bool is_activated; /* false: PIKU_AUTO_RESTART=false, staged only */
};

struct step {
	const char *name;
	int (*run)(struct deploy *d, struct err **e);
	/* Puts back what run did, wholly or in part; idempotent. NULL: nothing to undo. */
	int (*undo)(struct deploy *d, struct err **e);
};

struct deploy_kind {
	const char *name;         /* as in the store */
	const char *title;        /* "Deploying" */
	const struct step *steps; /* up to { NULL } */
};
const struct deploy_kind *deploy_kind_find(const char *name);

/* report.c: what the one who pushes reads. */
void say(const char *fmt, ...) PRINTF(1, 2);        /* "-----> text" */
void say_detail(const char *fmt, ...) PRINTF(1, 2); /* "       text" */
void say_warning(const char *fmt, ...) PRINTF(1, 2);
void say_problems(const struct problems *p);
void report_begin(const struct deploy *d);
void report_step(const struct deploy *d, const char *name, int64_t took_ms);
void report_success(const struct deploy *d, int64_t took_ms);
void report_failure(const struct deploy *d, const char *step, const struct err *e, bool is_rolled_back);
/* The last lines that an instance wrote since it was started, for a failing check. */
void report_log_tail(const struct deploy *d, const struct target *t);

/* load.c: what a deployment finds when it begins, also after a crash. */
int deploy_load(struct deploy *d, const char *root, int64_t id, struct err **e);
void deploy_done(struct deploy *d);
void deploy_set_version(struct deploy *d, long version);
/* Reads plan.json and spec.json of d->version. */
int deploy_read_release(struct deploy *d, struct err **e);
/* The generation that d->generation (or a former one) names, for the runner. */
struct generation deploy_generation(struct deploy *d, long version, long deployment);
const struct runner_ops *deploy_runner(const struct deploy *d);

/* environment.c */
int environment_compose(struct deploy *d, struct env *ret, const struct env *runtime,
			struct problems *problems, struct err **e);
int environment_write_live(const struct deploy *d, struct err **e);

/* ports.c */
/* Fills d->targets with what the plan wants, each with its port (reserved in the store). */
int targets_plan(struct deploy *d, struct err **e);
int order_check(struct deploy *d, struct err **e); /* START_AFTER */
struct target *targets_of(struct deploy *d, const struct plan_service *s, unsigned ordinal);

/* command.c: a command of the release in its sandbox, its output indented in the log. */
struct command_run {
	const char *what;    /* "preflight", for errors */
	const char *command; /* for sh -c; or argv */
	char *const *argv;
	const char *cwd;
	const struct env *extra; /* may be NULL */
	struct strv write;       /* also writable; borrowed */
	unsigned timeout_ms;
	const struct limits *limits;
};
/* 0; ERR_FAILED "WHAT: exited with status N"; err.status is N. */
int command_run(struct deploy *d, const struct command_run *c, struct err **e);

/* shared.c: what apps wrote beside their code. */
int shared_snapshot(struct deploy *d, bool is_after_build,
		    struct err **e); /* before the build, and after it */
int shared_link_known(struct deploy *d, struct err **e);
/* Finds what the live release wrote; > 0: that many paths are to be moved, which needs its instances stopped.
 */
int shared_find(struct deploy *d, struct strv *paths, struct err **e);
int shared_move(struct deploy *d, const struct strv *paths, struct err **e);
/* Before the old release is started again: links what a shared_move() that was cut short had moved already.
 */
int shared_mend_old(struct deploy *d, struct err **e);

/* user.c: who the app's files belong to and its commands run as. */
/* Takes up what config.toml says, with the app stopped when that is another user, and gives it its new
 * release. */
int user_prepare(struct deploy *d, struct err **e);
int user_own_dir(const struct deploy *d, const char *path, struct err **e); /* one that was just made */
/* What was made on the way to data/APP/shared/NAME. data: the open data/APP. */
void user_own_shared(const struct deploy *d, int data, const char *name);
/* Before the old release is started again: undoes what a deployment that did not end changed. */
int user_restore(struct deploy *d, struct err **e);
int user_record(struct deploy *d, struct err **e);
int undo_build(struct deploy *d, struct err **e);

/* instances.c */
int instances_start(struct deploy *d, bool parallel,
		    struct err **e); /* of parallel, or of the other services */
int instances_check(struct deploy *d, bool parallel, struct err **e);
/* Stops what the new generation runs of services that may not run twice (or all of it). */
int instances_stop_new(struct deploy *d, bool all, struct err **e);
/* Stops what the old generation runs of services that may not run twice (or all of it). */
int instances_stop_old(struct deploy *d, bool all, struct err **e);
/* Starts what of the old generation does not run; for undoing. */
int instances_start_old(struct deploy *d, struct err **e);
int route_new(struct deploy *d, struct err **e);
int route_old(struct deploy *d, struct err **e);

/* Beside a release's src: what its include file for the router said before the app could change it; to be
 * freed. */
char *include_copy(const char *src);

/* Piku's SCALING: what the services of d->plan are scaled to. */
int scaling_write(const struct deploy *d, struct err **e);

/* The steps, one file each (or a few that belong together). */
int step_fetch(struct deploy *d, struct err **e);
int undo_fetch(struct deploy *d, struct err **e);
int step_plan(struct deploy *d, struct err **e);
int step_build(struct deploy *d, struct err **e);
int step_stage(struct deploy *d, struct err **e);
int step_load(struct deploy *d, struct err **e);
int step_start(struct deploy *d, struct err **e);
int undo_start(struct deploy *d, struct err **e);
/* Old generations that still finish requests are ended. */
int end_retiring(struct deploy *d, struct err **e);
int step_check(struct deploy *d, struct err **e);
int step_switch(struct deploy *d, struct err **e);
int undo_switch(struct deploy *d, struct err **e);
int step_record(struct deploy *d, struct err **e);
int step_retire(struct deploy *d, struct err **e);
int step_scale_load(struct deploy *d, struct err **e);
int step_scale_switch(struct deploy *d, struct err **e);
int undo_scale(struct deploy *d, struct err **e);
int undo_scale_switch(struct deploy *d, struct err **e);
int step_stop(struct deploy *d, struct err **e);
int step_destroy(struct deploy *d, struct err **e);
