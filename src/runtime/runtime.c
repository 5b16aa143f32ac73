/* Which runtime an app is of: one table in Piku's order, first fit wins. */
#include "runtime/runtime.h"

#include "runtime/runtime-internal.h"

/* In Piku's order. */
#define RUNTIMES(X)                                                                                          \
	X(python)                                                                                            \
	X(poetry)                                                                                            \
	X(uv)                                                                                                \
	X(ruby)                                                                                              \
	X(node)                                                                                              \
	X(maven)                                                                                             \
	X(gradle)                                                                                            \
	X(go)                                                                                                \
	X(clojure)                                                                                           \
	X(leiningen)                                                                                         \
	X(rust)                                                                                              \
	X(php)                                                                                               \
	X(generic)                                                                                           \
	X(static)
#define DECLARE(name) extern const struct runtime_ops runtime_##name;
#define ENTRY(name)   &runtime_##name,
RUNTIMES(DECLARE)
static const struct runtime_ops *const runtimes[] = { RUNTIMES(ENTRY) };

const struct runtime_ops *runtime_find(const char *name)
{
	for (size_t i = 0; i < COUNT(runtimes); i++)
		if (str_eq(runtimes[i]->name, name))
			return runtimes[i];
	return NULL;
}

static bool is_runnable(const struct plan *p)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].kind != SERVICE_STATIC)
			return true;
	return false;
}

/* missing: of runtimes that fit but for their tools, on the way down the table. */
static const struct runtime_ops *find_first(const struct runtime_input *in, struct strv *missing)
{
	for (size_t i = 0; i < COUNT(runtimes); i++) {
		_cleanup_(freep) char *tools = NULL;

		if (runtimes[i]->detect(in, &tools) > 0)
			return runtimes[i];
		if (tools)
			strv_push(missing, TAKE(tools));
	}
	return NULL;
}

int runtime_detect(const struct runtime_ops **ret, const struct runtime_input *in, struct problems *problems,
		   struct err **e)
{
	_cleanup_(strv_done) struct strv missing = { 0 };
	_cleanup_(freep) char *why = NULL;
	const struct runtime_ops *found = find_first(in, &missing);

	if (!found && missing.n == 0 && is_runnable(in->plan))
		found = &runtime_generic;
	for (size_t i = 0; found && problems && i < missing.n; i++)
		problem_add(problems, SEVERITY_WARNING, NULL, 0, 0, "%s; going on as a %s app", missing.v[i],
			    found->label);
	if (found) {
		*ret = found;
		return 0;
	}
	if (missing.n > 0) {
		why = strv_join(&missing, "; ");
		return err_set(e, ERR_MISSING, "%s", why);
	}
	return err_set(e, ERR_REFUSED,
		       "Could not detect runtime! There is no file of a known language (requirements.txt, "
		       "package.json "
		       "..., see docs/runtimes.md), and the Procfile has no service to run; add a line such "
		       "as 'web: "
		       "COMMAND'");
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
