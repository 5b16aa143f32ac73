/*
 * A command line that runs another one seeing only what it is meant to: a mount and pid namespace made by
 * bubblewrap (bwrap(1)). This only composes the arguments; nothing is run but the probe.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum sandbox_level {
	SANDBOX_OFF,   /* by the operator's wish */
	SANDBOX_NONE,  /* nothing works on this host */
	SANDBOX_BWRAP, /* namespaces by bubblewrap */
};

struct sandbox {
	enum sandbox_level level;
	struct strv read;  /* absolute paths shown read-only, besides the system */
	struct strv write; /* absolute paths shown writable */
	struct strv hide;  /* absolute directories shown empty (before read and write are mounted) */
	bool ends_with_us; /* the command is killed when the process that starts it ends; not in JSON */
	struct strv tools; /* the operator's: programs that lie in these may show where they are installed */
};

/* What works here; runs bwrap once per process. path: where to look for it. */
enum sandbox_level sandbox_probe(const char *path);
const char *sandbox_level_name(enum sandbox_level level); /* "off", "none", "bwrap" */
/* Appends the prefix to argv after which the command itself follows; nothing when the level has none.
 * Shows the prefix of an interpreter wherever its links lead when program (absolute, may be NULL) lies
 * outside of the system's directories. */
void sandbox_prefix(const struct sandbox *s, const char *cwd, const char *program, struct strv *argv);
void sandbox_copy(struct sandbox *to, const struct sandbox *from);
json_t *sandbox_to_json(const struct sandbox *s);
void sandbox_from_json(const json_t *j, struct sandbox *s);
void sandbox_done(struct sandbox *s);
