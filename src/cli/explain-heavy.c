/* explain: one reader a kind of file; each shows its lines as a table or as JSON. */
#include <fnmatch.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/plan-heavy.h"
#include "cli/plan.h"
#include "manifest/cron.h"
#include "manifest/procfile.h"

/* What a reader fills in: rows of text for people, entries for programs. */
struct explanation {
	struct columns table;
	json_t *entries;
	struct problems problems;
};

static void explanation_done(struct explanation *x)
{
	columns_done(&x->table);
	json_decref(x->entries);
	problems_done(&x->problems);
}

static json_t *add_entry(struct explanation *x)
{
	json_t *j = json_object();

	(void) json_array_append_new(x->entries, j);
	return j;
}

/* A schedule in a Procfile is looked at as a deployment would. */
static void check_schedule(const struct procfile_entry *entry, const char *file, struct problems *problems)
{
	_cleanup_(err_freep) struct err *why = NULL;
	_cleanup_(freep) char *warning = NULL;
	const char *command;
	struct cron times;
	int column = 1;

	if (cron_parse(&times, entry->command, &command, &column, &warning, &why) < 0)
		problem_add(problems, SEVERITY_ERROR, file, entry->line, entry->column + column - 1,
			    "'%s': %s", entry->name, why->msg);
	else if (warning)
		problem_add(problems, SEVERITY_WARNING, file, entry->line, entry->column, "'%s': %s",
			    entry->name, warning);
}

static void explain_procfile(struct explanation *x, const char *text, size_t n, const char *file)
{
	_cleanup_(procfile_done) struct procfile p = { 0 };

	procfile_parse(&p, text, n, file, &x->problems);
	COLUMNS_ROW(&x->table, "LINE", "SERVICE", "KIND", "COMMAND");
	for (size_t i = 0; i < p.n; i++) {
		const struct procfile_entry *entry = &p.v[i];
		_cleanup_(freep) char *line = xasprintf("%d", entry->line);
		json_t *j = add_entry(x);
		enum service_kind kind;
		const char *kind_name = entry->name; /* preflight, release */

		if (procfile_kind(entry->name, &kind)) {
			kind_name = service_kind_name(kind);
			if (kind == SERVICE_CRON)
				check_schedule(entry, file, &x->problems);
		}
		json_put_text(j, "name", entry->name);
		json_put_text(j, "kind", kind_name);
		json_put_text(j, "command", entry->command);
		json_put_num(j, "line", entry->line);
		COLUMNS_ROW(&x->table, line, entry->name, kind_name, entry->command);
	}
}

static void explain_env(struct explanation *x, const char *text, size_t n, const char *file)
{
	_cleanup_(env_done) struct env env = { 0 };

	env_parse(&env, text, n, file, NULL, true, &x->problems);
	COLUMNS_ROW(&x->table, "LINE", "NAME", "VALUE");
	for (size_t i = 0; i < env.n; i++) {
		const char *colon = strrchr(env.v[i].origin, ':'), *line = colon ? colon + 1 : "0";
		json_t *j = add_entry(x);
		long number = 0;

		(void) str_to_long(line, 0, 1L << 30, &number);
		json_put_text(j, "name", env.v[i].name);
		json_put_text(j, "value", env.v[i].value);
		json_put_num(j, "line", number);
		COLUMNS_ROW(&x->table, line, env.v[i].name, env.v[i].value);
	}
}

static void explain_scaling(struct explanation *x, const char *text, size_t n UNUSED, const char *file)
{
	_cleanup_(scaling_done) struct scaling scaling = { 0 };

	scaling_parse(&scaling, text, file, &x->problems);
	COLUMNS_ROW(&x->table, "LINE", "SERVICE", "INSTANCES");
	for (size_t i = 0; i < scaling.n; i++) {
		_cleanup_(freep) char *line = xasprintf("%d", scaling.v[i].line);
		_cleanup_(freep) char *count = xasprintf("%u", scaling.v[i].count);
		json_t *j = add_entry(x);

		json_put_text(j, "name", scaling.v[i].name);
		json_put_num(j, "count", scaling.v[i].count);
		json_put_num(j, "line", scaling.v[i].line);
		COLUMNS_ROW(&x->table, line, scaling.v[i].name, count);
	}
}

/* The values in a field's set: as JSON numbers, and as text like "0,30" ("every" for all from first to last).
 */
static char *values_of(uint64_t set, unsigned first, unsigned last, json_t *j, const char *name)
{
	_cleanup_(strv_done) struct strv texts = { 0 };
	json_t *values = json_array();
	unsigned n = 0;

	for (unsigned i = 0; i < 64; i++) {
		if (!(set >> i & 1))
			continue;
		(void) json_array_append_new(values, json_integer(i));
		strv_addf(&texts, "%u", i);
		n += i >= first && i <= last;
	}
	(void) json_object_set_new(j, name, values);
	return n == last - first + 1 ? xstrdup("every") : strv_join(&texts, ",");
}

