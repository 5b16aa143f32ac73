/* Plans: what is read is written and read again as the same JSON. */
#include "fuzz.h"

#include "base/json.h"
#include "plan/plan.h"

/* Plans from before there were limits are read, and written with them. */
static bool lacks_limits(const json_t *j)
{
	const json_t *service;
	bool lacks = !json_object_get(j, "build_limits") || !json_object_get(j, "release_limits") ||
		     !json_object_get(j, "run_limits");
	size_t i;

	json_array_foreach(json_object_get(j, "services"), i, service) lacks |=
		!json_object_get(service, "limits");
	return lacks;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(plan_done) struct plan p = { 0 }, again = { 0 };
	_cleanup_(json_releasep) json_t *j =
		json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, NULL);
	_cleanup_(err_freep) struct err *e = NULL;

	if (plan_from_json(&p, j, &e) < 0) {
		MUST(e);
		return 0;
	}
	_cleanup_(json_releasep) json_t *written = plan_to_json(&p);
	MUST(lacks_limits(j) || json_equal(j, written));
	MUST(plan_from_json(&again, written, NULL) == 0);
	(void) plan_routed_service(&again);
	return 0;
}
