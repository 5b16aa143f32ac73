/* Git by the git program: bare repositories here, checkouts into release directories. No shell anywhere. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* Makes repos/APP if it is not there: bare, with a post-receive hook that runs `slipway git-hook APP`. 1: made. */
int git_repo_make(const char *root, const char *app, struct err **e);
/*
 * Checks commit out into src (made, must not exist), submodules included; src has no .git. log: progress for
 * people, may be NULL. Failing submodules are failures.
 */
int git_checkout(const char *root, const char *app, const char *commit, const char *src,
		 void (*log)(void *ctx, const char *line), void *ctx, struct err **e);
/* The commit a revision (branch, tag, hash) names; to be freed. ERR_NOT_FOUND. */
int git_resolve(const char *root, const char *app, const char *revision, char **ret, struct err **e);
/* First line of the commit's message; to be freed, "" when it cannot be had. */
char *git_subject(const char *root, const char *app, const char *commit);

/* A ref that a push changed, as a post-receive hook reads it. */
struct git_update {
	char *from, *to, *ref; /* full names; all zeros: none */
};
/* Which of the updates is to be deployed: deploy_branch if it is among them, else the last updated head; tags and
 * deletions never. Returns its index, or -1 for none. notes: lines for the pusher. */
int git_choose(const struct git_update *u, size_t n, const char *deploy_branch, struct strv *notes);
/* The last pushed commit (refs/slipway/pushed); to be freed. ERR_NOT_FOUND: none. */
int git_pushed(const char *root, const char *app, char **commit, char **ref, struct err **e);
int git_set_pushed(const char *root, const char *app, const char *commit, const char *ref, struct err **e);
