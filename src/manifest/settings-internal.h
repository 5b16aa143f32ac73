/* Reading settings with what is wrong about them named by setting and origin. For the files of this folder
 * only. */
#pragma once

#include <stdbool.h>

#include "base/env.h"
#include "base/problem.h"
#include "manifest/manifest.h"

struct settings {
	const struct env *env;
	struct problems *problems;
};

/* The value, or NULL when it is unset or empty. Borrowed. */
const char *setting_text(const struct settings *s, const char *name);
/* def when it is unset or empty, and when it is no number from min to max, which is an error. */
long setting_number(const struct settings *s, const char *name, long min, long max, long def);
/* def when unset; by Piku's rule all that does not say yes is no, with a warning for what does not say no
 * either. */
bool setting_flag(const struct settings *s, const char *name, bool def);
/* Adds "NAME MESSAGE" at the place where the setting came from. */
void setting_problem(const struct settings *s, enum severity severity, const char *name, const char *fmt, ...)
	PRINTF(4, 5);
/* Was it set by the code (its ENV), not by the operator or slipway? */
bool setting_is_of_code(const struct settings *s, const char *name);

/*
 * A path below the app's directory as people write it: without slashes around, without "." parts; to be
 * freed. NULL when it is none: absolute, leading upwards, empty, or with characters that a configuration file
 * could misread.
 */
char *path_below(const char *text);
/* An absolute path without "." and empty parts and without '/' at its end; to be freed. NULL when it leads
 * upwards. */
char *path_clean(const char *text);
/* One or more "/url:path" items of a static worker or of NGINX_STATIC_PATHS, added to the route. *bad: the
 * item that is wrong (to be freed) with the reason returned; NULL: all are right. is_worker: paths are all
 * relative. */
const char *statics_add(struct plan_route *route, const char *text, bool is_worker, char **bad);

/* LIMIT_MEMORY, LIMIT_CPU, LIMIT_PIDS, LIMIT_NOFILE, once the plan has its services. */
void limits_compile(struct plan *p, const struct manifest_input *in, const struct settings *s);

/* NGINX_CACHE_*. */
void cache_compile(struct plan_cache *cache, const struct settings *s);

/* All that the router needs: host names, NGINX_*, listen addresses. dir: the code. has_http: is anything
 * served? */
void route_compile(struct plan *p, const struct manifest_input *in, const struct settings *s);
