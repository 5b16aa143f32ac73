/* Roles on apps, as the line of a key gives them. */
#include "source/grants.h"

#include <fnmatch.h>
#include <stdint.h>

#include "base/str.h"

#define GLOB_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789._-*?"
#define GLOB_BYTES      63 /* the longest name of an app */

static const char *const names[] = { [ROLE_ADMIN] = "admin", [ROLE_DEPLOY] = "deploy", [ROLE_READ] = "read" };

static int parse_one(struct grants *ret, const char *text, struct err **e)
{
	const char *colon = strchr(text, ':'), *glob = colon ? colon + 1 : "*";
	struct span role = { text, colon ? (size_t) (colon - text) : strlen(text) };

	for (size_t i = 0; i < COUNT(names); i++) {
		if (!span_eq(role, names[i]))
			continue;
		if (!*glob || strlen(glob) > GLOB_BYTES || glob[strspn(glob, GLOB_CHARACTERS)])
			return err_set(e, ERR_REFUSED,
				       "'%s': behind the colon stands an app's name, '*' and '?' allowed",
				       text);
		*GROW(&ret->v, &ret->n) = (struct grant){ (enum role) i, xstrdup(glob) };
		return 0;
	}
	return err_set(e, ERR_REFUSED,
		       "'%s' is no grant: admin, deploy or read, or with the apps it is for "
		       "deploy:APP, read:APP-* ...",
		       text);
}

int grants_parse(struct grants *ret, const char *text, struct err **e)
{
	_cleanup_(strv_done) struct strv words = { 0 };
	int r = 0;

	strv_split(&words, text, ",");
	if (words.n == 0)
		return err_set(e, ERR_REFUSED, "no grant was given: admin, deploy:APP or read:APP");
	for (size_t i = 0; r == 0 && i < words.n; i++)
		r = parse_one(ret, words.v[i], e);
	if (r < 0)
		grants_done(ret);
	return r;
}

char *grants_text(const struct grants *g)
{
	struct strb out = STRB(SIZE_MAX / 2);

	for (size_t i = 0; i < g->n; i++) {
		const struct grant *grant = &g->v[i];
		bool is_all = str_eq(grant->glob, "*");

		(void) strb_addf(&out, "%s%s%s%s", i ? "," : "", names[grant->role], is_all ? "" : ":",
				 is_all ? "" : grant->glob);
	}
	return strb_take(&out);
}

bool grants_allow(const struct grants *g, enum role role, const char *app)
{
	if (!g || role == ROLE_NONE)
		return true;
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].role <= role &&
		    (app ? fnmatch(g->v[i].glob, app, 0) == 0 : str_eq(g->v[i].glob, "*")))
			return true;
	return false;
}

void grants_done(struct grants *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->v[i].glob);
	free(g->v);
	*g = (struct grants){ 0 };
}
