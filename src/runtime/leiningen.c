/* Clojure with Leiningen: project.clj, an uberjar for every release. */
#include "runtime/runtime-internal.h"

static int leiningen_detect(const struct runtime_input *in, char **missing)
{
	static const struct tool tools[] = { { "java", "default-jdk-headless" },
					     { "lein", "leiningen" },
					     { NULL, NULL } };

	return input_has(in, "project.clj") ? input_has_tools(in, "project.clj", tools, missing) : 0;
}

/* Java takes the home from the user's account and not from HOME: there it could not keep what it fetches. */
static void set_env(struct build *b, const struct runtime_input *in)
{
	_cleanup_(freep) char *options =
		xasprintf("-Duser.home=%s -XX:+TieredCompilation -XX:TieredStopAtLevel=1", in->cache);

	env_set(&b->env, "LEIN_HOME", "$HOME/.lein", "leiningen");
	build_add_option(b, in, "LEIN_JVM_OPTS", options);
	env_set(&b->step_env, "LEIN_ROOT", "1", "leiningen"); /* not asked about the user that builds */
}

static int leiningen_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent UNUSED,
			  struct err **e UNUSED)
{
	static const char *const tasks[] = { "clean", "uberjar" };

	*ret = (struct build){ 0 };
	set_env(ret, in);
	for (size_t i = 0; i < COUNT(tasks); i++) {
		_cleanup_(freep) char *title = xasprintf("lein %s", tasks[i]);
		struct build_step *s = build_src_step(ret, in, title);

		strv_push(&s->argv, build_tool(ret, in, "lein"));
		STRV_ADD(&s->argv, tasks[i]);
	}
	return 0;
}

const struct runtime_ops runtime_leiningen = {
	.name = "leiningen",
	.label = "Clojure Lein",
	.detect = leiningen_detect,
	.plan = leiningen_plan,
};
