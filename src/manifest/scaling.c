/* SCALING: how many instances of each service are wanted, one "KIND:COUNT" a line. */
#include "base/str.h"
#include "manifest/procfile.h"

enum { MAX_INSTANCES = 1000, MAX_ENTRIES = 1000 };

static struct scaling_entry *entry_for(struct scaling *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->v[i].name, name))
			return &s->v[i];
	if (s->n == MAX_ENTRIES)
		return NULL;
	struct scaling_entry *entry = GROW(&s->v, &s->n);

	entry->name = xstrdup(name);
	return entry;
}

static void read_line(struct scaling *to, struct span line, const char *file, int number, int column,
		      struct problems *problems)
{
	const char *end = line.s + line.n, *colon = memchr(line.s, ':', line.n);
	_cleanup_(freep) char *name = NULL, *count = NULL;
	struct scaling_entry *entry;
	struct span value;
	long n;

	if (!colon || span_trim(line.s, colon).n == 0) {
		problem_add(problems, SEVERITY_SKIPPED, file, number, column,
			    "expected 'NAME:COUNT'; this line is ignored");
		return;
	}
	value = span_trim(colon + 1, end);
	name = span_dup(span_trim(line.s, colon));
	count = span_dup(value);
	if (!str_to_long(count, 0, MAX_INSTANCES, &n)) {
		problem_add(problems, SEVERITY_SKIPPED, file, number, column + (int) (value.s - line.s),
			    "expected a number of instances from 0 to %d, not '%s'; 1 is used", MAX_INSTANCES,
			    count);
		return;
	}
	entry = entry_for(to, name);
	if (!entry)
		return;
	entry->count = (unsigned) n;
	entry->line = number;
	entry->column = column;
}

void scaling_parse(struct scaling *ret, const char *text, const char *file, struct problems *problems)
{
	*ret = (struct scaling){ 0 };
	if (str_starts(text, "\xef\xbb\xbf")) /* an editor's byte order mark */
		text += 3;
	for (int number = 1; *text; number++) {
		const char *end = text + strcspn(text, "\n");
		struct span line = span_trim(text, end);

		if (line.n && *line.s != '#')
			read_line(ret, line, file, number, (int) (line.s - text) + 1, problems);
		text = *end ? end + 1 : end;
	}
}

void scaling_done(struct scaling *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].name);
	free(s->v);
	*s = (struct scaling){ 0 };
}

void scaling_apply(struct plan *p, const char *text, const char *file, struct problems *problems)
{
	_cleanup_(scaling_done) struct scaling wanted = { 0 };

	scaling_parse(&wanted, text, file, problems);
	for (size_t i = 0; i < wanted.n; i++) {
		struct plan_service *s = plan_find_service(p, wanted.v[i].name);

		if (s)
			s->instances = wanted.v[i].count;
		else
			problem_add(problems, SEVERITY_WARNING, file, wanted.v[i].line, wanted.v[i].column,
				    "there is no service '%s' in the Procfile; this line is ignored",
				    wanted.v[i].name);
	}
}
