/* What recovery reads of names, links, environments and configurations: anything may stand there. */
#include "daemon/recover-text.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "plan/name.h"

/* Without sign, blanks or leading zeros, so that there is one way to write it. */
static bool read_number(const char *s, size_t n, long max, long *ret)
{
	_cleanup_(freep) char *text = xstrndup(s, n);

	return n > 0 && *text >= '1' && *text <= '9' && str_to_long(text, 1, max, ret);
}

long recover_version(const char *name)
{
	long version;

	return *name == 'v' && read_number(name + 1, strlen(name + 1), INT32_MAX, &version) ? version : 0;
}

long recover_log_number(const char *name)
{
	size_t n = strlen(name);
	long id;

	if (!str_starts(name, "deploy-") || !str_ends(name, ".log") || n <= strlen("deploy-.log"))
		return 0;
	return read_number(name + 7, n - strlen("deploy-.log"), LONG_MAX / 2, &id) ? id : 0;
}

bool recover_live_link(const char *target, const char *app, long *version)
{
	_cleanup_(freep) char *before = xasprintf("../releases/%s/v", app);
	size_t from = strlen(before), n = strlen(target);

	return str_starts(target, before) && str_ends(target, "/src") && n > from + strlen("/src") &&
	       read_number(target + from, n - from - strlen("/src"), INT32_MAX, version);
}

bool recover_fifo_name(const char *name, char **app, char **service, unsigned *ordinal)
{
	const char *colon = strchr(name, ':'), *dot = strrchr(name, '.');
	_cleanup_(freep) char *a = NULL, *s = NULL;
	long number;

	if (!colon || !dot || dot < colon || !read_number(dot + 1, strlen(dot + 1), 10000, &number))
		return false;
	a = xstrndup(name, (size_t) (colon - name));
	s = xstrndup(colon + 1, (size_t) (dot - colon - 1));
	if (!app_name_is_legal(a) || !service_name_is_legal(s))
		return false;
	*app = TAKE(a);
	*service = TAKE(s);
	*ordinal = (unsigned) number;
	return true;
}

/* The value of the last NAME= in a block of NUL-terminated strings; NULL: none. */
static const char *value_of(const char *text, size_t n, const char *name)
{
	size_t length = strlen(name);
	const char *found = NULL;

	for (const char *at = text, *end = text + n; at < end;) {
		const char *stop = memchr(at, '\0', (size_t) (end - at));

		if (!stop)
			return found;
		if (strncmp(at, name, length) == 0 && at[length] == '=')
			found = at + length + 1;
		at = stop + 1;
	}
	return found;
}

bool recover_environment(const char *text, size_t n, const char *service, unsigned ordinal, long *version,
			 unsigned *port)
{
	const char *release = value_of(text, n, "SLIPWAY_RELEASE"),
		   *number = value_of(text, n, "SLIPWAY_INSTANCE"), *listen = value_of(text, n, "PORT");
	long is_ordinal, is_port = 0;

	if (!release || !number || !str_eq(value_of(text, n, "PROC_TYPE"), service) ||
	    !read_number(number, strlen(number), 10000, &is_ordinal) || (unsigned) is_ordinal != ordinal ||
	    !recover_version(release))
		return false;
	if (listen && !read_number(listen, strlen(listen), 65535, &is_port))
		is_port = 0; /* the app's own PORT may be anything */
	*version = recover_version(release);
	*port = (unsigned) is_port;
	return true;
}

void recover_nginx_ports(const char *text, unsigned **ret, size_t *n)
{
	_cleanup_(strv_done) struct strv lines = { 0 };

	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		const char *line = lines.v[i], *colon = strrchr(line, ':'), *end = strrchr(line, ';');
		long port;

		if (str_starts(line, "\tserver ") && colon && end && end > colon &&
		    read_number(colon + 1, (size_t) (end - colon - 1), 65535, &port))
			*GROW(ret, n) = (unsigned) port;
	}
}
