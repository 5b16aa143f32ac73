/* The parts of the daemon to one another: one struct, one event loop, no threads. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cgroup.h"
#include "base/err.h"
#include "base/sandbox.h"
#include "daemon/child.h"
#include "plan/host.h"
#include "store/instance.h"
#include "store/store.h"

struct daemon;
struct request; /* server.h */

/* One process that is kept running beside the instances: log keeper, nginx. */
struct kept {
	struct child child;
	sd_event_source *timer; /* until its next start */
	unsigned exits;         /* in a row */
	int64_t began_ms;       /* monotonic */
	bool is_stopping, is_outdated;
};

struct daemon {
	const char *root;
	char *self;        /* the path this executable was started by */
	char *const *argv; /* of main() */
	int lock;          /* the descriptor that holds run/slipwayd.lock */
	json_t *handover;  /* of the daemon before in this process, while that is taken up; NULL: none */
	struct reexec *reexec;
	char *boot; /* boot_id() */
	int64_t started_at_s;
	unsigned first_pause_ms;                    /* before the first restart of what crashed */
	void (*ended)(struct daemon *d, void *ctx); /* called when all has gone */
	void *ended_ctx;
	bool is_ending; /* `shutdown` with instances: nothing is started, rows are kept for the next start */
	sd_event *loop;
	struct store store;
	struct host host;
	struct cgroup_tree cgroups;
	struct server *server;
	struct instance *instances; /* supervisor.c */
	struct gone_waiter *gone_waiters;
	sd_event_source *gone_event, *start_event, *boot_event;
	struct run *runs; /* deployments.c: the deployments that run */
	struct end_waiter *end_waiters;
	struct retire *retires;
	struct kept keeper, nginx;
	struct stale_row *stale_rows; /* record.c */
	sd_event_source *record_timer;
	bool is_store_away;            /* while many are started: it was just tried in vain */
	sd_event_source *pushed_timer; /* deployments.c: what was pushed is to be looked for again */
	struct schedule *schedules;    /* scheduler.c */
	sd_event_source *schedule_timer;
	struct run_waiter *run_waiters;      /* job.c */
	int64_t clock_base_ms, clock_factor; /* of the schedules, for tests */
	sd_event_source *tend_timer;         /* tend.c */
	struct child tending;
};

/* The pause before the next start after `exits` ends in a row: first_ms, doubled each time, at most 300 s. */
unsigned backoff_ms(unsigned exits, unsigned first_ms);
enum { HEALTHY_MS = 60000, CRASHING_EXITS = 5, DEFAULT_PAUSE_MS = 1000 };

/* ---- supervisor.c, instance.c, adopt.c ---- */

enum instance_state { INSTANCE_WAITING, INSTANCE_RUNNING, INSTANCE_STOPPING };

struct instance {
	struct instance *next;
	struct daemon *d;
	struct instance_row row;
	enum instance_state state;
	struct child child;
	pid_t group; /* the last leader, whose group may outlive it */
	unsigned long long group_start;
	unsigned exits;               /* in a row */
	int64_t began_ms, kill_at_ms; /* monotonic */
	int64_t next_start_s;         /* while waiting */
	sd_event_source *timer;
	int stop_signal;
	unsigned stop_timeout_ms;
	enum sandbox_level sandbox;
	int64_t uid; /* whom it runs as; 0: us */
	struct limits limits;
	char *cgroup;         /* its path; NULL: none */
	int64_t oom_kills;    /* in it, before this start */
	const char *last_end; /* what ended it, when its status does not tell; NULL: nothing known */
	bool is_due;          /* to be started by the next batch */
	struct boot *boot; /* boot.c: it is among those that are started after a boot; NULL: not any more */
	bool is_unrecorded, is_known; /* record.c: its row is not right; there is one */
	struct request *wanted_by;    /* a `start` of the same key while it stops */
	/* of a run of a schedule (row.run) */
	unsigned timeout_ms; /* 0: none */
	int log_fd;          /* its FIFO, so that nothing is lost when it ends before the log keeper looks */
	const char *outcome; /* when that is not told by its exit status */
	bool is_recorded;    /* its end */
};

