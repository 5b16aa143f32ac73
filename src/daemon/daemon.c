/* slipwayd: one event loop around the store, the instances, the deployments, the log keeper and the private
 * nginx. */
#include "daemon/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "daemon/daemon-internal.h"
#include "daemon/handover.h"
#include "daemon/recover-internal.h"
#include "daemon/server.h"
#include "plan/room.h"
#include "plan/root.h"
#include "store/event.h"
#include "store/inspect.h"

/* ---- what all parts use ---- */

void log_failure(const char *what, const char *app, struct err **e)
{
	_cleanup_(freep) char *text = err_text(*e);

	log_error(what, F("app", app), F("error", text));
	*e = err_free(*e);
}

void daemon_event(struct daemon *d, const char *app, const char *what, const char *detail, const char *result)
{
	_cleanup_(err_freep) struct err *e = NULL;

	if (store_event_add(&d->store, app, "slipwayd", what, detail, result, &e) < 0)
		log_failure("an event was not recorded", app, &e);
}

void timer_set(struct daemon *d, sd_event_source **s, uint64_t in_ms, sd_event_time_handler_t fn, void *ctx)
{
	int r;

	*s = sd_event_source_disable_unref(*s);
	r = sd_event_add_time_relative(d->loop, s, CLOCK_MONOTONIC, in_ms * 1000, 1000, fn, ctx);
	if (r < 0)
		log_error("a timer could not be set", F("error", strerror(-r)));
}

void timer_set_at(struct daemon *d, sd_event_source **s, int64_t due_ms, sd_event_time_handler_t fn,
		  void *ctx)
{
	int64_t left = due_ms - monotonic_ms();

	timer_set(d, s, left > 0 ? (uint64_t) left : 0, fn, ctx);
}

int64_t timer_due_ms(sd_event_source *s)
{
	uint64_t us = 0;
	int is_on = SD_EVENT_OFF;

	if (!s || sd_event_source_get_enabled(s, &is_on) < 0 || is_on == SD_EVENT_OFF)
		return 0;
	return sd_event_source_get_time(s, &us) < 0 ? 0 : (int64_t) (us / 1000);
}

/* Once another file lies at our path, an upgrade is under way, and until the re-exec all goes on as this
 * version: what was started by now and what the store looks like belong together. */
static const char *running_file(const struct daemon *d)
{
	struct stat ours, at;
	bool is_same = stat("/proc/self/exe", &ours) == 0 && stat(d->self, &at) == 0 &&
		       ours.st_dev == at.st_dev && ours.st_ino == at.st_ino;

	return is_same ? d->self : "/proc/self/exe";
}

int daemon_spawn_self(struct daemon *d, struct child *c, const struct child_spawn *how,
		      const char *const *args, struct err **e)
{
	_cleanup_(strv_done) struct strv argv = { 0 };
	struct child_spawn full = *how;

	STRV_ADD(&argv, d->self);
	strv_add(&argv, args);
	full.argv = argv.v;
	full.file = running_file(d);
	return child_start(c, d->loop, &full, e);
}

/* ---- reload and end ---- */

int daemon_reload(struct daemon *d, struct err **e)
{
	struct host host = { 0 };
	int r = host_read(&host, d->root, e);

	if (r < 0)
		return err_wrap(e, r, "the old settings stay in force");
	host_done(&d->host);
	d->host = host;
	router_apply(d, true);
	log_info("reloaded");
	return 0;
}

void daemon_end_step(struct daemon *d)
{
	if (!d->is_ending || d->instances || d->nginx.child.pid)
		return;
	if (d->keeper.child.pid) {
		if (!d->keeper.is_stopping)
			keeper_stop(d);
		return;
	}
	if (d->ended)
		d->ended(d, d->ended_ctx);
	(void) sd_event_exit(d->loop, 0);
}

static void on_instances_gone(struct daemon *d, void *ctx UNUSED)
{
	daemon_end_step(d);
}

