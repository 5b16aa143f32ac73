/* The process check: the leading process has been alive for long enough. */
#include "check/check-internal.h"

#include <inttypes.h>
#include <time.h>

#include "base/proc.h"
#include "base/str.h"

/* How long ago a process began, in ms; it is counted in clock ticks since the boot. */
static int64_t age_ms(unsigned long long start_time)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000 -
	       (int64_t) (start_time * 1000 / (unsigned long long) sysconf(_SC_CLK_TCK));
}

static int attempt(const struct plan_check *check, const struct check_target *t, char **why, struct err **e)
{
	unsigned long long start = proc_start_time(t->pid);

	if (start == 0 || !proc_is_alive(t->pid, start))
		return err_set(e, ERR_FAILED, "%s.%u ended during its first %u ms", t->service, t->ordinal,
			       check->uptime_ms);
	int64_t age = age_ms(start);
	if (age >= (int64_t) check->uptime_ms)
		return 1;
	*why = xasprintf("%s.%u has been running for %" PRId64 " of %u ms", t->service, t->ordinal, age,
			 check->uptime_ms);
	return 0;
}

extern const struct check_ops check_process;
const struct check_ops check_process = { "process", attempt };
