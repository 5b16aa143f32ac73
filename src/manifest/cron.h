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

/*
 * The first time after after_s (seconds since the epoch, a whole minute) at which the schedule is due, by the
 * clock of the time zone tz; -1: never. tz: NULL is the host's; one that is not known counts as UTC. A time
 * that a change of the clock leaves out does not come up that day; one that comes twice counts once, but for
 * schedules of every hour. Sets TZ for the moment of the call, so it is for programs of one thread.
 */
int64_t cron_next(const struct cron *c, int64_t after_s, const char *tz);
/* Is tz the name of an installed zone ("Asia/Tokyo") or a rule ("JST-9")? Paths are none: an app chooses it.
 */
bool cron_zone_is_known(const char *tz);

/* How an app wants its schedules to run: its CRON_... and TZ. */
struct env;
struct problems;
struct cron_policy {
	bool allows_overlap; /* CRON_OVERLAP=allow: a run begins also while the one before still goes on */
	unsigned timeout_s;  /* CRON_TIMEOUT; 0: none */
	unsigned jitter_s;   /* CRON_JITTER: begins up to this much later */
	const char *tz;      /* borrowed from env; NULL: the host's */
};
/* What is wrong is added to problems. */
void cron_policy_read(struct cron_policy *ret, const struct env *env, struct problems *problems);
