/*
 * Recovery: the instances that run, by what their processes say of themselves. The process that the daemon
 * started leads a session, holds its log's FIFO, which other apps cannot reach, as its standard output, and
 * is in our own pid namespace; what runs in the sandbox behind it is not. Its environment has the release and
 * the port.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "daemon/recover-internal.h"
#include "plan/root.h"

enum { ENVIRON_BYTES = 8 << 20 };

struct scan {
	struct found *f;
	char *fifos;     /* the directory, as the kernel has it */
	char *namespace; /* of pids, ours */
};

/* A link of /proc/PID; to be freed. NULL: none, or not for us. */
static char *link_of(pid_t pid, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/%s", (int) pid, name);
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof target - 1);

	return n > 0 ? xstrndup(target, (size_t) n) : NULL;
}

static int64_t began_at_s(unsigned long long start)
{
	struct timespec now, up;
	long ticks = sysconf(_SC_CLK_TCK);

	(void) clock_gettime(CLOCK_REALTIME, &now);
	(void) clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec - up.tv_sec + (int64_t) (start / (unsigned long long) (ticks > 0 ? ticks : 100));
}

static bool is_leader(const struct scan *s, pid_t pid)
{
	_cleanup_(freep) char *namespace = link_of(pid, "ns/pid");

	return getsid(pid) == pid && getpgid(pid) == pid && str_eq(namespace, s->namespace);
}

/* The process whose session this is has gone. Such a session may also be the app's own doing:
 * recover-store.c. */
static bool read_orphan(pid_t pid, struct found_instance *ret)
{
	pid_t session = getsid(pid);
	unsigned long long start = session > 1 ? proc_start_time(session) : 0;

	if (session <= 1 || session == pid || (start && proc_is_alive(session, start)))
		return false;
	ret->pid = session;
	ret->start = start ? start : 1; /* a zombie's, or not that of any later process */
	ret->is_orphan = true;
	return true;
}

static bool read_leader(pid_t pid, struct found_instance *ret)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/environ", (int) pid), *text = NULL;
	size_t n;

	if (file_read(path, ENVIRON_BYTES, &text, &n, NULL) < 0 || !text ||
	    !recover_environment(text, n, ret->service, ret->ordinal, &ret->version, &ret->port))
		return false;
	ret->pid = pid;
	ret->start = proc_start_time(pid);
	ret->started_at_s = began_at_s(ret->start);
	return true;
}

/* *ret is the caller's to release in either case. */
static bool read_instance(const struct scan *s, pid_t pid, struct found_instance *ret)
{
	_cleanup_(freep) char *out = link_of(pid, "fd/1");

	if (!out || !str_starts(out, s->fifos) ||
	    !recover_fifo_name(out + strlen(s->fifos), &ret->app, &ret->service, &ret->ordinal))
		return false;
	return is_leader(s, pid) ? read_leader(pid, ret) : read_orphan(pid, ret);
}

/* "slipwayd deploy ROOT ID", or repair. */
static void look_for_deployment(struct found *f, pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/cmdline", (int) pid), *text = NULL;
	const char *words[4] = { NULL };
	size_t n, count = 0;
	long id;

	if (file_read(path, 65536, &text, &n, NULL) < 0 || !text)
		return;
	for (const char *at = text; at < text + n && count < COUNT(words); at += strlen(at) + 1)
		words[count++] = at;
	if (count == COUNT(words) && (str_ends(words[0], "/slipwayd") || str_eq(words[0], "slipwayd")) &&
	    (str_eq(words[1], "deploy") || str_eq(words[1], "repair")) && str_eq(words[2], f->root) &&
	    str_to_long(words[3], 1, LONG_MAX, &id)) {
		f->deployment = pid;
		f->deployment_id = id;
	}
}

static void look_at(struct scan *s, pid_t pid)
{
	struct found_instance one = { 0 };

	look_for_deployment(s->f, pid);
	if (read_instance(s, pid, &one)) {
		*GROW(&s->f->instances, &s->f->n_instances) = one;
		return;
	}
	free(one.app);
	free(one.service);
}

int recover_read_processes(struct found *f, struct err **e)
{
	_cleanup_(freep) char *dir = root_path(f->root, "run/fifo"), *real = realpath(dir, NULL),
			      *fifos = xasprintf("%s/", real ? real : dir),
			      *namespace = link_of(getpid(), "ns/pid");
	struct scan s = { f, fifos, namespace };
	DIR *d = opendir("/proc");
	const struct dirent *at;
	long pid;

	if (!d)
		return err_set(e, -errno, "listing /proc: %m");
	while ((at = readdir(d)))
		if (str_to_long(at->d_name, 2, INT_MAX, &pid))
			look_at(&s, (pid_t) pid);
	(void) closedir(d);
	return 0;
}

/* ---- which of them are the live ones ---- */

static bool is_routed_to(const struct found_app *app, unsigned port)
{
	for (size_t i = 0; i < app->n_ports; i++)
		if (app->ports[i] == port)
			return true;
	return false;
}

static bool is_same(const struct found_instance *a, const struct found_instance *b)
{
	return str_eq(a->app, b->app) && str_eq(a->service, b->service) && a->ordinal == b->ordinal &&
	       a->version == b->version;
}

/* A restart's old instances may still be there: nginx leads to the new ones. Else the first was started by
 * slipwayd, and what came later by it. */
static bool is_better(const struct found_app *app, const struct found_instance *a,
		      const struct found_instance *b)
{
	bool x = is_routed_to(app, a->port), y = is_routed_to(app, b->port);

	return x != y ? x : a->start < b->start;
}

static bool is_wanted(const struct found_app *app, const struct found_instance *i)
{
	const struct plan_service *s =
		app->has_plan ? plan_find_service((struct plan *) &app->plan, i->service) : NULL;

	if (i->version != app->live)
		return s && s->kind == SERVICE_CRON; /* a run outlasts its release */
	return !app->has_plan || (s && (s->kind == SERVICE_CRON || i->ordinal <= s->instances));
}

void recover_match(struct found *f, struct found_app *app)
{
	app->n_running = 0;
	for (size_t i = 0; i < f->n_instances; i++) {
		struct found_instance *one = &f->instances[i];
		bool is_best = str_eq(one->app, app->name) && !one->is_orphan && is_wanted(app, one);

		for (size_t k = 0; is_best && k < f->n_instances; k++)
			is_best = k == i || !is_same(one, &f->instances[k]) ||
				  is_better(app, one, &f->instances[k]);
		if (is_best) {
			one->is_taken = true;
			app->n_running++;
		}
	}
	if (app->n_running && app->is_stopped) { /* the mark is older than what was done since */
		app->is_stopped = false;
		STRV_ADD(&app->notes, "it was marked as stopped and runs");
	}
}
