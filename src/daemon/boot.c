/*
 * After a boot everything that ran is started again: those that START_AFTER names first, and only so many at
 * once (config.toml: [instances] start_at_once). An instance has its place until its check passes, it ends or
 * its time is over; a service without a port only until it has come up, as waiting for its CHECK_UPTIME costs
 * nobody anything. Who is to start after it waits for the whole of the check, or its time: what is broken
 * holds up nobody for longer.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "check/check.h"
#include "daemon/daemon-internal.h"
#include "plan/plan.h"
#include "plan/root.h"
#include "plan/spec.h"

enum { LOOK_MIN_MS = 5, LOOK_MAX_MS = 250, LOOK_PART = 4, UP_MS = 100 };

enum boot_state {
	BOOT_QUEUED,
	BOOT_STARTING, /* has one of the places */
	BOOT_LATE,     /* gave it back; who starts after it still waits */
};

struct boot {
	enum boot_state state;
	struct strv after;
	struct plan_check check;
	char *address;
	int64_t began_ms, deadline_ms; /* monotonic; 0: not started yet */
	sd_event_source *look, *deadline;
	struct child child; /* slipwayd check: what an HTTP check says */
};

/* ---- whose turn it is ---- */

static bool is_in_boot(const struct daemon *d, const char *app)
{
	for (const struct instance *i = d->instances; i; i = i->next)
		if (i->boot && str_eq(i->row.app, app))
			return true;
	return false;
}

static bool may_start(const struct instance *i)
{
	for (size_t k = 0; k < i->boot->after.n; k++)
		if (is_in_boot(i->d, i->boot->after.v[k]))
			return false;
	return true;
}

static void start(struct instance *i)
{
	assert(i->boot);
	i->boot->state = BOOT_STARTING;
	instance_start_later(i);
}

/* Cycles are refused when an app is deployed; what slipped through (a rollback) must not wait for itself. */
static void break_cycle(struct daemon *d, struct instance *last)
{
	for (const struct instance *i = d->instances; i; i = i->next)
		if (i->boot && i->boot->state != BOOT_QUEUED)
			return;
	if (!last)
		return;
	log_warning("START_AFTER makes a cycle and is not kept", F("app", last->row.app));
	start(last);
}

static int on_turn(sd_event_source *s UNUSED, void *ctx)
{
	struct daemon *d = ctx;
	struct instance *queued = NULL;
	unsigned places = d->host.start_at_once;

	for (const struct instance *i = d->instances; i && places; i = i->next)
		places -= i->boot && i->boot->state == BOOT_STARTING;
	for (struct instance *i = d->instances; i; i = i->next) {
		if (!i->boot || i->boot->state != BOOT_QUEUED)
			continue;
		queued = i;
		if (places == 0 || !may_start(i))
			continue;
		start(i);
		places--;
	}
	break_cycle(d, queued);
	return 0;
}

static void look_whose_turn(struct daemon *d)
{
	if (!d->boot_event && sd_event_add_defer(d->loop, &d->boot_event, on_turn, d) < 0)
		return;
	(void) sd_event_source_set_enabled(d->boot_event, SD_EVENT_ONESHOT);
}

/* ---- in and out ---- */

static void stop_looking(struct boot *b)
{
	b->look = sd_event_source_disable_unref(b->look);
	if (b->child.pid)
		child_signal(&b->child, SIGKILL);
	child_forget(&b->child);
}

void boot_forget(struct instance *i)
{
	struct boot *b = i->boot;

	if (!b)
		return;
	stop_looking(b);
	sd_event_source_disable_unref(b->deadline);
	strv_done(&b->after);
	free(b->check.path);
	free(b->address);
	free(b);
	i->boot = NULL;
	look_whose_turn(i->d);
}

static void give_place_back(struct instance *i)
{
	if (i->boot->state != BOOT_STARTING)
		return;
	i->boot->state = BOOT_LATE;
	look_whose_turn(i->d);
}

static void read_order(struct instance *i)
{
	_cleanup_(spec_done) struct spec spec = { 0 };
	const char *after;

	if (spec_read(&spec, i->d->root, i->row.app, (long) i->row.version, NULL) < 0)
		return; /* told when it is started */
	after = env_get(&spec.env, "START_AFTER");
	strv_split(&i->boot->after, after ? after : "", ", \t");
}

