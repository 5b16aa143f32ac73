/* Static files: served by the router, nothing to install. */
#include "runtime/runtime-internal.h"

static int static_detect(const struct runtime_input *in, char **missing UNUSED)
{
	for (size_t i = 0; i < in->plan->n_services; i++)
		if (in->plan->services[i].kind == SERVICE_STATIC)
			return 1;
	return 0;
}

static int static_plan(struct build *ret, const struct runtime_input *in UNUSED,
		       const char *deps_parent UNUSED, struct err **e UNUSED)
{
	*ret = (struct build){ 0 };
	return 0;
}

const struct runtime_ops runtime_static = {
	.name = "static",
	.label = "Static",
	.detect = static_detect,
	.plan = static_plan,
};
