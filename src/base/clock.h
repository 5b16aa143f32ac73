/* Time. The wall clock can be injected by tests through SLIPWAY_TEST_NOW (seconds since the epoch). */
#pragma once

#include <stdint.h>

int64_t now_s(void);        /* wall clock, seconds since the epoch */
int64_t now_ms(void);       /* wall clock, milliseconds since the epoch */
int64_t monotonic_ms(void); /* for durations; never injected */
/* "2026-11-23T21:40:00Z"; to be freed. */
char *time_text(int64_t at_s);
/* "3s", "5m", "2h", "4d": a duration for people; to be freed. */
char *duration_text(int64_t s);
