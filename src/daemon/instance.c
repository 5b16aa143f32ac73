/* The life of one instance: started, restarted after growing pauses, stopped with everything it left behind.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/problem.h"
#include "daemon/daemon-internal.h"
#include "daemon/group.h"
#include "daemon/job.h"
#include "daemon/server.h"
#include "plan/root.h"
#include "plan/spec.h"
#include "store/user.h"

enum { RECHECK_MS = 20, DRAIN_MS = 5, GIVE_UP_MS = 10000, DEFAULT_STOP_MS = 10000 };

unsigned backoff_ms(unsigned exits, unsigned first_ms)
{
	uint64_t pause = first_ms;

	for (unsigned i = 1; i < exits && pause < 300000; i++)
		pause *= 2;
	return pause > 300000 ? 300000 : (unsigned) pause;
}

static void on_end(struct child *c, int status);

struct instance *instance_new(struct daemon *d)
{
	struct instance *i = xcalloc(1, sizeof *i);

	*i = (struct instance){
		.d = d, .stop_signal = SIGTERM, .stop_timeout_ms = DEFAULT_STOP_MS, .log_fd = -1
	};
	i->child = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_end, .ctx = i };
	i->next = d->instances;
	d->instances = i;
	return i;
}

struct instance *instance_find(struct daemon *d, int64_t deployment, const char *service, unsigned ordinal)
{
	for (struct instance *i = d->instances; i; i = i->next)
		if (i->row.deployment == deployment && i->row.ordinal == ordinal &&
		    str_eq(i->row.service, service))
			return i;
	return NULL;
}

void instance_free(struct instance *i)
{
	struct instance **at = &i->d->instances;

	for (; *at != i; at = &(*at)->next)
		assert(*at);
	*at = i->next;
	sd_event_source_disable_unref(i->timer);
	boot_forget(i);
	child_forget(&i->child);
	closep(&i->log_fd);
	free(i->cgroup);
	instance_row_done(&i->row);
	free(i);
}

static char *name_of(const struct instance *i)
{
	return xasprintf("%s.%u", i->row.service, i->row.ordinal);
}

/* ---- starting ---- */

static int signal_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{ "TERM", SIGTERM }, { "INT", SIGINT },   { "QUIT", SIGQUIT }, { "HUP", SIGHUP },
		{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "KILL", SIGKILL }, { "WINCH", SIGWINCH }
	};

	if (str_starts(name ? name : "", "SIG"))
		name += 3;
	for (size_t k = 0; k < COUNT(signals); k++)
		if (str_eq(signals[k].name, name))
			return signals[k].number;
	return SIGTERM;
}

/* What of the release's spec is needed as long as it runs. */
static int read_settings(struct instance *i, size_t *log_max, struct err **e)
{
	_cleanup_(spec_done) struct spec spec = { 0 };
	int r = spec_read(&spec, i->d->root, i->row.app, i->row.version, e);

	if (r < 0)
		return r;
	const struct spec_service *service = spec_find_service(&spec, i->row.service);

	if (!service)
		return err_set(e, ERR_NOT_FOUND, "v%" PRId64 " of %s has no service '%s'", i->row.version,
			       i->row.app, i->row.service);
	i->stop_signal = signal_number(service->stop_signal);
	i->stop_timeout_ms = service->stop_timeout_ms;
	i->sandbox = sandbox_in_force(&spec.sandbox, i->d->host.tool_path);
	i->limits = service->limits;
	*log_max = spec.log_max_bytes;
	if (i->row.run) {
		_cleanup_(problems_done) struct problems ignored = { 0 };
		struct cron_policy policy;

		cron_policy_read(&policy, &spec.env, &ignored);
		i->timeout_ms = policy.timeout_s * 1000;
	}
	return 0;
}

static void open_fifo(struct instance *i)
{
	_cleanup_(freep) char *fifo = root_fifo(i->d->root, i->row.app, i->row.service, i->row.ordinal);

	if (i->row.run)
		i->log_fd = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
}

static int on_timeout(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	struct instance *i = ctx;

	i->outcome = "timed out";
	instance_stop(i);
	return 0;
}

static void set_timeout(struct instance *i)
{
	int64_t left = i->began_ms + i->timeout_ms - monotonic_ms();

	if (i->row.run && i->timeout_ms)
		timer_set(i->d, &i->timer, left > 0 ? (uint64_t) left : 0, on_timeout, i);
}

