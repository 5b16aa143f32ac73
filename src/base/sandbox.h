/*
 * A command line that runs another one seeing only what it is meant to, in two layers: a mount and pid
 * namespace made by bubblewrap (bwrap(1)), and beneath it Landlock, by which the command restricts itself
 * (enter.h). This only composes the arguments; nothing is run but the probe.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum sandbox_level {                       /* what an app is to have; or, with NONE, what is in force */
		     SANDBOX_OFF = 0,      /* by the operator's wish */
		     SANDBOX_LANDLOCK = 1, /* alone */
		     SANDBOX_BWRAP = 2,    /* alone: namespaces by bubblewrap */
		     SANDBOX_BOTH = SANDBOX_LANDLOCK | SANDBOX_BWRAP,
		     SANDBOX_NONE, /* nothing works on this host */
};

struct sandbox {
	enum sandbox_level level;
	unsigned landlock_abi; /* no newer version of Landlock is used; 0: what the kernel has */
	struct strv read;      /* absolute paths shown read-only, besides the system */
	struct strv write;     /* absolute paths shown writable */
	struct strv hide;      /* absolute directories shown empty (before read and write are mounted) */
	uid_t uid;             /* whom the command runs as; 0: us; not in JSON */
	bool ends_with_us;     /* the command is killed when the process that starts it ends; not in JSON */
	struct strv tools; /* the operator's: programs that lie in these may show where they are installed */
	char *tmp;         /* for temporary files where there is no private /tmp; within write */
};

/* "off", "landlock", "bwrap", "both", "none" */
const char *sandbox_level_name(enum sandbox_level level);
/* One that can be asked for, so not "none". false: no such level. */
bool sandbox_level_read(enum sandbox_level *ret, const char *name);
/*
 * Of the level asked for, what works here; where nothing of it does, another layer that works; runs bwrap
 * once per process. path: where to look for it, may be NULL.
 */
enum sandbox_level sandbox_in_force(const struct sandbox *s, const char *path);
/* The version of Landlock that is in force for it where its level has Landlock; 0: none. */
unsigned sandbox_abi(const struct sandbox *s);
/* Finds out anew whether bwrap works, and tells it to all processes started from now on. */
void sandbox_tell_children(const char *path);
/*
 * Appends the prefix to argv after which the command itself follows; nothing when the level, which must be
 * in force, has none. Shows the prefix of an interpreter wherever its links lead when program (absolute, may
 * be NULL) lies outside of the system's directories. held: variables (NAME=VALUE) that only the command gets;
 * may be NULL.
 */
void sandbox_prefix(const struct sandbox *s, const char *cwd, const char *program, const struct strv *held,
		    struct strv *argv);
void sandbox_copy(struct sandbox *to, const struct sandbox *from);
json_t *sandbox_to_json(const struct sandbox *s);
void sandbox_from_json(const json_t *j, struct sandbox *s);
void sandbox_done(struct sandbox *s);
