/* One log file of an instance: bytes in, stamped lines out, never more than twice its limit on the disk. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { KEEPER_LINE_MAX = 16384, KEEPER_DEFAULT_MAX = 10 << 20 };

struct keeper_log {
	char *path;          /* logs/APP/SERVICE.N.log */
	int fd;              /* -1: not open */
	uint64_t size;       /* of the file */
	uint64_t max;        /* bytes; beyond it the file becomes PATH.old */
	struct strb partial; /* the line that is not whole yet; at most KEEPER_LINE_MAX */
	bool has_dropped;    /* the disk was full: older or newer lines are missing */
	uint64_t lost;       /* bytes that could not be written at all */
};

/* Lines on their way to one file, with the time they are stamped with. One of it serves all logs: it is empty
 * whenever no call is under way. */
struct keeper_out {
	char *data; /* KEEPER_OUT_SIZE bytes */
	size_t n;
	char stamp[32];
	int64_t stamp_ms;
};
enum { KEEPER_OUT_SIZE = 131072 };

void keeper_log_init(struct keeper_log *l, char *path /* taken over */, uint64_t max);
/* Takes what an instance wrote at the time at_ms. Never fails and never blocks: on a full disk the oldest
 * goes. */
void keeper_log_feed(struct keeper_log *l, struct keeper_out *out, const char *data, size_t n, int64_t at_ms);
/* Writes what is left of an unfinished line, closes and releases. */
void keeper_log_done(struct keeper_log *l, struct keeper_out *out, int64_t at_ms);
