/* Deployments are processes of their own: queued, started one per app, repaired when they die, waited for. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>

#include "base/crash-point.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "daemon/server.h"
#include "deploy/deploy.h"
#include "plan/room.h"
#include "plan/root.h"
#include "source/git.h"
#include "store/app.h"
#include "store/deployment.h"

enum { REPAIRS_MAX = 3, WAIT_MAX_MS = 30000 };

/* A deployment's process. */
struct run {
	struct run *next;
	struct daemon *d;
	struct child child;
	int64_t id;
	char *app;
	unsigned repairs, waits;
	void (*then)(struct daemon *d, const char *app); /* after its end; may be NULL */
	sd_event_source *timer;                          /* until it is tried again */
};

struct end_waiter {
	struct end_waiter *next;
	struct request *rq;
	int64_t id;
};

static void run_next(struct daemon *d, const char *app);
static void go_on(struct run *run);

static struct run *run_find(struct daemon *d, const char *app)
{
	for (struct run *run = d->runs; run; run = run->next)
		if (str_eq(run->app, app))
			return run;
	return NULL;
}

static void run_free(struct run *run)
{
	struct run **at = &run->d->runs;

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	sd_event_source_disable_unref(run->timer);
	child_forget(&run->child);
	free(run->app);
	free(run);
}

/* ---- answering who waits ---- */

static bool has_ended(const struct deployment_row *row)
{
	return !str_eq(row->state, "queued") && !str_eq(row->state, "running");
}

static void answer_end(struct request *rq, const struct deployment_row *row)
{
	json_t *answer = json_object();

	json_put_text(answer, "state", row->state);
	json_put_num(answer, "exit_status", row->exit_status);
	json_put_text(answer, "error", row->error);
	json_put_num(answer, "version", row->version);
	json_put_num(answer, "superseded_by", row->superseded_by);
	request_answer(rq, answer);
}

static void answer_waiters(struct daemon *d, const struct deployment_row *row)
{
	struct end_waiter **at = &d->end_waiters;

	while (*at) {
		struct end_waiter *w = *at;

		if (w->id != row->id) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		answer_end(w->rq, row);
		free(w);
	}
}

int op_wait(struct daemon *d, struct request *rq, struct err **e)
{
	_cleanup_(deployment_row_done) struct deployment_row row = { 0 };
	int r = store_deployment_get(&d->store, json_num(rq->args, "deployment", 0), &row, e);

	if (r < 0)
		return r;
	if (has_ended(&row)) {
		answer_end(rq, &row);
		return 0;
	}
	struct end_waiter *w = xcalloc(1, sizeof *w);

	*w = (struct end_waiter){ .next = d->end_waiters, .rq = rq, .id = row.id };
	d->end_waiters = w;
	return 0;
}

/* ---- processes ---- */

static int make_log(struct daemon *d, const char *app, int64_t id, char **path, struct err **e)
{
	_cleanup_(freep) char *dir = root_path(d->root, "logs/%s", app),
			      *log = root_deploy_log(d->root, app, id);
	int r = dir_make(dir, 0750, e);

	if (r < 0)
		return r;
	_cleanup_(closep) int fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(e, -errno, "making %s: %m", log);
	*path = TAKE(log);
	return 0;
}

/* Held at its gate until the store names it as the owner: a daemon that is killed here leaves nothing behind.
 */
static int spawn(struct run *run, const char *mode, struct err **e)
{
	struct daemon *d = run->d;
	_cleanup_(freep) char *id = xasprintf("%" PRId64, run->id), *log = NULL;
	const char *const args[] = { mode, d->root, id, NULL };
	int r = make_log(d, run->app, run->id, &log, e);

	if (r >= 0)
		r = daemon_spawn_self(d, &run->child,
				      &(struct child_spawn){ .log = log, .log_mode = 0600, .is_gated = true },
				      args, e);
	if (r < 0)
		return r;
	crash_point("daemon.spawned");
	r = store_deployment_begin(&d->store, run->id, run->child.pid, (int64_t) run->child.start, e);
	if (r < 0) {
		child_forget(&run->child);
		return r;
	}
	crash_point("daemon.owned");
	child_release(&run->child);
	return 0;
}

