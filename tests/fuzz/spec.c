/* Specs: one that is read is written and read again with all that it says. */
#include "fuzz.h"

#include "base/file.h"
#include "plan/root.h"
#include "plan/spec.h"

static const char *spec_file(void)
{
	static char *path;

	if (!path) {
		_cleanup_(freep) char *dir = root_release(fuzz_dir(), "a", 1);

		if (dir_make(dir, 0700, NULL) < 0)
			abort();
		path = xstrdup("releases/a/v1/spec.json");
	}
	return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(spec_done) struct spec s = { 0 }, again = { 0 };
	_cleanup_(freep) char *path = fuzz_file(spec_file(), data, size);
	_cleanup_(err_freep) struct err *e = NULL;

	if (spec_read(&s, fuzz_dir(), "a", 1, &e) < 0) {
		MUST(e);
		return 0;
	}
	MUST(spec_write(&s, fuzz_dir(), NULL) == 0);
	MUST(spec_read(&again, fuzz_dir(), "a", 1, NULL) == 0);
	MUST(again.env.n == s.env.n && again.n_services == s.n_services);
	MUST(again.sandbox.level == s.sandbox.level && again.sandbox.hide.n == s.sandbox.hide.n);
	for (size_t i = 0; i < s.env.n; i++)
		MUST(str_eq(s.env.v[i].name, again.env.v[i].name) &&
		     str_eq(s.env.v[i].value, again.env.v[i].value));
	for (size_t i = 0; i < s.n_services; i++)
		MUST(spec_find_service(&again, s.services[i].name));
	return 0;
}
