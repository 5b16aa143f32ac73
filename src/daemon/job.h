/* Runs of schedules: instances that are started once, end, and leave a record (store/run.h). */
#pragma once

#include "daemon/daemon-internal.h"
#include "daemon/schedule.h"

/*
 * Records a run and starts its process, held at its gate until job_release(): both belong in the caller's
 * transaction. scheduled_for_s 0: asked for. *ret: NULL when it could not be started, which is recorded.
 * -EEXIST: there was a run for this time already.
 */
int job_start(const struct schedule *s, int64_t scheduled_for_s, struct instance **ret, struct err **e);
/* is_recorded false: what could not be recorded must not run. */
void job_release(struct instance *i, bool is_recorded);
/* Its process has ended: records the outcome once. True when the log keeper has taken all that it wrote. */
bool job_is_over(struct instance *i);
/* It is forgotten: who waits for its end is told. */
void job_tell(struct instance *i);
/* A run of it whose process runs; NULL: none. */
struct instance *job_find(struct daemon *d, const char *app, const char *service);
/* A line for the log of its schedule. */
void job_say(const struct instance *i, const char *fmt, ...) PRINTF(2, 3);
/* A time that was due and had no run: "skipped", "missed". */
int job_record(const struct schedule *s, int64_t scheduled_for_s, const char *outcome, struct err **e);
void jobs_stop(struct daemon *d, const char *app);