void daemon_shut_down(struct daemon *d, bool with_instances, void (*then)(struct daemon *d, void *ctx),
		      void *ctx)
{
	log_info("shutting down", F("instances", with_instances ? "stop" : "stay"));
	if (!with_instances) {
		then(d, ctx);
		(void) sd_event_exit(d->loop, 0);
		return;
	}
	d->is_ending = true;
	d->ended = then;
	d->ended_ctx = ctx;
	retires_done(d);
	deployments_end(d);
	(void) supervisor_stop(d, &(struct filter){ 0 });
	router_stop(d);
	supervisor_when_gone(d, &(struct filter){ 0 }, on_instances_gone, NULL, NULL);
}

static int on_signal(sd_event_source *s UNUSED, const struct signalfd_siginfo *si, void *ctx)
{
	struct daemon *d = ctx;
	_cleanup_(err_freep) struct err *e = NULL;

	if (si->ssi_signo != SIGHUP) {
		log_info("ending; instances, log keeper and nginx stay",
			 F("signal", (int64_t) si->ssi_signo));
		return sd_event_exit(d->loop, 0);
	}
	(void) sd_notify(0, "RELOADING=1");
	if (daemon_reload(d, &e) < 0)
		log_failure("reloading failed", NULL, &e);
	(void) sd_notify(0, "READY=1");
	return 0;
}

static int watch_signals(struct daemon *d, struct err **e)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	int r = 0;

	sigemptyset(&set);
	for (size_t i = 0; i < COUNT(signals); i++)
		sigaddset(&set, signals[i]);
	(void) sigprocmask(SIG_BLOCK, &set, NULL);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGCHLD, SIG_DFL); /* ignored, there would be no exit statuses */
	for (size_t i = 0; r >= 0 && i < COUNT(signals); i++)
		r = sd_event_add_signal(d->loop, NULL, signals[i], on_signal, d);
	return r < 0 ? err_set(e, r, "watching signals: %s", strerror(-r)) : 0;
}

/* ---- start ---- */

/* With our pid in the file. */
int daemon_lock(const char *root, struct err **e)
{
	_cleanup_(freep) char *path = root_path(root, "run/slipwayd.lock"), *text = NULL;
	_cleanup_(freep) char *mine = xasprintf("%d\n", (int) getpid());
	int fd = file_lock(path, false, e);

	if (fd == -EWOULDBLOCK) {
		if (file_read(path, 64, &text, NULL, NULL) >= 0)
			text[strcspn(text, "\n")] = '\0';
		return err_set(e, ERR_FAILED, "slipwayd is already running for %s as pid %s", root,
			       text && *text ? text : "(unknown)");
	}
	if (fd < 0)
		return fd;
	if (ftruncate(fd, 0) < 0 || write_all(fd, mine, strlen(mine)) < 0)
		log_warning("the lock does not name its owner", F("path", path));
	return fd;
}

static unsigned first_pause_ms(void)
{
	const char *text = getenv("SLIPWAY_TEST_BACKOFF_MS");
	long ms;

	return text && str_to_long(text, 1, 300000, &ms) ? (unsigned) ms : DEFAULT_PAUSE_MS;
}

/* As it was called, so that a link which is pointed to another version is followed, when that is us. */
static char *self_path(const char *called)
{
	char *path = realpath("/proc/self/exe", NULL);
	_cleanup_(freep) char *real = *called == '/' ? realpath(called, NULL) : NULL;

	if (path && str_eq(path, real)) {
		free(path);
		path = xstrdup(called);
	}
	return path ? path : xstrdup("/proc/self/exe");
}

/* root_make() closes it; users of apps pass through it to their dependencies. */
static void open_envs(const struct daemon *d)
{
	_cleanup_(freep) char *path = root_path(d->root, "envs");
	unsigned first, last;

	if (host_users(&d->host, &first, &last) && geteuid() == 0 && chmod(path, 0711) < 0)
		log_warning("users of apps may not get to their dependencies", F("path", path));
}

