/* slipwayd: what its main() runs. */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/*
 * The daemon in the foreground, until TERM, INT or `shutdown`: instances, log keeper and private nginx stay
 * behind and are adopted by the next one. ERR_FAILED when one runs already for this root. root: absolute.
 * SLIPWAY_TEST_BACKOFF_MS in the environment sets the first pause before a crashed instance is started again.
 * argv: of main(), for the re-exec.
 */
int daemon_run(const char *root, char *const *argv, struct err **e);
/* What a daemon asks the slipwayd that shall take its place: prints version, store's schema and format of the
 * handover as one line when it could begin with this root. */
int daemon_self_check(const char *root, struct err **e);

/*
 * The log keeper: reads the FIFOs in ROOT/run/fifo, writes their lines with time stamps to
 * logs/APP/SERVICE.N.log and rotates these. Returns on TERM, after it took what was in the FIFOs, or at once
 * when another one runs.
 */
int keeper_run(const char *root, struct err **e);
/* The log keeper that runs; 0: none. */
pid_t keeper_find(const char *root);