/* status: of its process; what counts when `destroy` took the row away with its app. */
static void finish(struct run *run, int status)
{
	_cleanup_(deployment_row_done) struct deployment_row row = { 0 };
	_cleanup_(freep) char *app = xstrdup(run->app);
	struct daemon *d = run->d;

	if (store_deployment_get(&d->store, run->id, &row, NULL) < 0) {
		row.id = run->id;
		row.state = xstrdup(status == 0 ? "succeeded" : "failed");
		row.exit_status = status;
	}
	crash_point("daemon.finish");
	room_reserve(d->root);
	scheduler_load(d, app);
	answer_waiters(d, &row);
	void (*then)(struct daemon *, const char *) = run->then;

	run_free(run);
	run_next(d, app);
	if (then)
		deployments_when_idle(d, app, then);
}

void deployments_when_idle(struct daemon *d, const char *app, void (*then)(struct daemon *d, const char *app))
{
	struct run *run = run_find(d, app);

	if (run)
		run->then = then;
	else
		then(d, app);
}

static int on_again(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	go_on(ctx);
	return 0;
}

/* The disk is full, or something like it. Who waits is told so; the app's other deployments wait for this
 * one. */
static void try_later(struct run *run, const char *why)
{
	unsigned pause = room_use_reserve(run->d->root) ? 0 : backoff_ms(++run->waits, DEFAULT_PAUSE_MS);
	struct deployment_row row = {
		.id = run->id, .state = (char *) "failed", .error = (char *) why, .exit_status = 1
	};

	answer_waiters(run->d, &row);
	log_warning("a deployment waits until it can go on", F("app", run->app), F("deployment", run->id),
		    F("error", why));
	timer_set(run->d, &run->timer, pause < WAIT_MAX_MS ? pause : WAIT_MAX_MS, on_again, run);
}

/* Nothing helped: the row ends, so that the app's next deployment can begin. */
static void give_up(struct run *run, const char *why)
{
	_cleanup_(err_freep) struct err *e = NULL;

	if (store_deployment_end(&run->d->store, run->id, "failed", why, 1, &e) < 0) {
		_cleanup_(freep) char *text = err_text(e);

		try_later(run, text);
		return;
	}
	daemon_event(run->d, run->app, "repair", why, "failed");
	log_error("a deployment could not be repaired", F("app", run->app), F("deployment", run->id));
	finish(run, 1);
}

/* Starts what brings the deployment to its end: itself, or its repair. */
static void go_on(struct run *run)
{
	_cleanup_(deployment_row_done) struct deployment_row row = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	int r = store_deployment_get(&run->d->store, run->id, &row, &e);

	if (r == ERR_NOT_FOUND || (r >= 0 && has_ended(&row))) {
		finish(run, (int) row.exit_status);
		return;
	}
	if (run->repairs > REPAIRS_MAX) {
		give_up(run, "its process died, and so did what tried to repair it");
		return;
	}
	if (r >= 0)
		r = spawn(run, str_eq(row.state, "queued") ? "deploy" : "repair", &e);
	if (r >= 0)
		return;
	(void) room_explain(run->d->root, r, &e);
	_cleanup_(freep) char *why = err_text(e);

	if (err_is_temporary(r))
		try_later(run, why);
	else
		give_up(run, why);
}

static void repair(struct run *run)
{
	crash_point("daemon.repair");
	run->repairs++;
	log_warning("a deployment died and is repaired", F("app", run->app), F("deployment", run->id));
	go_on(run);
}

static void on_end(struct child *c, int status)
{
	struct run *run = c->ctx;
	_cleanup_(deployment_row_done) struct deployment_row row = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	c->pid = 0;
	if (run->d->is_ending)
		return; /* repaired by the next daemon */
	int r = store_deployment_get(&run->d->store, run->id, &row, &e);

	if (r < 0 && r != ERR_NOT_FOUND)
		log_failure("a deployment has ended and cannot be read", run->app, &e);
	else if (r < 0 || has_ended(&row)) {
		finish(run, status);
		return;
	}
	if (status == DEPLOY_UNFINISHED || r < 0)
		try_later(run, "it could not be brought to its end yet, see its log");
	else
		repair(run);
}

