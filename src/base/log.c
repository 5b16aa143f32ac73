/* The log: see log.h. */
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "base/str.h"

static int threshold = LOG_INFO;

void log_init(void)
{
	static const char *const names[] = {
		[LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"
	};
	const char *want = getenv("SLIPWAY_LOG");

	for (int i = 0; want && i < (int) COUNT(names); i++)
		if (names[i] && strcmp(names[i], want) == 0)
			threshold = i;
}

static bool is_control(char c)
{
	return (unsigned char) c < ' ' || c == 0x7f;
}

static bool has_controls(const char *v)
{
	while (*v && !is_control(*v))
		v++;
	return *v;
}

static void add_value(struct strb *line, const char *v)
{
	if (*v && strcspn(v, " \"=\\") == strlen(v) && !has_controls(v)) {
		(void) strb_adds(line, v);
		return;
	}
	(void) strb_adds(line, "\"");
	for (; *v; v++) {
		if (*v == '\n')
			(void) strb_adds(line, "\\n");
		else if (is_control(*v))
			(void) strb_addf(line, "\\x%02x", (unsigned char) *v);
		else
			(void) strb_addf(line, *v == '"' || *v == '\\' ? "\\%c" : "%c", *v);
	}
	(void) strb_adds(line, "\"");
}

void log_emit(int level, const char *msg, const struct field *f, size_t n)
{
	struct strb line = STRB(65536);
	struct timespec now;
	struct tm tm;
	char stamp[32] = "";

	if (level > threshold)
		return;
	(void) clock_gettime(CLOCK_REALTIME, &now);
	if (getenv("JOURNAL_STREAM"))
		(void) strb_addf(&line, "<%d>", level);
	else if (gmtime_r(&now.tv_sec, &tm) && strftime(stamp, sizeof stamp, "%FT%T", &tm))
		(void) strb_addf(&line, "%s.%03ldZ %s", stamp, now.tv_nsec / 1000000,
				 level <= LOG_ERR       ? "error: "
				 : level == LOG_WARNING ? "warning: "
							: "");
	(void) strb_adds(&line, msg);
	for (size_t i = 0; i < n; i++) {
		(void) strb_addf(&line, " %s=", f[i].key);
		if (f[i].is_num)
			(void) strb_addf(&line, "%" PRId64, f[i].num);
		else
			add_value(&line, f[i].text ? f[i].text : "-");
	}
	(void) strb_adds(&line, "\n");
	(void) !write(STDERR_FILENO, line.s, line.len);
	strb_done(&line);
}
