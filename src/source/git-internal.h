/* For the files of this folder only: running git and what it needs. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* Full path of a program on our PATH, to be freed; ERR_MISSING saying what to install. */
int source_program(char **ret, const char *name, const char *package, struct err **e);
/* An environment in which only what we say counts: no configuration but the repository's, nothing of a hook's
 * or a client's variables, no prompts; submodules by https, ssh and git only. */
void git_environment(struct strv *ret);

struct git_call {
	const char *const *args; /* behind "git"; up to a NULL */
	const char *git_dir;
	const char *work_tree; /* NULL: bare. It is the working directory too */
	unsigned timeout_ms;
	char **out; /* gets standard output and drops standard error; NULL: both are for log and errors */
	void (*log)(void *ctx, const char *line); /* may be NULL */
	void *ctx;
};

/* git's exit status, or < 0. With out NULL and a status above 0: ERR_FAILED with git's own last words. */
int git_call(const struct git_call *call, struct err **e);
#define GIT_ARGS(...)                                                                                        \
	(const char *const[])                                                                                \
	{                                                                                                    \
		__VA_ARGS__, NULL                                                                            \
	}

/* A full object name: 40 or 64 hexadecimal digits, not all zeros. */
bool git_is_commit(const char *s);