/* All of it is read before anything relies on it. A new one is made only where there never was one. */
static int open_store(struct daemon *d, const char *path, struct err **e)
{
	_cleanup_(err_freep) struct err *why = NULL;
	int r = store_inspect(path, &why);

	if (r == ERR_NOT_FOUND && !root_has_releases(d->root))
		r = 0;
	if (r < 0) {
		_cleanup_(freep) char *text = err_text(why);

		return r == ERR_NOT_FOUND
			       ? err_set(e, ERR_MISSING,
					 "%s, and there are apps: put a backup in its place or run `slipway "
					 "recover`, which makes it anew from the other files; the apps go "
					 "on meanwhile",
					 text)
			       : err_set(e, r, "%s", text);
	}
	r = store_open(&d->store, path, true, e);

	d->store.is_brief = true;
	return r;
}

static int prepare(struct daemon *d, struct err **e)
{
	_cleanup_(freep) char *store = root_store(d->root);

	if (room_use_reserve(d->root))
		log_warning("the disk is full: the reserve is given up");
	int r = host_read(&d->host, d->root, e);

	crash_role(d->root, "daemon");
	d->started_at_s = now_s();
	d->self = self_path(d->argv[0]);
	d->boot = boot_id();
	sandbox_tell_children(r >= 0 ? d->host.tool_path : NULL);
	d->first_pause_ms = first_pause_ms();
	if (r >= 0)
		open_envs(d);
	if (r >= 0)
		r = open_store(d, store, e);
	if (r < 0)
		return r;
	r = sd_event_default(&d->loop);
	if (r < 0)
		return err_set(e, r, "making the event loop: %s", strerror(-r));
	(void) sd_event_set_watchdog(d->loop, true);
	return watch_signals(d, e);
}

/* The order matters: logs before writers, instances before the router, what was before what is asked for. */
static int take_up(struct daemon *d, struct err **e)
{
	int r;

	crash_point("daemon.begin");
	confine_begin(d);
	keeper_watch(d);
	retires_resume(d);
	r = supervisor_adopt(d, e);
	crash_point("daemon.adopted");
	if (r < 0)
		return r;
	confine_sweep(d);
	sweep_fifos(d);
	r = scheduler_begin(d, e);
	if (r < 0)
		return r;
	router_apply(d, false);
	r = server_open(d, e); /* deployments that are repaired need it */
	if (r >= 0 && !d->handover)
		sweep_repositories(d);
	if (r >= 0)
		sweep_marks(d);
	if (r >= 0)
		r = deployments_adopt(d, e);
	if (r >= 0 && d->handover)
		server_resume(d);
	if (r >= 0)
		r = tend_begin(d, e);
	json_decref(d->handover);
	d->handover = NULL;
	return r;
}

static void daemon_done(struct daemon *d)
{
	reexec_done(d);
	retires_done(d);
	deployments_done(d);
	scheduler_done(d);
	tend_done(d);
	supervisor_done(d);
	record_done(d);
	server_close(d);
	kept_done(&d->keeper);
	kept_done(&d->nginx);
	d->loop = sd_event_unref(d->loop);
	store_close(&d->store);
	host_done(&d->host);
	cgroup_tree_done(&d->cgroups);
	free(d->self);
	free(d->boot);
	json_decref(d->handover);
	closep(&d->lock);
}

static int run(struct daemon *d, struct err **e)
{
	int r = prepare(d, e);

	if (r >= 0)
		r = take_up(d, e);
	if (r < 0)
		return r;
	room_reserve(d->root);
	(void) malloc_trim(0);
	log_info("ready", F("pid", getpid()), F("root", d->root), F("version", VERSION));
	(void) sd_notify(0, "READY=1");
	r = sd_event_loop(d->loop);
	(void) sd_notify(0, "STOPPING=1");
	return r < 0 ? err_set(e, r, "the event loop: %s", strerror(-r)) : 0;
}

int daemon_run(const char *root, char *const *argv, struct err **e)
{
	_cleanup_(daemon_done) struct daemon d = { .root = root, .argv = argv, .lock = -1 };
	int r;

	(void) mallopt(M_ARENA_MAX, 1);
	(void) mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	(void) mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	log_init();
	r = root_make(root, NULL, e);
	if (r < 0)
		return r;
	d.handover = handover_take();
	d.lock = d.handover ? handover_fd(d.handover, "lock") : -1;
	if (d.lock < 0)
		d.lock = daemon_lock(root, e);
	return d.lock < 0 ? d.lock : run(&d, e);
}
