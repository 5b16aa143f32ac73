/*
 * Where a release came from: releases/APP/vN/origin.json, written when the release is complete, so that one
 * without it is known to be half made. Read only when the store is lost (docs/recovery.md).
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct origin {
	char *app;
	long version;
	char *commit;  /* NULL: unknown */
	char *made_by; /* who asked for it; NULL: unknown */
	long deployment;
	long created_at_s;
};

/* Without waiting for the disk: `stage` syncs the release whole. */
int origin_write(const struct origin *o, const char *root, struct err **e);
/* ERR_REFUSED: it is none, or of another release. Released with origin_done(). */
int origin_read(struct origin *ret, const char *root, const char *app, long version, struct err **e);
void origin_done(struct origin *o);
