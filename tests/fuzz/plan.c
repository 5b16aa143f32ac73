/* Plans: what is read is written and read again as the same JSON. */
#include "fuzz.h"

#include "base/json.h"
#include "plan/plan.h"

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
	MUST(json_equal(j, written));
	MUST(plan_from_json(&again, written, NULL) == 0);
	(void) plan_routed_service(&again);
	return 0;
}
