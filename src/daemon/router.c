/* The private nginx, kept alive like an instance; it outlives the daemon and is found again by its pid file.
 */
#include "router/router.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "daemon/daemon-internal.h"
#include "daemon/group.h"
#include "plan/root.h"

enum { QUIT_MS = 10000 };

static void start(struct daemon *d);

static int on_again(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	start(ctx);
	return 0;
}

static void start_later(struct daemon *d)
{
	struct kept *k = &d->nginx;

	if (monotonic_ms() - k->began_ms >= HEALTHY_MS)
		k->exits = 0;
	timer_set(d, &k->timer, backoff_ms(++k->exits, d->first_pause_ms), on_again, d);
}

static void on_end(struct child *c, int status)
{
	struct daemon *d = c->ctx;

	c->pid = 0;
	d->nginx.timer = sd_event_source_disable_unref(d->nginx.timer);
	if (d->nginx.is_stopping) {
		d->nginx.is_stopping = false;
		if (d->is_ending)
			daemon_end_step(d);
		else
			router_apply(d, false); /* the settings may have changed their mind meanwhile */
		return;
	}
	log_warning("nginx has ended and is started again; see logs/nginx.log", F("status", status));
	if (d->nginx.exits == 0)
		daemon_event(d, NULL, "crash", "nginx has ended", "restarted");
	start_later(d);
}

/* Is the process an nginx that was started with our configuration? */
static bool is_our_nginx(struct daemon *d, pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/cmdline", (int) pid), *text = NULL;
	_cleanup_(freep) char *conf = root_path(d->root, "run/nginx.conf");
	size_t n = 0;

	return file_read(path, 65536, &text, &n, NULL) >= 0 && memmem(text, n, conf, strlen(conf)) != NULL &&
	       memmem(text, n, "nginx", 5) != NULL;
}

static pid_t read_pid(struct daemon *d)
{
	_cleanup_(freep) char *path = root_path(d->root, "run/nginx.pid"), *text = NULL;
	long pid;

	if (file_read(path, 64, &text, NULL, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return str_to_long(text, 2, INT_MAX, &pid) ? (pid_t) pid : 0;
}

static bool adopt(struct daemon *d)
{
	pid_t pid = read_pid(d);
	unsigned long long began = pid ? proc_start_time(pid) : 0;

	if (kept_resume(d, &d->nginx, "nginx"))
		return true;
	return began && is_our_nginx(d, pid) && child_adopt(&d->nginx.child, d->loop, pid, began, NULL) >= 0;
}

/*
 * Workers outlive a master that was killed, and serve on; but they hold its ports, and no change reaches
 * them. Told to quit, they leave the ports at once and finish what they have begun.
 */
static void end_orphans(struct daemon *d)
{
	pid_t master = read_pid(d), orphan = master ? group_orphan(master) : 0;
	_cleanup_(freep) char *path = xasprintf("/proc/%d/cmdline", (int) orphan), *title = NULL;

	if (orphan && file_read(path, 4096, &title, NULL, NULL) >= 0 && str_starts(title, "nginx: "))
		group_signal(master, 0, SIGQUIT);
}

static void start(struct daemon *d)
{
	struct kept *k = &d->nginx;
	_cleanup_(strv_done) struct strv argv = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *log = root_path(d->root, "logs/nginx.log");

	k->timer = sd_event_source_disable_unref(k->timer);
	k->child = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_end, .ctx = d };
	k->began_ms = monotonic_ms();
	end_orphans(d);
	int r = nginx_private_prepare(d->root, &d->host, &argv, &e);

	if (r >= 0)
		r = child_start(&k->child, d->loop,
				&(struct child_spawn){ .argv = argv.v, .log = log, .log_mode = 0640 }, &e);
	if (r < 0) {
		log_failure("nginx could not be started", NULL, &e);
		start_later(d);
	}
}

static void reload(struct daemon *d)
{
	_cleanup_(strv_done) struct strv argv = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	if (nginx_private_prepare(d->root, &d->host, &argv, &e) < 0)
		log_failure("nginx goes on as it was", NULL, &e);
	else
		child_signal(&d->nginx.child, SIGHUP);
}

/* Were the settings changed while no daemon was there to see it? */
static bool is_outdated(struct daemon *d)
{
	_cleanup_(freep) char *config = root_path(d->root, "config.toml"),
			      *conf = root_path(d->root, "run/nginx.conf");
	struct stat a, b;

	return stat(config, &a) == 0 && stat(conf, &b) == 0 && a.st_mtim.tv_sec >= b.st_mtim.tv_sec;
}

void router_apply(struct daemon *d, bool is_reload)
{
	struct kept *k = &d->nginx;

	if (!k->child.on_end)
		k->child = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_end, .ctx = d };
	if (!k->child.pid && !k->timer && adopt(d))
		is_reload = is_reload || is_outdated(d);
	if (!d->host.nginx_is_private || !str_eq(d->host.router, "nginx"))
		router_stop(d);
	else if (!k->child.pid)
		start(d);
	else if (is_reload && !k->is_stopping)
		reload(d);
}

static int on_quit_timeout(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	struct daemon *d = ctx;

	child_signal(&d->nginx.child, SIGTERM); /* connections that are still open are cut */
	return 0;
}

void router_stop(struct daemon *d)
{
	struct kept *k = &d->nginx;

	k->timer = sd_event_source_disable_unref(k->timer);
	if (!k->child.pid)
		end_orphans(d);
	if (!k->child.pid || k->is_stopping)
		return;
	k->is_stopping = true;
	child_signal(&k->child, SIGQUIT);
	timer_set(d, &k->timer, QUIT_MS, on_quit_timeout, d);
}
