/* What a legal name is, and how a name that people or git wrote is read. */
#include "plan/name.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"

enum { NAME_MAX_BYTES = 63 };

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

bool app_name_is_legal(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX_BYTES || strchr("._-", *name))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_name_char(name[i]))
			return false;
	return true;
}

bool service_name_is_legal(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX_BYTES || str_eq(name, ".") || str_eq(name, ".."))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_name_char(lower(name[i])))
			return false;
	return true;
}

/* The name inside of what surrounds it: quotes as git sends them, '/', '~/', '.git'. */
static struct span bare_name(const char *text)
{
	struct span s = span_of(text);

	if (s.n >= 2 && (*s.s == '\'' || *s.s == '"') && s.s[s.n - 1] == *s.s)
		s = (struct span){ s.s + 1, s.n - 2 };
	if (s.n >= 2 && s.s[0] == '~' && s.s[1] == '/')
		s = (struct span){ s.s + 2, s.n - 2 };
	else if (s.n >= 1 && *s.s == '/')
		s = (struct span){ s.s + 1, s.n - 1 };
	if (s.n >= 1 && s.s[s.n - 1] == '/')
		s.n--;
	if (s.n > 4 && memcmp(s.s + s.n - 4, ".git", 4) == 0)
		s.n -= 4;
	return s;
}

/* The nearest legal name, or "" when nothing of it could be kept; to be freed. */
static char *nearest_name(const char *name)
{
	char *near = xcalloc(NAME_MAX_BYTES + 1, 1);
	size_t n = 0;

	for (; *name && n < NAME_MAX_BYTES; name++) {
		bool is_first = n == 0;

		if (is_name_char(*name) && !(is_first && strchr("._-", *name)))
			near[n++] = *name;
	}
	return near;
}

/* For messages: without what would disturb a terminal, and not longer than a line. */
static char *printable(const char *text)
{
	char *s = xstrndup(text, strnlen(text, 80));

	for (char *c = s; *c; c++)
		if (iscntrl((unsigned char) *c))
			*c = '?';
	return s;
}

int app_name_read(char **ret, const char *text, struct err **e)
{
	_cleanup_(freep) char *name = span_dup(bare_name(text)), *near = NULL, *shown = NULL;

	for (char *c = name; *c; c++)
		*c = lower(*c);
	if (app_name_is_legal(name)) {
		*ret = TAKE(name);
		return 0;
	}
	near = nearest_name(name);
	shown = printable(text);
	return err_set(
		e, ERR_REFUSED,
		"'%s' cannot be the name of an app: 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with "
		"a letter or digit%s%s%s",
		shown, *near ? "; '" : "", near, *near ? "' would be one" : "");
}
