/* Clojure with its own CLI: deps.edn, whose build program makes a release of the app. */
#include "runtime/runtime-internal.h"

static int clojure_detect(const struct runtime_input *in, char **missing)
{
	static const struct tool tools[] = { { "java", "default-jdk-headless" },
					     { "clojure", NULL },
					     { NULL, NULL } };

	return input_has(in, "deps.edn") ? input_has_tools(in, "deps.edn", tools, missing) : 0;
}

/* Debian's "clojure" is the language alone and knows no -T. */
static int check_is_cli(const char *clojure, struct err **e)
{
	const char *argv[] = { clojure, "--version", NULL };
	_cleanup_(freep) char *version = NULL;

	if (tool_ask(&version, (char *const *) argv, NULL) >= 0 && strstr(version, "CLI"))
		return 0;
	return err_set(
		e, ERR_MISSING,
		"%s is not the Clojure CLI, which deps.edn needs (Debian's package is the language alone): "
		"install the CLI where [build] path of config.toml finds it first",
		clojure);
}

/* Java takes the home from the user's account and not from HOME: there it could not keep what it fetches. */
static void set_env(struct build *b, const struct runtime_input *in)
{
	_cleanup_(freep) char *home = xasprintf("-Duser.home=%s", in->cache);

	env_set(&b->env, "CLJ_CONFIG", "$HOME/.clojure", "clojure");
	build_cache(b, in, "CLJ_CACHE", "clojure");
	build_cache(b, in, "GITLIBS", "gitlibs");
	build_add_option(b, in, "CLJ_JVM_OPTS", home);
	build_add_option(b, in, "JAVA_OPTS", home);
}

static int clojure_fill(struct build *b, const struct runtime_input *in, struct err **e)
{
	_cleanup_(freep) char *clojure = build_tool(b, in, "clojure");
	struct build_step *s;
	int r;

	if (!clojure)
		return err_set(e, ERR_MISSING, "there is no clojure here");
	r = check_is_cli(clojure, e);
	if (r < 0)
		return r;
	set_env(b, in);
	s = build_src_step(b, in, "clojure -T:build release");
	STRV_ADD(&s->argv, clojure, "-T:build", "release");
	return 0;
}

static int clojure_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent UNUSED,
			struct err **e)
{
	struct build b = { 0 };

	return build_hand_over(ret, &b, clojure_fill(&b, in, e));
}

const struct runtime_ops runtime_clojure = {
	.name = "clojure",
	.label = "Clojure CLI",
	.detect = clojure_detect,
	.plan = clojure_plan,
};