/* The limit is there before the FIFO, whose appearance tells the log keeper to read both. */
static int make_fifo(const struct instance *i, size_t log_max, struct err **e)
{
	_cleanup_(freep) char *fifo = root_fifo(i->d->root, i->row.app, i->row.service, i->row.ordinal);
	_cleanup_(freep) char *max = xasprintf("%s.max", fifo), *was = NULL,
			      *text = xasprintf("%zu\n", log_max);
	int r = 0;

	if (file_read(max, 64, &was, NULL, NULL) < 0 || !str_eq(was, text))
		r = file_replace(max, text, strlen(text), 0600, e);
	if (r < 0 && r != -ENOSPC)
		return r;
	if (r < 0 && e) /* the usual limit does until there is room */
		*e = err_free(*e);
	if (mkfifo(fifo, 0600) < 0 && errno != EEXIST)
		return err_set(e, -errno, "making %s: %m", fifo);
	/* its own, so that it may open /dev/stdout; nobody else gets to where it lies */
	return geteuid() == 0 && lchown(fifo, (uid_t) i->uid, (gid_t) i->uid) < 0
		       ? err_set(e, -errno, "giving %s to user %lld: %m", fifo, (long long) i->uid)
		       : 0;
}

static int spawn(struct instance *i, struct err **e)
{
	_cleanup_(freep) char *version = xasprintf("%" PRId64, i->row.version);
	_cleanup_(freep) char *ordinal = xasprintf("%u", i->row.ordinal),
			      *port = xasprintf("%u", i->row.port), *uid = xasprintf("%" PRId64, i->uid);
	const char *const args[] = { "instance", i->d->root, i->row.app, version, i->row.service,
				     ordinal,    port,       uid,        NULL };

	return daemon_spawn_self(i->d, &i->child, &(struct child_spawn){ .is_gated = true }, args, e);
}

static void is_running(struct instance *i)
{
	i->state = INSTANCE_RUNNING;
	i->is_due = false;
	i->next_start_s = 0;
	i->group = i->child.pid;
	i->group_start = i->child.start;
}

static int find_user(struct instance *i, struct err **e)
{
	struct user_row user;
	int r = store_user_get(&i->d->store, i->row.app, &user, e);

	i->uid = user.active;
	return r;
}

int instance_launch(struct instance *i, struct err **e)
{
	size_t log_max = 0;
	int r = read_settings(i, &log_max, e);

	if (r >= 0)
		r = find_user(i, e);
	if (r >= 0)
		r = make_fifo(i, log_max, e);
	if (r >= 0)
		open_fifo(i);
	if (r >= 0)
		r = confine_prepare(i, e);
	if (r >= 0)
		r = spawn(i, e);
	if (r < 0)
		return r;
	r = confine_enter(i, e);
	if (r < 0) {
		child_forget(&i->child);
		return r;
	}
	i->timer = sd_event_source_disable_unref(i->timer);
	i->row.pid = i->child.pid;
	i->row.pid_start = i->child.start;
	i->row.started_at_s = now_s();
	str_set(&i->row.boot, i->d->boot);
	crash_point("daemon.launched");
	r = record_start(i, e);
	crash_point("daemon.recorded");
	if (r < 0) {
		child_forget(&i->child); /* its gate never opened: it ends */
		i->row.pid = 0;
		return r;
	}
	i->is_known = true;
	i->began_ms = monotonic_ms();
	is_running(i);
	set_timeout(i);
	boot_started(i);
	return 0;
}

/* Rows of a slipwayd before have boot_id alone. */
static bool is_of_this_boot(const struct instance *i)
{
	const char *its = i->row.boot, *ours = i->d->boot;
	size_t n = its ? strlen(its) : 0;

	return n && strncmp(its, ours, n) == 0 && (ours[n] == '\0' || ours[n] == ' ');
}

int instance_adopt(struct instance *i, struct err **e)
{
	size_t log_max = 0;
	int r;

	(void) read_settings(i, &log_max, NULL); /* without them the defaults do */
	(void) find_user(i, NULL);
	open_fifo(i);
	if (i->row.pid <= 0 || !is_of_this_boot(i))
		return -ESRCH;
	r = child_adopt(&i->child, i->d->loop, (pid_t) i->row.pid, i->row.pid_start, e);
	if (r == -ESRCH)
		group_signal((pid_t) i->row.pid, i->row.pid_start, SIGKILL);
	if (r < 0)
		return r;
	confine_adopt(i);
	i->began_ms = monotonic_ms() - (now_s() - i->row.started_at_s) * 1000;
	is_running(i);
	set_timeout(i);
	return 0;
}

/* ---- after it has ended ---- */

static int on_restart(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	instance_start_later(ctx);
	return 0;
}

