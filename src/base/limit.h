/*
 * What a process and all that it starts may use at most, and by which means the kernel is made to see to it:
 * a cgroup (base/cgroup.h), else the limits of a process (setrlimit(2)), which know less.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum limit { LIMIT_MEMORY, LIMIT_CPU, LIMIT_PIDS, LIMIT_NOFILE, LIMIT_COUNT };

struct limits {
	/* bytes; thousandths of a processor; processes and threads; descriptors of a process. 0: no limit */
	uint64_t max[LIMIT_COUNT];
};

/* What there is to enforce limits with. */
struct limit_means {
	bool cgroup[LIMIT_COUNT]; /* a controller for it, in a cgroup that may be written */
	bool has_own_user;        /* else RLIMIT_NPROC would count the processes of all apps */
};
enum limit_by { LIMIT_BY_NOTHING, LIMIT_BY_CGROUP, LIMIT_BY_RLIMIT };

const char *limit_setting(enum limit kind); /* "LIMIT_MEMORY" */
const char *limit_name(enum limit kind);    /* "memory" */
enum limit_by limit_by(enum limit kind, const struct limit_means *m);
const char *limit_by_name(enum limit_by by); /* "nothing", "cgroup", "rlimit" */
/* "256M", "0.5", "50%", "none" (0) -> value. false: it is none; then *expected says what was expected. */
bool limit_parse(enum limit kind, const char *text, uint64_t *ret, const char **expected);
/* The value as limit_parse() reads it; to be freed. */
char *limit_text(enum limit kind, uint64_t value);
bool limits_any(const struct limits *l);
/* The lower of each. */
void limits_lower(struct limits *l, const struct limits *by);

/* Appends what sets those of them that are limits of a process, in front of a command; nothing if there are
 * none. */
void limits_prefix(const struct limits *l, const struct limit_means *m, struct strv *argv);

json_t *limits_to_json(const struct limits *l);
/* Strict: false when j is not what limits_to_json() writes. */
bool limits_from_json(const json_t *j, struct limits *l);
