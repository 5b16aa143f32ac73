/* Names of apps and services: what is read is legal, and reading it again changes nothing. */
#include "fuzz.h"

#include "plan/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size), *name = NULL, *again = NULL;
	_cleanup_(err_freep) struct err *e = NULL;
	static const char *const commands[] = { "deploy", "destroy", "apps", "config set", "logs" };

	(void) str_nearest(text, commands, COUNT(commands));
	MUST(!app_name_is_legal(text) || service_name_is_legal(text) || str_eq(text, "."));
	if (app_name_read(&name, text, &e) < 0) {
		_cleanup_(freep) char *message = err_text(e);

		MUST(!app_name_is_legal(text));
		return 0;
	}
	MUST(app_name_is_legal(name));
	MUST(!strchr(name, '/') && *name != '.' && *name != '-');
	return 0;
}
