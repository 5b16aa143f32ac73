/* Trying a check until the instance is healthy, has ended or the time is over: see check.h. */
#include "check/check-internal.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/str.h"

/* By enum check_kind: the one list of the kinds. */
#define CHECKS(X)           X(CHECK_PROCESS, process) X(CHECK_TCP, tcp) X(CHECK_HTTP, http) X(CHECK_UWSGI, uwsgi)
#define DECLARE(kind, name) extern const struct check_ops check_##name;
#define ENTRY(kind, name)   [kind] = &check_##name,
CHECKS(DECLARE)
static const struct check_ops *const all[] = { CHECKS(ENTRY) };

/* An eighth of the time so far: who has become healthy learns it at most that much later. */
enum { PAUSE_MIN_MS = 2, PAUSE_MAX_MS = 250, PAUSE_PART = 8 };

/* Waits for pause_ms; true: the instance ended meanwhile. */
static bool pause_or_end(int exit_fd, int64_t pause_ms)
{
	struct pollfd p = { .fd = exit_fd, .events = POLLIN };
	int64_t until = monotonic_ms() + pause_ms;
	int n;

	do {
		int64_t left = until - monotonic_ms();

		n = poll(&p, 1, left > 0 ? (int) left : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* The ports an instance listens on, as "8000 and 8001"; to be freed. NULL: none. */
static char *ports_text(pid_t pid)
{
	_cleanup_(freep) unsigned *ports = NULL;
	struct strb text = STRB(1024);
	size_t n = 0;

	(void) check_listening_ports(pid, &ports, &n);
	for (size_t i = 0; i < n; i++)
		(void) strb_addf(&text, "%s%u", i == 0 ? "" : i + 1 < n ? ", " : " and ", ports[i]);
	return n ? strb_take(&text) : NULL;
}

static int timed_out(const struct plan_check *check, const struct check_target *t, const char *why,
		     struct err **e)
{
	_cleanup_(freep) char *holder = NULL, *ports = NULL;
	bool is_elsewhere = false;

	if (check->kind != CHECK_PROCESS && check->kind != CHECK_UWSGI &&
	    listener_find(t->pid, tcp_connectable(t->address), t->port, &is_elsewhere, &holder) == 0 &&
	    !is_elsewhere)
		ports = ports_text(t->pid);
	if (ports)
		return err_set(e, ERR_FAILED,
			       "%s.%u is not healthy after %u ms: %s; %s.%u listens on %s instead: it "
			       "must listen on $PORT",
			       t->service, t->ordinal, check->timeout_ms, why, t->service, t->ordinal, ports);
	return err_set(e, ERR_FAILED, "%s.%u is not healthy after %u ms: %s", t->service, t->ordinal,
		       check->timeout_ms, why);
}

int check_attempt(const struct plan_check *check, const struct check_target *t)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *why = NULL;

	return all[check->kind]->attempt(check, t, &why, &e);
}

int check_wait(const struct plan_check *check, const struct check_target *t, struct err **e)
{
	const struct check_ops *ops = all[check->kind];
	unsigned limit_ms = check->timeout_ms;
	int64_t deadline, began = monotonic_ms();

	if (check->kind == CHECK_PROCESS && limit_ms < check->uptime_ms)
		limit_ms = check->uptime_ms + PAUSE_MAX_MS; /* else it could never be healthy */
	deadline = began + limit_ms;
	for (;;) {
		_cleanup_(freep) char *why = NULL;
		int r = ops->attempt(check, t, &why, e);
		int64_t now = monotonic_ms(), left = deadline - now, pause = (now - began) / PAUSE_PART;

		if (r != 0)
			return r < 0 ? r : 0;
		pause = pause < PAUSE_MIN_MS ? PAUSE_MIN_MS : pause > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause;
		if (pause_or_end(t->exit_fd, left < 0 ? 0 : left < pause ? left : pause))
			return err_set(e, ERR_FAILED, "%s.%u ended before it was healthy", t->service,
				       t->ordinal);
		if (left <= 0)
			return timed_out(check, t, why, e);
	}
}
