/* Typed settings: see settings-internal.h. */
#include "manifest/settings-internal.h"

#include <ctype.h>
#include <strings.h>

const char *setting_text(const struct settings *s, const char *name)
{
	const char *value = env_get(s->env, name);

	return value && *value ? value : NULL;
}

/* The line in an origin like "ENV:3", and the length of the file's name before it; 0: none. */
static int line_of_origin(const char *origin, size_t *file_length)
{
	const char *colon = strrchr(origin, ':');
	long line;

	if (!colon || !str_to_long(colon + 1, 1, 1 << 30, &line))
		return 0;
	*file_length = (size_t) (colon - origin);
	return (int) line;
}

void setting_problem(const struct settings *s, enum severity severity, const char *name, const char *fmt, ...)
{
	const char *origin = env_origin(s->env, name);
	_cleanup_(freep) char *file = xstrdup(origin ? origin : "settings"), *message = NULL;
	size_t length = 0;
	int line = line_of_origin(file, &length);
	va_list args;

	va_start(args, fmt);
	message = xvasprintf(fmt, args);
	va_end(args);
	if (line)
		file[length] = '\0';
	problem_add(s->problems, severity, file, line, line ? 1 : 0, "%s %s", name, message);
}

long setting_number(const struct settings *s, const char *name, long min, long max, long def)
{
	const char *value = setting_text(s, name);
	long n;

	if (!value)
		return def;
	if (str_to_long(value, min, max, &n))
		return n;
	setting_problem(s, SEVERITY_ERROR, name, "is '%s': expected a number from %ld to %ld", value, min,
			max);
	return def;
}

bool setting_flag(const struct settings *s, const char *name, bool def)
{
	static const char *const no[] = { "", "0", "off", "false", "disabled", "no", "n" };
	const char *value = env_get(s->env, name);
	bool is_no = false;

	if (!value)
		return def;
	if (str_to_bool(value))
		return true;
	for (size_t i = 0; i < COUNT(no); i++)
		is_no = is_no || strcasecmp(value, no[i]) == 0;
	if (!is_no)
		setting_problem(s, SEVERITY_WARNING, name,
				"is '%s', which is read as no: yes is said by 1, on, "
				"true, enabled, yes or y",
				value);
	return false;
}

bool setting_is_of_code(const struct settings *s, const char *name)
{
	const char *origin = env_origin(s->env, name);

	return origin && str_starts(origin, "ENV:");
}
