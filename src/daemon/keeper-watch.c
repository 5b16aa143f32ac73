/* The log keeper outlives the daemon: one that runs is found by its lock, one that has ended is started
 * again. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "daemon/daemon-internal.h"
#include "daemon/daemon.h"
#include "plan/root.h"

enum { FIRST_PAUSE_MS = 50 };

/* Who holds the lock. */
pid_t keeper_find(const char *root)
{
	_cleanup_(freep) char *path = root_path(root, "run/keeper.lock");
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CLOEXEC);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

static int on_again(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	keeper_watch(ctx);
	return 0;
}

static void start_later(struct daemon *d)
{
	struct kept *k = &d->keeper;

	if (monotonic_ms() - k->began_ms >= HEALTHY_MS)
		k->exits = 0;
	timer_set(d, &k->timer, backoff_ms(++k->exits, FIRST_PAUSE_MS), on_again, d);
}

static void on_end(struct child *c, int status)
{
	struct daemon *d = c->ctx;

	c->pid = 0;
	if (d->keeper.is_stopping) {
		daemon_end_step(d);
		return;
	}
	if (d->keeper.is_outdated) {
		keeper_watch(d);
		return;
	}
	log_warning("the log keeper has ended and is started again", F("status", status));
	start_later(d);
}

static bool is_other_build(pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/exe", (int) pid);
	struct stat ours, its;

	return stat("/proc/self/exe", &ours) == 0 && stat(path, &its) == 0 &&
	       (ours.st_dev != its.st_dev || ours.st_ino != its.st_ino);
}

static bool adopt(struct daemon *d)
{
	struct kept *k = &d->keeper;
	pid_t pid = keeper_find(d->root);

	if (!kept_resume(d, k, "keeper") &&
	    (pid <= 0 || child_adopt(&k->child, d->loop, pid, proc_start_time(pid), NULL) < 0))
		return false;
	if (is_other_build(
		    k->child.pid)) { /* it takes what is in the FIFOs; what comes meanwhile stays there */
		log_info("the log keeper is of another build and is replaced");
		k->is_outdated = true;
		child_signal(&k->child, SIGTERM);
	}
	return true;
}

void keeper_watch(struct daemon *d)
{
	struct kept *k = &d->keeper;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *log = root_path(d->root, "logs/keeper.log");
	const char *const args[] = { "keeper", d->root, NULL };

	k->child = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_end, .ctx = d };
	k->began_ms = monotonic_ms();
	k->is_outdated = false;
	if (adopt(d))
		return;
	if (daemon_spawn_self(d, &k->child, &(struct child_spawn){ .log = log, .log_mode = 0600 }, args,
			      &e) >= 0)
		return;
	log_failure("the log keeper could not be started", NULL, &e);
	start_later(d);
}

void keeper_stop(struct daemon *d)
{
	d->keeper.is_stopping = true;
	d->keeper.timer = sd_event_source_disable_unref(d->keeper.timer);
	child_signal(&d->keeper.child, SIGTERM);
}

json_t *kept_hand_over(const struct kept *k)
{
	json_t *j = json_object();

	json_put_num(j, "pid", k->child.pid);
	json_put_num(j, "start", (int64_t) k->child.start);
	json_put_num(j, "exits", k->exits);
	json_put_num(j, "began_ms", k->began_ms);
	return j;
}

bool kept_resume(struct daemon *d, struct kept *k, const char *key)
{
	const json_t *was = json_object_get(d->handover, key);
	pid_t pid = (pid_t) json_num(was, "pid", 0);

	if (pid <= 0 ||
	    child_adopt(&k->child, d->loop, pid, (unsigned long long) json_num(was, "start", 0), NULL) < 0)
		return false;
	k->exits = (unsigned) json_num(was, "exits", 0);
	k->began_ms = json_num(was, "began_ms", 0);
	return true;
}

void kept_done(struct kept *k)
{
	k->timer = sd_event_source_disable_unref(k->timer);
	child_forget(&k->child);
}
