/* Apps that need no language of ours: what their Procfile says is run as it is. */
#include "runtime/runtime-internal.h"

static int generic_detect(const struct runtime_input *in, char **missing UNUSED)
{
	for (size_t i = 0; in->plan->release && i < in->plan->n_services; i++)
		if (in->plan->services[i].kind == SERVICE_WEB)
			return 1;
	return 0;
}

/* Without a release command the app is here as the last resort (runtime.c): Piku would not have deployed it.
 */
static int generic_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent UNUSED,
			struct err **e UNUSED)
{
	*ret = (struct build){ 0 };
	if (!generic_detect(in, NULL))
		STRV_ADD(&ret->notices, "No file of a known language: nothing is installed, "
					"the Procfile's commands run as they are.");
	return 0;
}

const struct runtime_ops runtime_generic = {
	.name = "generic",
	.label = "Generic",
	.detect = generic_detect,
	.plan = generic_plan,
};
