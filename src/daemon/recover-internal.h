/* Recovery in parts: what files say, what processes say, the new store. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "daemon/recover-text.h"
#include "plan/host.h"
#include "plan/plan.h"
#include "store/release.h"

/* A process that runs an instance, by what it says of itself. */
struct found_instance {
	char *app, *service;
	unsigned ordinal, port; /* port 0: none */
	long version;
	pid_t pid;
	unsigned long long start; /* proc_start_time() */
	int64_t started_at_s;
	bool is_taken;  /* an instance of the live release: goes on */
	bool is_orphan; /* the process has ended, and what it began (its session) has not; version is 0 */
};

struct found_release {
	long version, deployment; /* deployment 0: unknown */
	char *commit, *by, *runtime;
	int64_t created_at_s;
	bool serves_files, is_staged;
};

struct found_app {
	char *name;
	long live;        /* 0: none */
	struct plan plan; /* of the live release, when has_plan */
	bool has_plan, is_stopped, is_held;
	struct found_release *releases; /* by version */
	size_t n_releases;
	char *pushed, *pushed_ref; /* NULL: nothing was */
	struct strv suspended;     /* services */
	struct strv shared;        /* paths beside the code that are in data/APP/shared */
	struct strv notes;         /* for the operator */
	unsigned *ports;           /* that nginx leads to, in the order of the instances */
	size_t n_ports;
	int64_t created_at_s;
	long last_deployment; /* the highest number that a log names */
	int64_t generation;   /* the deployment that its instances are of, in the new store */
	unsigned n_running;   /* of the live release */
};

struct found {
	const char *root;
	struct host host;
	struct found_app *apps;
	size_t n_apps;
	struct found_instance *instances;
	size_t n_instances;
	pid_t deployment; /* the process of one that is under way; 0: none */
	long deployment_id;
};

/* recover-files.c */
int recover_read_files(struct found *f, struct err **e);
void found_done(struct found *f);
/* recover-processes.c */
int recover_read_processes(struct found *f, struct err **e);
/* Which of the processes are the live instances of the app. */
void recover_match(struct found *f, struct found_app *app);
/* recover-store.c: fills the empty store at path. */
int recover_write(struct found *f, const char *path, const char *by, struct err **e);

/* daemon.c: the descriptor that holds the daemon's lock; ERR_FAILED when one runs. */
int daemon_lock(const char *root, struct err **e);
