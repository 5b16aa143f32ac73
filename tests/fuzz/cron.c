/* Schedules: what is taken has only values that exist and a command; what is refused says where. */
#include "fuzz.h"

#include "manifest/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *line = fuzz_text(data, size), *warning = NULL;
	_cleanup_(err_freep) struct err *e = NULL;
	const char *command = NULL;
	struct cron c = { 0 };
	int column = 0;
	int r = cron_parse(&c, line, &command, &column, &warning, &e);

	if (r < 0) {
		MUST(r == ERR_REFUSED && e && column >= 1 && (size_t) column <= strlen(line) + 1);
		return 0;
	}
	MUST(command >= line && *command && command < line + strlen(line));
	MUST(c.minute && !(c.minute >> 60));
	MUST(!(c.hour >> 25) && !(c.month >> 13) && !(c.weekday >> 7));
	return 0;
}