/* The first exit and the beginning of a crash loop are history; what follows is only counted. */
static void tell_crash(struct instance *i, int status, unsigned pause_ms)
{
	_cleanup_(freep) char *name = name_of(i), *detail = NULL;

	if (i->exits != 1 && i->exits != CRASHING_EXITS)
		return;
	if (i->last_end)
		detail =
			xasprintf("%s was ended: %s; next start in %u s", name, i->last_end, pause_ms / 1000);
	else if (status < 0)
		detail = xasprintf("%s has ended; next start in %u s", name, pause_ms / 1000);
	else if (status > 128)
		detail = xasprintf("%s was ended by signal %d (%s); next start in %u s", name, status - 128,
				   strsignal(status - 128), pause_ms / 1000);
	else
		detail = xasprintf("%s exited with status %d; next start in %u s", name, status,
				   pause_ms / 1000);
	daemon_event(i->d, i->row.app, i->exits == 1 ? "crash" : "crash-loop", detail, "restarted");
}

static void has_crashed(struct instance *i, int status)
{
	if (monotonic_ms() - i->began_ms >= HEALTHY_MS)
		i->exits = 0;
	i->exits++;
	i->row.restarts++;
	boot_ended(i);
	unsigned pause = backoff_ms(i->exits, i->d->first_pause_ms);

	i->state = INSTANCE_WAITING;
	i->next_start_s = now_s() + pause / 1000;
	record_instance(i);
	tell_crash(i, status, pause);
	timer_set(i->d, &i->timer, pause, on_restart, i);
}

static bool name_is_used(const struct instance *but)
{
	for (const struct instance *i = but->d->instances; i; i = i->next)
		if (i != but && i->row.ordinal == but->row.ordinal && str_eq(i->row.app, but->row.app) &&
		    str_eq(i->row.service, but->row.service))
			return true;
	return false;
}

static void remove_fifo(const struct instance *i)
{
	_cleanup_(freep) char *fifo = root_fifo(i->d->root, i->row.app, i->row.service, i->row.ordinal);
	_cleanup_(freep) char *max = xasprintf("%s.max", fifo);

	if (name_is_used(i))
		return;
	(void) unlink(fifo);
	(void) unlink(max);
}

/* Somebody asked for the same key while it was being stopped. */
static void start_again(struct instance *i)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct request *rq = TAKE(i->wanted_by);
	struct instance_row want = i->row;
	struct daemon *d = i->d;

	want.restarts = want.pid = 0;
	want.is_stopping = false;
	i->row = (struct instance_row){ 0 };
	instance_free(i);
	int r = supervisor_start(d, rq, &want, &e);

	if (r < 0)
		request_refuse(rq, r, e);
	instance_row_done(&want);
}

static void is_gone(struct instance *i);

static int on_drain_timer(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	is_gone(ctx);
	return 0;
}

static void is_gone(struct instance *i)
{
	struct daemon *d = i->d;

	if (i->row.run && !job_is_over(i)) {
		timer_set(d, &i->timer, DRAIN_MS, on_drain_timer, i);
		return;
	}
	if (d->is_ending && !i->row.run) { /* the next daemon starts it again */
		i->row.pid = 0;
		i->row.is_stopping = false;
		record_instance(i);
	} else {
		record_gone(d, &i->row);
	}
	crash_point("daemon.gone");
	remove_fifo(i);
	confine_end(i);
	if (i->row.run)
		job_tell(i);
	if (i->wanted_by)
		start_again(i);
	else
		instance_free(i);
	supervisor_gone(d);
}

/* ---- stopping ---- */

static int on_stop_timer(sd_event_source *s, uint64_t at, void *ctx);

/* The leader has gone; what it started may still be at work until the time is over. */
static void look_for_rest(struct instance *i)
{
	int64_t left = i->kill_at_ms - monotonic_ms();
	bool is_left = group_is_alive(i->group, i->group_start);

	if (is_left && left <= 0)
		group_signal(i->group, i->group_start, SIGKILL);
	if (is_left && left > -GIVE_UP_MS) {
		timer_set(i->d, &i->timer, RECHECK_MS, on_stop_timer, i);
		return;
	}
	if (is_left)
		log_warning("processes of an instance cannot be killed", F("app", i->row.app),
			    F("service", i->row.service), F("group", (int64_t) i->group));
	is_gone(i);
}

static int on_stop_timer(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	struct instance *i = ctx;

	if (i->child.pid == 0) {
		look_for_rest(i);
		return 0;
	}
	log_info("an instance did not stop in time and is killed", F("app", i->row.app),
		 F("service", i->row.service), F("ordinal", i->row.ordinal));
	group_signal(i->group, i->group_start, SIGKILL);
	timer_set(i->d, &i->timer, GIVE_UP_MS, on_stop_timer, i);
	return 0;
}