static struct run *run_new(struct daemon *d, const struct deployment_row *row)
{
	struct run *run = xcalloc(1, sizeof *run);

	*run = (struct run){ .next = d->runs, .d = d, .id = row->id, .app = xstrdup(row->app) };
	run->child = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_end, .ctx = run };
	d->runs = run;
	return run;
}

static void run_next(struct daemon *d, const char *app)
{
	_cleanup_(deployment_row_done) struct deployment_row row = { 0 };

	if (d->is_ending || run_find(d, app) || store_deployment_queued(&d->store, app, &row, NULL) < 0)
		return;
	go_on(run_new(d, &row));
}

/* ---- asking for one ---- */

static int supersede_queued(struct daemon *d, const struct deployment_row *by, struct err **e)
{
	struct deployment_row *rows = NULL;
	size_t n = 0;
	int r = store_deployment_in_state(&d->store, "queued", &rows, &n, e);

	for (size_t i = 0; r >= 0 && i < n; i++) {
		_cleanup_(deployment_row_done) struct deployment_row row = { 0 };

		if (!str_eq(rows[i].app, by->app) || !str_eq(rows[i].kind, "deploy") || rows[i].id >= by->id)
			continue;
		r = store_deployment_supersede(&d->store, rows[i].id, by->id, e);
		if (r >= 0 && store_deployment_get(&d->store, rows[i].id, &row, NULL) >= 0)
			answer_waiters(d, &row);
	}
	deployment_rows_free(rows, n);
	return r;
}

static int add(struct daemon *d, struct deployment_row *row, char **log, struct err **e)
{
	int r = store_deployment_add(&d->store, row, e);

	if (r >= 0)
		r = make_log(d, row->app, row->id, log, e);
	if (r >= 0 && str_eq(row->kind, "deploy"))
		r = supersede_queued(d, row, e);
	if (r < 0 && row->id)
		(void) store_deployment_end(&d->store, row->id, "failed", "it could not be queued", 1, NULL);
	return r;
}

static bool kind_is_known(const char *kind)
{
	static const char *const kinds[] = { "deploy", "rollback", "restart", "scale",
					     "stop",   "start",    "destroy" };

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_eq(kind, kinds[i]))
			return true;
	return false;
}

/* What has to work on a full disk. */
static bool makes_room(const char *kind)
{
	return str_eq(kind, "stop") || str_eq(kind, "destroy") || str_eq(kind, "scale");
}

/* `force` travels with the kind's own arguments. */
static char *args_text(const json_t *request)
{
	const json_t *given = json_object_get(request, "args");
	_cleanup_(json_releasep) json_t *args =
		json_is_object(given) ? json_copy((json_t *) given) : json_object();

	if (json_flag(request, "force", false))
		json_put_flag(args, "force", true);
	return json_object_size(args) ? json_dumps(args, JSON_COMPACT) : NULL;
}

static void read_request(struct deployment_row *row, const json_t *args)
{
	*row = (struct deployment_row){
		.app = xstrdup(json_text(args, "app")),
		.kind = xstrdup(json_text(args, "kind")),
		.by = xstrdup(json_text(args, "by")),
		.commit = xstrdup(json_text(args, "commit")),
		.ref = xstrdup(json_text(args, "ref")),
		.version = json_num(args, "version", 0),
		.fingerprint = xstrdup(json_text(args, "fingerprint")),
		.push = xstrdup(json_text(args, "push")),
		.args = args_text(args),
	};
}

