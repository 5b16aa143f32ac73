/* Which runtime an app is of: one table in Piku's order, first fit wins. */
#include "runtime/runtime.h"

#include "runtime/runtime-internal.h"

extern const struct runtime_ops runtime_python, runtime_poetry, runtime_uv, runtime_ruby, runtime_node,
	runtime_go, runtime_generic, runtime_static;

/* A row is a runtime, or a language that is only recognised: its files are named in messages. */
static const struct row {
	const struct runtime_ops *ops;
	const char *label;
	const char *markers[3];
	bool needs_all_markers;
	enum service_kind kind; /* without markers: this kind of service is the mark */
} rows[] = {
	{ &runtime_python },
	{ &runtime_poetry },
	{ &runtime_uv },
	{ &runtime_ruby },
	{ &runtime_node },
	{ .label = "Java (Maven)", .markers = { "pom.xml" } },
	{ .label = "Java (Gradle)", .markers = { "build.gradle" } },
	{ &runtime_go },
	{ .label = "Clojure (CLI)", .markers = { "deps.edn" } },
	{ .label = "Clojure (Leiningen)", .markers = { "project.clj" } },
	{ .label = "Rust", .markers = { "Cargo.toml", "rust-toolchain.toml" }, .needs_all_markers = true },
	{ .label = "PHP", .kind = SERVICE_PHP },
	{ &runtime_generic },
	{ &runtime_static },
};

const struct runtime_ops *runtime_find(const char *name)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].ops && str_eq(rows[i].ops->name, name))
			return rows[i].ops;
	return NULL;
}

static bool has_kind(const struct plan *p, enum service_kind kind)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].kind == kind)
			return true;
	return false;
}

static bool is_runnable(const struct plan *p)
{
	return has_kind(p, SERVICE_WEB) || has_kind(p, SERVICE_WORKER) || has_kind(p, SERVICE_CRON);
}

/* What shows that the app is of a language that is only recognised, or NULL. */
static const char *row_mark(const struct row *row, const struct runtime_input *in)
{
	const char *first = NULL;

	if (!row->markers[0])
		return has_kind(in->plan, row->kind) ? "a 'php' service" : NULL;
	for (size_t i = 0; i < COUNT(row->markers) && row->markers[i]; i++) {
		bool is_there = input_has(in, row->markers[i]);

		if (row->needs_all_markers && !is_there)
			return NULL;
		if (is_there && !first)
			first = row->markers[i];
	}
	return first;
}

/* What was passed over on the way down the table. */
struct passed {
	struct strv missing; /* of runtimes whose tools are missing */
	struct strv later;   /* of languages that are only recognised */
};

static void passed_done(struct passed *p)
{
	strv_done(&p->missing);
	strv_done(&p->later);
}

static const struct runtime_ops *find_first(const struct runtime_input *in, struct passed *passed)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_(freep) char *missing = NULL;
		const char *mark;

		if (!rows[i].ops) {
			mark = row_mark(&rows[i], in);
			if (mark)
				strv_addf(&passed->later,
					  "%s found, but this version does not install %s apps", mark,
					  rows[i].label);
			continue;
		}
		if (rows[i].ops->detect(in, &missing) > 0)
			return rows[i].ops;
		if (missing)
			strv_push(&passed->missing, TAKE(missing));
	}
	return NULL;
}

static void warn(struct problems *problems, const struct strv *passed, const struct runtime_ops *taken)
{
	for (size_t i = 0; problems && i < passed->n; i++)
		problem_add(problems, SEVERITY_WARNING, NULL, 0, 0, "%s; going on as a %s app", passed->v[i],
			    taken->label);
}

int runtime_detect(const struct runtime_ops **ret, const struct runtime_input *in, struct problems *problems,
		   struct err **e)
{
	_cleanup_(passed_done) struct passed passed = { 0 };
	_cleanup_(freep) char *why = NULL;
	const struct runtime_ops *found = find_first(in, &passed);

	if (!found && passed.missing.n == 0 && is_runnable(in->plan))
		found = &runtime_generic;
	if (found) {
		warn(problems, &passed.missing, found);
		warn(problems, &passed.later, found);
		*ret = found;
		return 0;
	}
	if (passed.missing.n > 0) {
		why = strv_join(&passed.missing, "; ");
		return err_set(e, ERR_MISSING, "%s", why);
	}
	if (passed.later.n > 0) {
		why = strv_join(&passed.later, "; ");
		return err_set(e, ERR_REFUSED,
			       "%s, and the Procfile has no service that could run without that", why);
	}
	return err_set(
		e, ERR_REFUSED,
		"Could not detect runtime! There is no requirements.txt, pyproject.toml or package.json, and "
		"the Procfile has no service to run; add a line such as 'web: COMMAND'");
}

static void steps_done(struct build_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(steps[i].title);
		strv_done(&steps[i].argv);
		free(steps[i].cwd);
	}
	free(steps);
}

void build_done(struct build *b)
{
	free(b->hash);
	steps_done(b->deps, b->n_deps);
	steps_done(b->steps, b->n_steps);
	strv_done(&b->notices);
	strv_done(&b->copies);
	env_done(&b->env);
	env_done(&b->step_env);
	strv_done(&b->links);
	strv_done(&b->read);
	*b = (struct build){ 0 };
}
