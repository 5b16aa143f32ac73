/* A schedule of an app's live release, as the scheduler and the runs of it know it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "manifest/cron.h"

struct daemon;

struct schedule {
	struct schedule *next;
	struct daemon *d;
	char *app, *service;
	int64_t version, deployment; /* the live ones */
	struct cron cron;
	char *zone; /* NULL: the host's */
	bool allows_overlap;
	unsigned jitter_s;
	bool is_enabled; /* not scaled to 0 */
	bool is_suspended;
	int64_t next_s, begin_s; /* due, and that with its jitter; 0: not due */
};
