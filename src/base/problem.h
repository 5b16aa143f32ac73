/* What is wrong with a text that a user wrote: every problem with its place, all of them, not only the first.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum severity {
	SEVERITY_WARNING,
	SEVERITY_SKIPPED, /* a bad line that a deployment skips, as Piku does; `validate` refuses it */
	SEVERITY_ERROR,
};

struct problem {
	char *file;       /* as the user calls it; may be NULL */
	int line, column; /* from 1; 0: unknown */
	enum severity severity;
	char *message; /* without place; says what was expected and what to do */
};

struct problems {
	struct problem *v;
	size_t n;
};

void problem_add(struct problems *p, enum severity severity, const char *file, int line, int column,
		 const char *fmt, ...) PRINTF(6, 7);
/* "FILE:LINE:COLUMN: message", leaving out what is unknown; to be freed. */
char *problem_text(const struct problem *p);
size_t problems_count(const struct problems *p, enum severity severity);
void problems_done(struct problems *p);