static void read_check(struct instance *i)
{
	_cleanup_(plan_done) struct plan plan = { 0 };
	_cleanup_(freep) char *dir = root_release(i->d->root, i->row.app, (long) i->row.version);
	_cleanup_(freep) char *path = xasprintf("%s/plan.json", dir);
	const struct plan_service *s =
		plan_read(&plan, path, NULL) >= 0 ? plan_find_service(&plan, i->row.service) : NULL;

	if (!s)
		return;
	i->boot->check = s->check;
	i->boot->check.path = xstrdup(s->check.path);
	i->boot->address = xstrdup(plan.bind_address);
}

void boot_queue(struct instance *i)
{
	i->boot = xcalloc(1, sizeof *i->boot);
	i->boot->child = (struct child){ .pidfd = -1, .gate = -1 };
	read_order(i);
	read_check(i);
	look_whose_turn(i->d);
}

/* ---- its check ---- */

static int on_look(sd_event_source *s, uint64_t at, void *ctx);

static void look_later(struct instance *i)
{
	int64_t pause = (monotonic_ms() - i->boot->began_ms) / LOOK_PART;

	pause = pause < LOOK_MIN_MS ? LOOK_MIN_MS : pause > LOOK_MAX_MS ? LOOK_MAX_MS : pause;
	timer_set(i->d, &i->boot->look, (uint64_t) pause, on_look, i);
}

static int on_look(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	struct instance *i = ctx;
	struct boot *b = i->boot;
	struct check_target target = { .service = i->row.service,
				       .ordinal = i->row.ordinal,
				       .address = b->address,
				       .port = i->row.port,
				       .pid = i->child.pid,
				       .exit_fd = -1 };
	int r = check_attempt(&b->check, &target);

	if (r > 0) {
		boot_forget(i);
		return 0;
	}
	if (r < 0 || (b->check.kind == CHECK_PROCESS && monotonic_ms() - b->began_ms >= UP_MS))
		give_place_back(i);
	look_later(i);
	return 0;
}

static void on_check_end(struct child *c, int status)
{
	struct instance *i = c->ctx;

	c->pid = 0;
	if (status == 0)
		boot_forget(i);
	else
		give_place_back(i); /* its deadline is near */
}

static int spawn_check(struct instance *i, struct err **e)
{
	_cleanup_(freep) char *version = xasprintf("%lld", (long long) i->row.version),
			      *ordinal = xasprintf("%u", i->row.ordinal),
			      *port = xasprintf("%u", i->row.port),
			      *pid = xasprintf("%d", (int) i->child.pid);
	const char *const args[] = { "check", i->d->root, i->row.app, version, i->row.service,
				     ordinal, port,       pid,        NULL };

	i->boot->child = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_check_end, .ctx = i };
	return daemon_spawn_self(i->d, &i->boot->child, &(struct child_spawn){ 0 }, args, e);
}

static int on_deadline(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	struct instance *i = ctx;

	log_warning("an instance is not healthy yet and is not waited for any longer", F("app", i->row.app),
		    F("service", i->row.service), F("ordinal", i->row.ordinal));
	boot_forget(i);
	return 0;
}

static void set_deadline(struct instance *i)
{
	const struct plan_check *check = &i->boot->check;
	unsigned ms = check->timeout_ms;

	if (check->kind == CHECK_PROCESS && ms < check->uptime_ms + LOOK_MAX_MS)
		ms = check->uptime_ms + LOOK_MAX_MS;
	if (!i->boot->deadline)
		timer_set(i->d, &i->boot->deadline, ms, on_deadline, i);
}

void boot_started(struct instance *i)
{
	struct boot *b = i->boot;
	_cleanup_(err_freep) struct err *e = NULL;

	if (!b)
		return;
	if (b->state == BOOT_QUEUED) /* a deployment asked for it, out of turn */
		b->state = BOOT_LATE;
	b->began_ms = monotonic_ms();
	set_deadline(i);
	if (b->check.kind == CHECK_PROCESS || b->check.kind == CHECK_TCP)
		look_later(i);
	else if (spawn_check(i, &e) < 0)
		log_failure("an instance could not be checked", i->row.app, &e);
}

void boot_ended(struct instance *i)
{
	if (!i->boot)
		return;
	stop_looking(i->boot);
	give_place_back(i);
	set_deadline(i); /* it may not even have been started */
}
