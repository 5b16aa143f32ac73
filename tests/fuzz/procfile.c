/* Procfiles: whatever the text is, the entries are legal, each is there once, and places are within it. */
#include "fuzz.h"

#include "manifest/procfile.h"
#include "plan/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(procfile_done) struct procfile p = { 0 };
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(freep) char *exact = xcalloc(size ? size : 1, 1); /* without a NUL behind it */

	if (size)
		memcpy(exact, data, size);
	procfile_parse(&p, exact, size, "Procfile", &problems);
	MUST(p.n <= PROCFILE_MAX_ENTRIES);
	MUST(p.n > 0 || problems_count(&problems, SEVERITY_ERROR) > 0);
	for (size_t i = 0; i < p.n; i++) {
		enum service_kind kind;

		MUST(service_name_is_legal(p.v[i].name));
		MUST(p.v[i].line > 0 && p.v[i].column > 0 && (size_t) p.v[i].column <= size + 1);
		MUST(!strchr(p.v[i].command, '\n'));
		(void) procfile_kind(p.v[i].name, &kind);
		for (size_t k = 0; k < i; k++)
			MUST(!str_eq(p.v[i].name, p.v[k].name));
	}
	for (size_t i = 0; i < problems.n; i++) {
		_cleanup_(freep) char *text = problem_text(&problems.v[i]);

		MUST(*text);
	}
	return 0;
}