int op_deploy(struct daemon *d, struct request *rq, struct err **e)
{
	_cleanup_(deployment_row_done) struct deployment_row row = { 0 };
	_cleanup_(app_row_done) struct app_row app = { 0 };
	_cleanup_(freep) char *log = NULL;
	int r;

	read_request(&row, rq->args);
	if (!row.app || !row.by || !kind_is_known(row.kind))
		return err_set(e, ERR_USAGE, "deploy: needs 'app', 'by' and one of the known kinds");
	if (d->is_ending)
		return err_set(e, ERR_MISSING, "slipwayd ends and deploys nothing any more");
	if (makes_room(row.kind) && room_use_reserve(d->root))
		log_warning("the disk is full: the reserve is given up", F("app", row.app));
	r = store_app_get(&d->store, row.app, &app, e);
	if (r >= 0 && app.is_held && str_eq(row.kind, "deploy") && !json_flag(rq->args, "force", false))
		r = err_set(e, ERR_REFUSED,
			    "app '%s' is held and not deployed: `slipway unhold %s` ends that, `slipway "
			    "deploy %s --force` deploys once",
			    row.app, row.app, row.app);
	if (r >= 0)
		r = add(d, &row, &log, e);
	if (r < 0)
		return r;
	const struct run *before = run_find(d, row.app);
	json_t *answer = json_object();

	json_put_num(answer, "deployment", row.id);
	json_put_text(answer, "log", log);
	json_put_num(answer, "waits_for", before ? before->id : 0);
	run_next(d, row.app);
	request_answer(rq, answer);
	return 0;
}

/* ---- after a start ---- */

static int adopt_running(struct daemon *d, struct err **e)
{
	struct deployment_row *rows = NULL;
	size_t n = 0;
	int r = store_deployment_in_state(&d->store, "running", &rows, &n, e);

	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct run *run = run_new(d, &rows[i]);

		if (child_adopt(&run->child, d->loop, (pid_t) rows[i].owner_pid,
				(unsigned long long) rows[i].owner_start, NULL) < 0)
			repair(run);
	}
	deployment_rows_free(rows, n);
	return r;
}

static int start_queued(struct daemon *d, struct err **e)
{
	struct deployment_row *rows = NULL;
	size_t n = 0;
	int r = store_deployment_in_state(&d->store, "queued", &rows, &n, e);

	for (size_t i = 0; r >= 0 && i < n; i++)
		run_next(d, rows[i].app);
	deployment_rows_free(rows, n);
	return r;
}

/* A push whose hook found no daemon: the ref has moved and nobody asked for a deployment. */
static int add_pushed(struct daemon *d, const char *app, struct err **e)
{
	_cleanup_(freep) char *commit = NULL, *ref = NULL, *log = NULL;
	int r = git_pushed(d->root, app, &commit, &ref, NULL);

	if (r < 0)
		return 0; /* never pushed */
	r = store_deployment_has_commit(&d->store, app, commit, e);
	if (r != 0)
		return r;
	struct deployment_row row = { .app = (char *) app,
				      .kind = (char *) "deploy",
				      .by = (char *) "slipwayd",
				      .commit = commit,
				      .ref = ref };

	log_info("a pushed commit was never deployed", F("app", app), F("commit", commit));
	r = add(d, &row, &log, e);
	free(row.state); /* the one member that is its own */
	return r;
}

static void look_for_pushed(struct daemon *d);

static int on_look_again(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	look_for_pushed(ctx);
	return 0;
}

/* A full disk or a busy store must not keep the daemon from serving what runs: it is done later. */
static void look_for_pushed(struct daemon *d)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct app_row *apps = NULL;
	size_t n = 0;
	int r = store_app_list(&d->store, &apps, &n, &e);

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = apps[i].is_held ? 0 : add_pushed(d, apps[i].name, &e);
	app_rows_free(apps, n);
	if (r >= 0)
		r = start_queued(d, &e);
	if (r >= 0)
		return;
	log_failure("what was pushed and never deployed is looked for again later", NULL, &e);
	timer_set(d, &d->pushed_timer, WAIT_MAX_MS, on_look_again, d);
}

int deployments_adopt(struct daemon *d, struct err **e)
{
	int r = adopt_running(d, e);

	if (r < 0)
		return r;
	if (d->handover) /* the hook is still about to ask */
		return start_queued(d, e);
	look_for_pushed(d);
	return 0;
}

void deployments_end(struct daemon *d)
{
	for (struct run *run = d->runs; run; run = run->next)
		child_signal(&run->child, SIGTERM);
}

void deployments_done(struct daemon *d)
{
	d->pushed_timer = sd_event_source_disable_unref(d->pushed_timer);
	while (d->runs)
		run_free(d->runs);
	while (d->end_waiters) {
		struct end_waiter *w = d->end_waiters;

		d->end_waiters = w->next;
		free(w);
	}
}