static void add_schedule(struct explanation *x, const struct cron *c, const char *command, int number)
{
	json_t *j = add_entry(x);
	_cleanup_(freep) char *line = xasprintf("%d", number);
	_cleanup_(freep) char *minute = values_of(c->minute, 0, 59, j, "minute");
	_cleanup_(freep) char *hour = values_of(c->hour, 0, 23, j, "hour");
	_cleanup_(freep) char *day = values_of(c->day, 1, 31, j, "day");
	_cleanup_(freep) char *month = values_of(c->month, 1, 12, j, "month");
	_cleanup_(freep) char *weekday = values_of(c->weekday, 0, 6, j, "weekday");

	json_put_flag(j, "any_of_days", c->is_any_of_days);
	json_put_text(j, "command", command);
	json_put_num(j, "line", number);
	COLUMNS_ROW(&x->table, line, minute, hour, day, month, weekday, command);
}

static void explain_cron_line(struct explanation *x, const char *line, int number, int indent,
			      const char *file)
{
	_cleanup_(err_freep) struct err *why = NULL;
	_cleanup_(freep) char *warning = NULL;
	const char *command;
	struct cron times;
	int column = 1;

	if (cron_parse(&times, line, &command, &column, &warning, &why) < 0)
		problem_add(&x->problems, SEVERITY_ERROR, file, number, indent + column, "%s", why->msg);
	else
		add_schedule(x, &times, command, number);
	if (warning)
		problem_add(&x->problems, SEVERITY_WARNING, file, number, indent + 1, "%s", warning);
}

static void explain_cron(struct explanation *x, const char *text, size_t n UNUSED, const char *file)
{
	COLUMNS_ROW(&x->table, "LINE", "MINUTE", "HOUR", "DAY", "MONTH", "WEEKDAY", "COMMAND");
	for (int number = 1; *text; number++) {
		const char *end = text + strcspn(text, "\n");
		struct span span = span_trim(text, end);

		if (span.n && *span.s != '#') {
			_cleanup_(freep) char *line = span_dup(span);

			explain_cron_line(x, line, number, (int) (span.s - text), file);
		}
		text = *end ? end + 1 : end;
	}
}

static const struct reader {
	const char *name, *list; /* list: what the entries are called in JSON */
	size_t n_columns;
	const char *files[4]; /* patterns of names */
	void (*explain)(struct explanation *x, const char *text, size_t n, const char *file);
} readers[] = {
	{ "procfile", "services", 4, { "Procfile", "Procfile.*", "*.procfile" }, explain_procfile },
	{ "env", "variables", 3, { "ENV", "LIVE_ENV", "*.env" }, explain_env },
	{ "scaling", "services", 3, { "SCALING" }, explain_scaling },
	{ "cron", "schedules", 7, { "crontab", "crontab.*", "*.cron" }, explain_cron },
};

static const struct reader *reader_for(const char *as, const char *file)
{
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;

	for (size_t i = 0; i < COUNT(readers); i++) {
		if (as && str_eq(readers[i].name, as))
			return &readers[i];
		for (size_t k = 0; !as && k < COUNT(readers[i].files) && readers[i].files[k]; k++)
			if (fnmatch(readers[i].files[k], name, 0) == 0)
				return &readers[i];
	}
	return NULL;
}

static void print_json(const struct reader *reader, const struct explanation *x)
{
	_cleanup_(json_releasep) json_t *j = json_object();

	(void) json_object_set(j, reader->list, x->entries);
	(void) json_object_set_new(j, "problems", problems_to_json(&x->problems, false));
	json_print(j);
}

int explain_run(struct cli *cli, char **argv, struct err **e)
{
	const char *as = cli_option(cli, "as");
	const struct reader *reader = reader_for(as, argv[0]);
	_cleanup_(freep) char *text = NULL;
	size_t n;
	int r;

	if (!reader && as)
		return err_set(e, ERR_USAGE, "--as %s: expected procfile, env, scaling or cron", as);
	if (!reader)
		return err_set(e, ERR_USAGE,
			       "cannot tell what %s is by its name; say --as procfile, env, scaling or cron",
			       argv[0]);
	r = file_read(argv[0], 1 << 20, &text, &n, e);
	if (r < 0)
		return r;

	_cleanup_(explanation_done) struct explanation x = { .table = { .n_columns = reader->n_columns },
							     .entries = json_array() };

	reader->explain(&x, text, n, argv[0]);
	if (cli->is_json) {
		print_json(reader, &x);
		return 0;
	}
	columns_print(&x.table);
	problems_print(stdout, &x.problems);
	return 0;
}
