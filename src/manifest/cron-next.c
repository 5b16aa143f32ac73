/* When a schedule is due next: the clock of its time zone is asked, hour by hour and then minute by minute.
 */
#include <ctype.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "manifest/cron.h"

enum { MINUTE_S = 60, HOUR_S = 3600 };

/* The longest that a schedule which comes up at all may keep silent: a 29 February, over 2100. */
static const int64_t horizon_s = 9LL * 366 * 24 * HOUR_S;

bool cron_zone_is_known(const char *tz)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
	size_t letters = strcspn(tz, "+-0123456789");

	if (tz[strspn(tz, legal)] || !isalpha((unsigned char) *tz) || strlen(tz) > 64)
		return false;
	_cleanup_(freep) char *path = xasprintf("/usr/share/zoneinfo/%s", tz);

	if (file_exists(path) && !is_dir(path))
		return true;
	return str_eq(tz, "UTC") ||
	       (letters >= 3 && isdigit((unsigned char) tz[strlen(tz) - 1]) && !strchr(tz, '/'));
}

/* Returns what TZ was, to be given to leave_zone(). */
static char *enter_zone(const char *tz)
{
	char *was = xstrdup(getenv("TZ"));

	if (tz)
		(void) setenv("TZ", cron_zone_is_known(tz) ? tz : "UTC0", 1);
	tzset();
	return was;
}

static void leave_zone(char *was)
{
	if (was)
		(void) setenv("TZ", was, 1);
	else
		(void) unsetenv("TZ");
	tzset();
	free(was);
}

static bool is_day(const struct cron *c, const struct tm *tm)
{
	bool day = c->day >> tm->tm_mday & 1, weekday = c->weekday >> tm->tm_wday & 1;

	return (c->month >> (tm->tm_mon + 1) & 1) && (c->is_any_of_days ? day || weekday : day && weekday);
}

/* Has the clock been turned back, so that it shows this time again? */
static bool is_repeated(time_t at, const struct tm *tm)
{
	struct tm before;

	for (int back = HOUR_S / 2; back <= 2 * HOUR_S; back += HOUR_S / 2) {
		time_t t = at - back;

		if (localtime_r(&t, &before) && before.tm_hour == tm->tm_hour && before.tm_min == tm->tm_min)
			return true;
	}
	return false;
}

static bool is_every_hour(const struct cron *c)
{
	return (c->hour & 0xffffff) == 0xffffff;
}

/* To the next hour of the zone's clock; far from the end of a wrong day or month by more at once. */
static time_t skip(const struct cron *c, time_t at, const struct tm *tm, bool is_right_day)
{
	int hours = !is_right_day && tm->tm_hour < 21 ? 21 - tm->tm_hour : 1;

	if (!(c->month >> (tm->tm_mon + 1) & 1) && tm->tm_mday < 27)
		hours = (27 - tm->tm_mday) * 24 - tm->tm_hour;

	return at + hours * HOUR_S - tm->tm_min * MINUTE_S - tm->tm_sec;
}

static int64_t find(const struct cron *c, int64_t after_s)
{
	time_t at = after_s - after_s % MINUTE_S + MINUTE_S;
	struct tm tm;

	if (!(c->hour & 0xffffff))
		return -1;
	while (at - after_s < horizon_s && localtime_r(&at, &tm)) {
		bool is_right_day = is_day(c, &tm);

		if (!is_right_day || !(c->hour >> tm.tm_hour & 1))
			at = skip(c, at, &tm, is_right_day);
		else if ((c->minute >> tm.tm_min & 1) && (is_every_hour(c) || !is_repeated(at, &tm)))
			return at;
		else
			at += MINUTE_S - tm.tm_sec;
	}
	return -1;
}

int64_t cron_next(const struct cron *c, int64_t after_s, const char *tz)
{
	char *was = enter_zone(tz);
	int64_t at = find(c, after_s);

	leave_zone(was);
	return at;
}
