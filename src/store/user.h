/* Unix users of apps: one for each for good, even after it was destroyed, as long as files of it are left. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct user_row {
	int64_t uid;    /* assigned; 0: none */
	int64_t active; /* that its files belong to and its commands run as; 0: that of slipwayd */
	int64_t before; /* active before the deployment that is changing it; -1: none is */
};

/* An app without a row: { 0, 0, -1 }. */
int store_user_get(struct store *st, const char *app, struct user_row *ret, struct err **e);
/*
 * The uid of the app; assigns the lowest in [first, last] that no app has and is_free() agrees to when it has
 * none. Forgets apps that are not there any more before, unless has_files() says that something belongs to
 * their user. ERR_REFUSED: none is left.
 */
struct user_choice {
	unsigned first, last;
	bool (*is_free)(unsigned uid);
	bool (*has_files)(const char *app, void *ctx);
	void *ctx;
};
int store_user_assign(struct store *st, const char *app, const struct user_choice *c, int64_t *ret,
		      struct err **e);
/* recover: a user that the app's files say it has; active 0: of an app that there is not any more. */
int store_user_restore(struct store *st, const char *app, int64_t uid, int64_t active, struct err **e);
int store_user_set(struct store *st, const char *app, int64_t active, int64_t before, struct err **e);
