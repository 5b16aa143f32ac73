/*
 * What an SSH key may do: a list of grants as it stands in the key's line of authorized_keys,
 * "admin" or "deploy:shop-*,read:blog". A grant is a role on the apps whose names match a glob.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* What a command takes, the most first; each contains those below it. A command that says nothing is for
 * administrators. */
enum role {
	ROLE_ADMIN,  /* all of an app, its destruction too; on "*" the host itself */
	ROLE_DEPLOY, /* push, settings, run, restart: whatever changes an app */
	ROLE_READ,   /* fetch, status, logs */
	ROLE_NONE,   /* whoever has a key */
};

struct grants {
	struct grant {
		enum role role;
		char *glob;
	} * v;
	size_t n;
};

/*
 * Reads ROLE[:APP] separated by commas; APP may contain '*' and '?' and is "*" when it is left out.
 * ERR_REFUSED names the one that is wrong; *ret is empty then, which allows nothing. To be released.
 */
int grants_parse(struct grants *ret, const char *text, struct err **e);
/* As grants_parse() reads it; to be freed. */
char *grants_text(const struct grants *g);
/*
 * Do they allow what takes the role, on this app; with NULL on the host itself (ROLE_ADMIN: only an
 * administrator of all apps)? g NULL: whoever is on the machine, who may do everything.
 */
bool grants_allow(const struct grants *g, enum role role, const char *app);
void grants_done(struct grants *g);
