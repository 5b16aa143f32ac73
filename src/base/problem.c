/* Problems in users' texts: see problem.h. */
#include "base/problem.h"

#include "base/str.h"

void problem_add(struct problems *p, enum severity severity, const char *file, int line, int column,
		 const char *fmt, ...)
{
	va_list args;

	if (!p)
		return;
	struct problem *new = GROW(&p->v, &p->n);

	va_start(args, fmt);
	*new = (struct problem){ xstrdup(file), line, column, severity, xvasprintf(fmt, args) };
	va_end(args);
}

char *problem_text(const struct problem *p)
{
	const char *file = p->file ? p->file : "";
	const char *sep = p->file ? ": " : "";

	if (p->file && p->line && p->column)
		return xasprintf("%s:%d:%d: %s", file, p->line, p->column, p->message);
	if (p->file && p->line)
		return xasprintf("%s:%d: %s", file, p->line, p->message);
	return xasprintf("%s%s%s", file, sep, p->message);
}

size_t problems_count(const struct problems *p, enum severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->v[i].severity == severity;
	return n;
}

void problems_done(struct problems *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].file);
		free(p->v[i].message);
	}
	free(p->v);
	*p = (struct problems){ 0 };
}