void instance_stop(struct instance *i)
{
	if (i->state == INSTANCE_STOPPING)
		return;
	bool has_process = i->child.pid != 0;

	i->state = INSTANCE_STOPPING;
	i->is_due = false;
	boot_forget(i);
	i->row.is_stopping = true;
	record_instance(i);
	if (has_process && !i->outcome)
		i->outcome = "stopped"; /* counts for a run of a schedule */
	if (!has_process) {
		is_gone(i);
		return;
	}
	i->kill_at_ms = monotonic_ms() + i->stop_timeout_ms;
	crash_point("daemon.stopping");
	group_signal(i->group, i->group_start, i->stop_signal);
	timer_set(i->d, &i->timer, i->stop_timeout_ms, on_stop_timer, i);
}

static void on_end(struct child *c, int status)
{
	struct instance *i = c->ctx;

	c->pid = 0;
	i->row.pid = 0;
	i->row.last_status = status;
	i->last_end = confine_look_for_oom(i) ? "out of memory (LIMIT_MEMORY)" : NULL;
	if (i->row.run && i->state != INSTANCE_STOPPING) { /* what it leaves behind ends with it */
		i->state = INSTANCE_STOPPING;
		i->kill_at_ms = monotonic_ms();
	}
	if (i->state == INSTANCE_STOPPING) {
		look_for_rest(i);
		return;
	}
	group_signal(i->group, i->group_start, SIGKILL);
	has_crashed(i, status);
}

/* ---- over a re-exec ---- */

static const char *const state_names[] = {
	[INSTANCE_WAITING] = "waiting", [INSTANCE_RUNNING] = "running", [INSTANCE_STOPPING] = "stopping"
};
static const char *const outcomes[] = { "timed out", "stopped" };

json_t *instance_hand_over(const struct instance *i)
{
	json_t *j = json_object();

	json_put_num(j, "deployment", i->row.deployment);
	json_put_text(j, "service", i->row.service);
	json_put_num(j, "ordinal", i->row.ordinal);
	json_put_text(j, "state", state_names[i->state]);
	json_put_num(j, "exits", i->exits);
	json_put_num(j, "began_ms", i->began_ms);
	json_put_num(j, "kill_at_ms", i->kill_at_ms);
	json_put_num(j, "next_start_s", i->next_start_s);
	json_put_num(j, "due_ms", timer_due_ms(i->timer));
	json_put_flag(j, "is_in_boot", i->boot != NULL);
	json_put_num(j, "group", i->group);
	json_put_num(j, "group_start", (int64_t) i->group_start);
	json_put_text(j, "outcome", i->outcome);
	json_put_flag(j, "is_recorded", i->is_recorded);
	return j;
}

/* Its process; one that ended meanwhile and is our child still tells its exit status. */
static bool resume_process(struct instance *i)
{
	if (i->row.pid <= 0 ||
	    child_adopt(&i->child, i->d->loop, (pid_t) i->row.pid, i->row.pid_start, NULL) < 0)
		return false;
	confine_adopt(i);
	return true;
}

static void resume_running(struct instance *i, bool is_in_boot)
{
	i->state = INSTANCE_RUNNING;
	if (is_in_boot)
		boot_queue(i);
	if (resume_process(i)) {
		is_running(i);
		set_timeout(i);
		boot_started(i);
	} else {
		on_end(&i->child, -1);
	}
}

void instance_resume(struct instance *i, const json_t *was)
{
	const char *state = json_text(was, "state"), *outcome = json_text(was, "outcome");
	size_t log_max = 0;

	(void) read_settings(i, &log_max, NULL);
	(void) find_user(i, NULL);
	open_fifo(i);
	i->exits = (unsigned) json_num(was, "exits", 0);
	i->began_ms = json_num(was, "began_ms", 0);
	i->kill_at_ms = json_num(was, "kill_at_ms", 0);
	i->next_start_s = json_num(was, "next_start_s", 0);
	i->group = (pid_t) json_num(was, "group", 0);
	i->group_start = (unsigned long long) json_num(was, "group_start", 0);
	i->is_recorded = json_flag(was, "is_recorded", false);
	for (size_t k = 0; k < COUNT(outcomes); k++)
		if (str_eq(outcome, outcomes[k]))
			i->outcome = outcomes[k];
	if (str_eq(state, state_names[INSTANCE_RUNNING])) {
		resume_running(i, json_flag(was, "is_in_boot", false));
	} else if (str_eq(state, state_names[INSTANCE_WAITING]) && json_flag(was, "is_in_boot", false)) {
		boot_queue(i);
	} else if (str_eq(state, state_names[INSTANCE_WAITING])) {
		timer_set_at(i->d, &i->timer, json_num(was, "due_ms", 0), on_restart, i);
	} else {
		i->state = INSTANCE_STOPPING;
		(void) resume_process(i);
		timer_set_at(i->d, &i->timer, json_num(was, "due_ms", 0), on_stop_timer, i);
	}
}
