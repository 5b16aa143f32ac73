/* What has to be looked after while nobody deploys, in a process of its own: soon after the start, and every
 * hour. */
#include <string.h>

#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "plan/root.h"
#include "router/router.h"

enum { FIRST_S = 60, EVERY_S = 3600 };

static void on_end(struct child *c, int status)
{
	c->pid = 0;
	if (status != 0)
		log_warning("the router could not be tended; see logs/tend.log", F("status", status));
}

static int on_timer(sd_event_source *s, uint64_t at, void *ctx)
{
	struct daemon *d = ctx;
	_cleanup_(freep) char *log = root_path(d->root, "logs/tend.log");
	_cleanup_(err_freep) struct err *e = NULL;
	const char *const args[] = { "tend", d->root, NULL };
	struct child_spawn how = { .log = log, .log_mode = 0600 };

	(void) at;
	if (!d->is_ending && d->tending.pid == 0 && nginx_needs_tending(d->root)) {
		d->tending = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_end, .ctx = d };
		if (daemon_spawn_self(d, &d->tending, &how, args, &e) < 0)
			log_failure("the router could not be tended", NULL, &e);
	}
	(void) sd_event_source_set_time_relative(s, EVERY_S * 1000000ULL);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int tend_begin(struct daemon *d, struct err **e)
{
	int r;

	d->tending = (struct child){ .pidfd = -1, .gate = -1 };
	r = sd_event_add_time_relative(d->loop, &d->tend_timer, CLOCK_MONOTONIC, FIRST_S * 1000000ULL,
				       1000000, on_timer, d);
	return r < 0 ? err_set(e, r, "a timer: %s", strerror(-r)) : 0;
}

void tend_done(struct daemon *d)
{
	d->tend_timer = sd_event_source_disable_unref(d->tend_timer);
	child_forget(&d->tending);
}
