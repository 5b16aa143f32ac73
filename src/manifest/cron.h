/* Five-field schedules in the superset grammar of the Piku spec, section 6.3. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* A parsed schedule: bit n of a field set means n matches. */
struct cron {
	uint64_t minute;
	uint32_t hour, day, month, weekday; /* weekday: 0 is Sunday; 7 is folded into 0 */
	bool is_any_of_days; /* day and weekday are both plain: either one matching is enough */
};

/*
 * Reads the time part of a line ("0 3 * * mon-fri", "@daily") and finds where the command begins.
 * *command: borrowed from line. ERR_REFUSED with the 1-based column in *column. *warning (to be freed, NULL:
 * none) says when it can never run.
 */
int cron_parse(struct cron *ret, const char *line, const char **command, int *column, char **warning,
	       struct err **e);
