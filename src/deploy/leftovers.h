/* What slipway made and nothing needs any more. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "store/app.h"

struct leftover {
	char *path;
	char *why;       /* "a release beyond those kept" */
	int64_t version; /* the row of this release goes with it; 0: none */
};

struct leftovers {
	struct leftover *v;
	size_t n;
};

/*
 * Adds what of an app goes: releases beyond the plan's number, failed ones and such that the store does not
 * know, dependencies that no release uses, old deployment logs. 1: a deployment runs, nothing is known then.
 */
int leftovers_find(struct leftovers *ret, struct store *st, const char *root, const struct app_row *app,
		   struct err **e);
/* Adds releases and dependencies of apps that the store does not know. */
int leftovers_find_lost(struct leftovers *ret, struct store *st, const char *root, struct err **e);
/* app: NULL for what has none. -EBUSY: a deployment of it runs. */
int leftover_remove(const struct leftover *l, struct store *st, const char *app, struct err **e);
void leftovers_done(struct leftovers *all);
