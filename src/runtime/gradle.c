/* Java with Gradle: build.gradle, built in src for every release. What Gradle fetches stays in cache/APP. */
#include "runtime/runtime-internal.h"

static int gradle_detect(const struct runtime_input *in, char **missing)
{
	static const struct tool tools[] = { { "java", "default-jdk-headless" },
					     { "gradle", "gradle" },
					     { NULL, NULL } };

	return input_has(in, "build.gradle") ? input_has_tools(in, "build.gradle", tools, missing) : 0;
}

/* Without its daemon, which would outlive the build. */
static int gradle_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent UNUSED,
		       struct err **e UNUSED)
{
	bool has_build = input_has(in, "build");
	struct build_step *s;

	*ret = (struct build){ 0 };
	build_cache(ret, in, "GRADLE_USER_HOME", "gradle");
	s = build_src_step(ret, in, has_build ? "gradle clean build" : "gradle build");
	strv_push(&s->argv, build_tool(ret, in, "gradle"));
	if (has_build)
		STRV_ADD(&s->argv, "clean");
	STRV_ADD(&s->argv, "build", "--no-daemon", "--console=plain");
	return 0;
}

const struct runtime_ops runtime_gradle = {
	.name = "gradle",
	.label = "Java Gradle",
	.detect = gradle_detect,
	.plan = gradle_plan,
};
