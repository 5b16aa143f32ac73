/* The Procfile's grammar: one "KIND: COMMAND" a line; what is wrong with a line never stops the next one. */
#include "manifest/procfile.h"

#include <ctype.h>
#include <jansson.h>

#include "base/str.h"
#include "plan/name.h"

/* The text being read, for messages. */
struct reader {
	struct procfile *to;
	const char *file;
	struct problems *problems;
	int line;
	const char *start; /* of the line */
};

static int column_of(const struct reader *r, const char *at)
{
	return (int) (at - r->start) + 1;
}

static struct procfile_entry *find(const struct procfile *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->v[i].name, name))
			return &p->v[i];
	return NULL;
}

/* The kind with blanks inside turned into '-', or NULL when it is none. */
static char *read_kind(const struct reader *r, struct span kind)
{
	_cleanup_(freep) char *name = span_dup(kind);
	bool has_blank = false;

	if (kind.n == 0) {
		problem_add(r->problems, SEVERITY_SKIPPED, r->file, r->line, column_of(r, kind.s),
			    "misformatted entry: expected a name before ':'; this line is ignored");
		return NULL;
	}
	for (char *c = name; *c; c++) {
		if (*c != ' ' && *c != '\t')
			continue;
		*c = '-';
		has_blank = true;
	}
	if (!service_name_is_legal(name)) {
		problem_add(r->problems, SEVERITY_SKIPPED, r->file, r->line, column_of(r, kind.s),
			    "misformatted entry: a name is 1 to 63 of A-Z, a-z, 0-9, '_', '.' and '-'; this "
			    "line is "
			    "ignored");
		return NULL;
	}
	if (has_blank)
		problem_add(r->problems, SEVERITY_WARNING, r->file, r->line, column_of(r, kind.s),
			    "blanks in a name are read as '-': '%s'", name);
	return TAKE(name);
}

static void add_entry(const struct reader *r, const char *name, struct span kind, struct span command)
{
	struct procfile_entry *entry = find(r->to, name);

	if (entry)
		problem_add(r->problems, SEVERITY_WARNING, r->file, r->line, column_of(r, kind.s),
			    "'%s' is given twice: line %d is used, line %d is ignored", name, r->line,
			    entry->line);
	if (!entry && r->to->n == PROCFILE_MAX_ENTRIES) {
		problem_add(r->problems, SEVERITY_ERROR, r->file, r->line, 1, "more than %d entries",
			    PROCFILE_MAX_ENTRIES);
		return;
	}
	if (!entry) {
		entry = GROW(&r->to->v, &r->to->n);
		entry->name = xstrdup(name);
	}
	free(entry->command);
	entry->command = span_dup(command);
	entry->line = r->line;
	entry->column = column_of(r, command.s);
}

/* Commands go to a shell and into JSON: neither takes a NUL, and JSON only UTF-8. */
static bool is_text(const struct reader *r, struct span line)
{
	json_t *j = json_stringn(line.s, line.n);
	bool is_text = j && !memchr(line.s, '\0', line.n);

	json_decref(j);
	if (!is_text)
		problem_add(r->problems, SEVERITY_ERROR, r->file, r->line, column_of(r, line.s),
			    "this line is not UTF-8 text");
	return is_text;
}

static void read_line(const struct reader *r, const char *stop)
{
	struct span line = span_trim(r->start, stop), kind;
	const char *colon;

	if (line.n == 0 || *line.s == '#' || !is_text(r, line))
		return;
	colon = memchr(line.s, ':', line.n);
	if (!colon) {
		problem_add(r->problems, SEVERITY_SKIPPED, r->file, r->line, column_of(r, line.s + line.n),
			    "misformatted entry: expected 'NAME: COMMAND'; this line is ignored");
		return;
	}
	kind = span_trim(line.s, colon);

	_cleanup_(freep) char *name = read_kind(r, kind);

	if (name)
		add_entry(r, name, kind, span_trim(colon + 1, line.s + line.n));
}

static void entry_done(struct procfile_entry *entry)
{
	free(entry->name);
	free(entry->command);
}

/* uWSGI serves the app then; web would take its place in the router. */
static void drop_web_beside_wsgi(struct procfile *p, const char *file, struct problems *problems)
{
	static const char *const kinds[] = { "wsgi", "jwsgi", "rwsgi" };
	struct procfile_entry *web = find(p, "web");

	if (!web)
		return;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct procfile_entry *other = find(p, kinds[i]);

		if (!other)
			continue;
		problem_add(problems, SEVERITY_WARNING, file, web->line, 1,
			    "'web' is ignored, because line %d has '%s': an app has one of the two",
			    other->line, kinds[i]);
		entry_done(web);
		memmove(web, web + 1, (size_t) (p->v + p->n - web - 1) * sizeof *web);
		p->n--;
		return;
	}
}

void procfile_parse(struct procfile *ret, const char *text, size_t n, const char *file,
		    struct problems *problems)
{
	struct reader r = { ret, file, problems, 1, text };
	const char *end = text + n;

	*ret = (struct procfile){ 0 };
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* an editor's byte order mark */
		r.start += 3;
	for (; r.start < end; r.line++) {
		const char *eol = memchr(r.start, '\n', (size_t) (end - r.start));

		read_line(&r, eol ? eol : end);
		r.start = eol ? eol + 1 : end;
	}
	drop_web_beside_wsgi(ret, file, problems);
	if (ret->n == 0)
		problem_add(problems, SEVERITY_ERROR, file, 0, 0,
			    "Invalid Procfile: there is no entry in it (expected lines like 'web: COMMAND')");
}

void procfile_done(struct procfile *p)
{
	for (size_t i = 0; i < p->n; i++)
		entry_done(&p->v[i]);
	free(p->v);
	*p = (struct procfile){ 0 };
}

bool procfile_kind(const char *name, enum service_kind *ret)
{
	static const struct {
		const char *name;
		enum service_kind kind;
	} kinds[] = {
		{ "web", SERVICE_WEB },     { "wsgi", SERVICE_WSGI }, { "jwsgi", SERVICE_JWSGI },
		{ "rwsgi", SERVICE_RWSGI }, { "php", SERVICE_PHP },   { "static", SERVICE_STATIC },
	};

	if (str_eq(name, "preflight") || str_eq(name, "release"))
		return false;
	*ret = str_starts(name, "cron") ? SERVICE_CRON : SERVICE_WORKER;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_eq(name, kinds[i].name))
			*ret = kinds[i].kind;
	return true;
}
