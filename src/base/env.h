/*
 * Environments: ordered NAME=value lists with origins, and the settings-file dialect of Piku (ENV).
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/problem.h"
#include "base/str.h"

struct env_var {
	char *name, *value;
	char *origin; /* where the value came from, for people: "base", "ENV:3", "config", "slipway" ... */
};

struct env {
	struct env_var *v;
	size_t n;
};

/* Sets or replaces in place (the position of the first stays). All three are copied. */
void env_set(struct env *env, const char *name, const char *value, const char *origin);
void env_setf(struct env *env, const char *name, const char *origin, const char *fmt, ...) PRINTF(4, 5);
const char *env_get(const struct env *env, const char *name); /* NULL: unset */
const char *env_origin(const struct env *env, const char *name);
void env_unset(struct env *env, const char *name);
void env_copy(struct env *to, const struct env *from); /* sets all of from in to */
/* "NAME=value" strings for execve(). */
void env_strings(const struct env *env, struct strv *ret);
void env_done(struct env *env);

/* Linux starts no program with a longer "NAME=value", nor, by default, with more of them in all. */
enum { ENV_VALUE_MAX_BYTES = 128 << 10, ENV_TOTAL_MAX_BYTES = 2 << 20 };

/*
 * $NAME and ${NAME} replaced by what env says; unknown names stay as they are, one pass, no escape
 * (Piku spec section 5). To be freed. NULL when that would be more than ENV_TOTAL_MAX_BYTES.
 */
char *env_expand(const struct env *env, const char *text);

/*
 * Reads settings in Piku's dialect (spec 7.1) on top of env: '#' in column 1, first '=', both halves trimmed,
 * quotes kept, value expanded with all that env has by then. A bad line is a problem and is skipped; so is
 * one whose expanded value is too large for an environment.
 * file: for messages and origins ("FILE:LINE"), or with origin not NULL, that text as the origin.
 * expand: false keeps the text as written.
 */
void env_parse(struct env *env, const char *text, size_t n, const char *file, const char *origin, bool expand,
	       struct problems *problems);
/* Is name one that a setting may have? False for empty, blanks, control characters, '=', leading '#'. */
bool env_name_is_legal(const char *name);
/* Is it also one that a shell can use ([A-Za-z_][A-Za-z0-9_]*)? */
bool env_name_is_identifier(const char *name);

/*
 * One edit of a settings file's text: replaces the last line that sets name, or appends one; with value NULL
 * removes all of them. Comments, order, unparsable lines and all other text stay (spec 7.3). To be freed.
 */
char *env_edit(const char *text, const char *name, const char *value);
