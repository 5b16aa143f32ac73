/* SCALING: counts stay in their range and each kind is there once. */
#include "fuzz.h"

#include "manifest/procfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(scaling_done) struct scaling s = { 0 };
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(freep) char *text = fuzz_text(data, size);

	scaling_parse(&s, text, "SCALING", &problems);
	for (size_t i = 0; i < s.n; i++) {
		MUST(*s.v[i].name && s.v[i].count <= 1000);
		MUST(s.v[i].line > 0 && s.v[i].column > 0 && (size_t) s.v[i].column <= size);
		for (size_t k = 0; k < i; k++)
			MUST(!str_eq(s.v[i].name, s.v[k].name));
	}
	return 0;
}
