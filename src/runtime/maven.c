/* Java with Maven: pom.xml, built in src for every release. What Maven fetches stays in cache/APP. */
#include "runtime/runtime-internal.h"

static int maven_detect(const struct runtime_input *in, char **missing)
{
	static const struct tool tools[] = { { "java", "default-jdk-headless" },
					     { "mvn", "maven" },
					     { NULL, NULL } };

	return input_has(in, "pom.xml") ? input_has_tools(in, "pom.xml", tools, missing) : 0;
}

static int maven_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent UNUSED,
		      struct err **e UNUSED)
{
	_cleanup_(freep) char *repository = xasprintf("-Dmaven.repo.local=%s/.m2/repository", in->cache);
	bool has_target = input_has(in, "target");
	struct build_step *s;

	*ret = (struct build){ 0 };
	build_add_option(ret, in, "MAVEN_OPTS", repository);
	s = build_src_step(ret, in, has_target ? "mvn clean package" : "mvn package");
	strv_push(&s->argv, build_tool(ret, in, "mvn"));
	if (has_target)
		STRV_ADD(&s->argv, "clean");
	STRV_ADD(&s->argv, "package", "--batch-mode", "--no-transfer-progress");
	return 0;
}

const struct runtime_ops runtime_maven = {
	.name = "maven",
	.label = "Java Maven",
	.detect = maven_detect,
	.plan = maven_plan,
};
