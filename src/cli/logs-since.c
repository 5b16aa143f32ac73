/* logs --since: a duration or a time becomes a stamp as the log keeper writes them; stamps compare as texts.
 */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"
#include "cli/cli-internal.h"
#include "cli/logs-internal.h"

enum { FAR = 65536, LINE = 8192, DURATION_MAX_S = INT32_MAX };

/* "90s", "1h30m", "2d". */
static bool read_duration(const char *s, int64_t *ret_s)
{
	static const struct {
		char letter;
		int64_t s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	int64_t sum = 0;

	if (!*s)
		return false;
	while (*s) {
		size_t digits = strspn(s, "0123456789"), unit = 0;
		_cleanup_(freep) char *number = xstrndup(s, digits);
		long n;

		while (unit < COUNT(units) && units[unit].letter != s[digits])
			unit++;
		if (unit == COUNT(units) || !str_to_long(number, 0, DURATION_MAX_S, &n))
			return false;
		sum += n * units[unit].s;
		s += digits + 1;
	}
	*ret_s = sum;
	return sum <= DURATION_MAX_S;
}

/* ".5" is 500; *s is moved behind it. */
static int64_t read_fraction_ms(const char **s)
{
	int64_t ms = 0, weight = 100;

	if (**s != '.' || !isdigit((unsigned char) (*s)[1]))
		return 0;
	for ((*s)++; isdigit((unsigned char) **s); (*s)++, weight /= 10)
		ms += (**s - '0') * weight;
	return ms;
}

/* "2026-11-23", "2026-11-23T21:37", "2026-11-23 21:37:00.5+01:00"; without a zone it is this host's time. */
static bool read_time(const char *s, int64_t *ret_ms)
{
	struct tm tm = { .tm_isdst = -1 };
	int64_t ms = 0;

	s = strptime(s, "%Y-%m-%d", &tm);
	if (s && (*s == 'T' || *s == ' ')) {
		s = strptime(s + 1, "%H:%M", &tm);
		if (s && *s == ':')
			s = strptime(s + 1, "%S", &tm);
		if (s)
			ms = read_fraction_ms(&s);
	}
	if (!s)
		return false;
	if (*s) {
		struct tm zone = { 0 };

		s = strptime(s, "%z", &zone);
		*ret_ms = (timegm(&tm) - zone.tm_gmtoff) * 1000 + ms;
		return s && !*s;
	}
	*ret_ms = mktime(&tm) * 1000 + ms;
	return true;
}

int logs_since_read(const char *text, char **ret, struct err **e)
{
	int64_t ago_s, at_ms;

	if (read_duration(text, &ago_s))
		at_ms = now_ms() - ago_s * 1000;
	else if (!read_time(text, &at_ms))
		return err_set(e, ERR_USAGE,
			       "--since '%s' is neither a duration (30s, 10m, 1h30m, 2d) nor a time "
			       "(2026-11-23T21:37:00Z; without Z or an offset: this host's time)",
			       text);
	_cleanup_(freep) char *at = time_text((at_ms < 0 ? 0 : at_ms) / 1000);

	*ret = xasprintf("%.19s.%03dZ", at, (int) ((at_ms < 0 ? 0 : at_ms) % 1000));
	return 0;
}

bool logs_stamp_is_since(const char *line, size_t stamp, const char *since)
{
	_cleanup_(freep) char *at = xstrndup(line, stamp - 1);

	/* without milliseconds "...:00Z" would be behind "...:00.5Z" */
	return strncmp(at, since, 19) != 0 ? strncmp(at, since, 19) > 0
	       : at[19] == '.'             ? strcmp(at, since) >= 0
					   : strcmp(since + 19, ".000Z") == 0;
}

/* Is the first whole line behind at one to be shown? Without a stamp nobody knows: it is looked at later. */
static bool is_since_at(int fd, off_t at, const char *since)
{
	char buf[LINE + 1];
	ssize_t n = pread(fd, buf, LINE, at);
	char *line = n > 0 ? memchr(buf, '\n', (size_t) n) : NULL;

	buf[n > 0 ? n : 0] = '\0';
	size_t stamp = line ? logs_stamp_length(line + 1) : 0;

	return !stamp || logs_stamp_is_since(line + 1, stamp, since);
}

/* By halves, as the lines of a log are in order. */
void logs_seek_since(int fd, const char *since)
{
	off_t low = 0, high = lseek(fd, 0, SEEK_END);

	while (high - low > FAR) {
		off_t middle = low + (high - low) / 2;

		if (is_since_at(fd, middle, since))
			high = middle;
		else
			low = middle;
	}
	/* In front of low is a line that is too old; what is between is filtered, from the begin of a line
	 * on. */
	char c = '\n';

	while (low > 0 && pread(fd, &c, 1, low - 1) == 1 && c != '\n')
		low--;
	(void) lseek(fd, low, SEEK_SET);
}
