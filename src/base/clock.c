/* Time: see clock.h. */
#include "base/clock.h"

#include <time.h>

#include "base/str.h"

static int64_t read_ms(clockid_t clock)
{
	struct timespec ts;

	(void) clock_gettime(clock, &ts);
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
	const char *injected = getenv("SLIPWAY_TEST_NOW");
	long s;

	return injected && str_to_long(injected, 0, INT32_MAX, &s) ? (int64_t) s * 1000
								   : read_ms(CLOCK_REALTIME);
}

int64_t now_s(void)
{
	return now_ms() / 1000;
}

int64_t monotonic_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

char *time_text(int64_t at_s)
{
	time_t t = (time_t) at_s;
	struct tm tm;
	char buf[32];

	if (!gmtime_r(&t, &tm) || !strftime(buf, sizeof buf, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return xstrdup("?");
	return xstrdup(buf);
}

char *duration_text(int64_t s)
{
	if (s < 120)
		return xasprintf("%llds", (long long) (s < 0 ? 0 : s));
	if (s < 7200)
		return xasprintf("%lldm", (long long) s / 60);
	if (s < 172800)
		return xasprintf("%lldh", (long long) s / 3600);
	return xasprintf("%lldd", (long long) s / 86400);
}