/* ---- confine.c: its cgroup ---- */

/* Opens the tree of cgroups, and says where limits are enforced. */
void confine_begin(struct daemon *d);
/* Removes the groups that no instance has. */
void confine_sweep(struct daemon *d);
/* Before its process is started, for the one that was, and for one that was adopted. */
int confine_prepare(struct instance *i, struct err **e);
int confine_enter(const struct instance *i, struct err **e);
void confine_adopt(struct instance *i);
/* Was it killed because its memory was used up? Says so in its log. */
bool confine_look_for_oom(struct instance *i);
void confine_end(struct instance *i);
/* "memory": {"max": 268435456, "by": "cgroup"} ... of those that are set. */
json_t *confine_to_json(const struct instance *i);

/* Which instances are meant; the strings are borrowed where it is used at once, owned by a gone_waiter. */
struct filter {
	const char *app, *service; /* NULL: any */
	int64_t deployment;        /* 0: any */
	int64_t but, nor;          /* not of these deployments; 0: none */
	unsigned keep;             /* only ordinals above */
	bool is_stopping;          /* only those that are stopping already */
	bool but_jobs;             /* no runs of schedules: they may end by themselves */
};

struct instance *instance_new(struct daemon *d);
struct instance *instance_find(struct daemon *d, int64_t deployment, const char *service, unsigned ordinal);
/* Starts its process: FIFO, child, row, in this order, so that nothing runs that is not on record. */
int instance_launch(struct instance *i, struct err **e);
/* Takes over the process of its row. -ESRCH: it has ended. */
int instance_adopt(struct instance *i, struct err **e);
void instance_stop(struct instance *i); /* may free i when nothing runs */
/* Tries again at the next batch (start_event): for many at once. */
void instance_start_later(struct instance *i);
void instance_free(struct instance *i); /* the process goes on */
/* What is known of it beyond its row, and going on with that after a re-exec. */
json_t *instance_hand_over(const struct instance *i);
void instance_resume(struct instance *i, const json_t *was);

/* Asks them to go away; how many. */
int supervisor_stop(struct daemon *d, const struct filter *f);
/* Calls then once none of them is left, from the event loop, never from within this call. owned: freed after
 * that (often ctx itself), may be NULL. */
void supervisor_when_gone(struct daemon *d, const struct filter *f, void (*then)(struct daemon *d, void *ctx),
			  void *ctx, void *owned);
/* Something has gone: look at who waits for it. */
void supervisor_gone(struct daemon *d);
bool instance_matches(const struct instance *i, const struct filter *f);
int supervisor_start(struct daemon *d, struct request *rq, const struct instance_row *want, struct err **e);
json_t *supervisor_list(struct daemon *d, const char *app);
int supervisor_running(const struct daemon *d);
/* Continues what the daemon before left (adopt.c). */
int supervisor_adopt(struct daemon *d, struct err **e);
json_t *supervisor_hand_over(const struct daemon *d);
void supervisor_done(struct daemon *d);

/* ---- boot.c ---- */

/* Starts it when it is its turn. */
void boot_queue(struct instance *i);
/* Its process was started, or has ended. */
void boot_started(struct instance *i);
void boot_ended(struct instance *i);
void boot_forget(struct instance *i);

/* ---- record.c ---- */

void record_instance(struct instance *i);
/* Before its gate is opened. Succeeds on a full disk and with a locked store when it had a row before. */
int record_start(struct instance *i, struct err **e);
/* The same when the store failed already; *why is logged and released. < 0: it must not run. */
int record_aside(struct instance *i, struct err **why);
/* What a daemon before could not write to its row. */
void record_read(struct instance *i);
void record_gone(struct daemon *d, const struct instance_row *row);
void record_done(struct daemon *d);
/* ---- scheduler.c, job.c ---- */

/* Reads the schedules of all apps, of one again, or forgets them. */
int scheduler_begin(struct daemon *d, struct err **e);
void scheduler_load(struct daemon *d, const char *app);
void scheduler_forget(struct daemon *d, const char *app);
void scheduler_done(struct daemon *d);
void jobs_done(struct daemon *d);
int op_run_now(struct daemon *d, struct request *rq, struct err **e);
int op_run_wait(struct daemon *d, struct request *rq, struct err **e);
int op_suspend(struct daemon *d, struct request *rq, struct err **e);
int op_resume(struct daemon *d, struct request *rq, struct err **e);

/* ---- keeper-watch.c, router.c ---- */

void keeper_watch(struct daemon *d);
void keeper_stop(struct daemon *d); /* calls daemon_end_step() when it has gone */
/* Starts, adopts, reloads or stops the private nginx, as the settings say. */
void router_apply(struct daemon *d, bool is_reload);
void router_stop(struct daemon *d); /* the same */
json_t *kept_hand_over(const struct kept *k);
/* Watches the process of the daemon before in this process. false: there is none. */
bool kept_resume(struct daemon *d, struct kept *k, const char *key);
void kept_done(struct kept *k);

/* ---- deployments.c ---- */

int deployments_adopt(struct daemon *d, struct err **e);
int op_deploy(struct daemon *d, struct request *rq, struct err **e);
int op_wait(struct daemon *d, struct request *rq, struct err **e);
/* Calls then (with the app) once no deployment of the app runs any more, at once when none does. */
void deployments_when_idle(struct daemon *d, const char *app,
			   void (*then)(struct daemon *d, const char *app));
void deployments_end(struct daemon *d); /* `shutdown` with instances: they are repaired by the next daemon */
void deployments_done(struct daemon *d);

/* ---- sweep.c ---- */

/* At its start. */
void sweep_repositories(struct daemon *d);
void sweep_marks(struct daemon *d);
void sweep_fifos(struct daemon *d); /* once the instances are known */

/* ---- tend.c ---- */

int tend_begin(struct daemon *d, struct err **e);
void tend_done(struct daemon *d);

/* ---- retire.c ---- */

int op_retire(struct daemon *d, struct request *rq, struct err **e);
int op_retire_now(struct daemon *d, struct request *rq, struct err **e);
void retire_forget(struct daemon *d, const char *app);
json_t *retires_hand_over(const struct daemon *d);
void retires_resume(struct daemon *d);
void retires_done(struct daemon *d);

/* ---- reexec.c ---- */

int op_reexec(struct daemon *d, struct request *rq, struct err **e);
void reexec_done(struct daemon *d);

/* ---- daemon.c ---- */

int daemon_reload(struct daemon *d, struct err **e);
/* Ends the loop; with instances after all that was started has ended (then is called first). */
void daemon_shut_down(struct daemon *d, bool with_instances, void (*then)(struct daemon *d, void *ctx),
		      void *ctx);
/* Something that `shutdown` waits for may have gone. */
void daemon_end_step(struct daemon *d);
/* Starts `slipwayd MODE ROOT ...` watched by c; args are NULL-terminated. */
int daemon_spawn_self(struct daemon *d, struct child *c, const struct child_spawn *how,
		      const char *const *args, struct err **e);
void daemon_event(struct daemon *d, const char *app, const char *what, const char *detail,
		  const char *result);
/* When the timer is due, monotonic; 0: it is not set. */
int64_t timer_due_ms(sd_event_source *s);
/* The same from a time that may have passed. */
void timer_set_at(struct daemon *d, sd_event_source **s, int64_t due_ms, sd_event_time_handler_t fn,
		  void *ctx);
/* (Re)arms a one-shot timer in *s. */
void timer_set(struct daemon *d, sd_event_source **s, uint64_t in_ms, sd_event_time_handler_t fn, void *ctx);
/* Logs what went wrong where nobody is left to tell, and releases it. */
void log_failure(const char *what, const char *app, struct err **e);
