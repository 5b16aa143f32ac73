/* Git by the git program: bare repositories here, checkouts into release directories. No shell anywhere. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* Makes repos/APP if it is not there: bare, with a post-receive hook that runs `slipway git-hook APP`. 1:
 * made. */
int git_repo_make(const char *root, const char *app, struct err **e);
/*
 * Checks commit out into src (made, must not exist), submodules included; src has no .git. log: progress for
 * people, may be NULL. Failing submodules are failures.
 */
int git_checkout(const char *root, const char *app, const char *commit, const char *src,
		 void (*log)(void *ctx, const char *line), void *ctx, struct err **e);
/* Is there a repository of that name, whole? */
bool git_repo_exists(const char *root, const char *app);
/* Does it have any branch, tag or other ref of the pusher's? 1: yes, 0: no. */
int git_repo_has_refs(const char *root, const char *app, struct err **e);
/*
 * Removes the repository when nobody has brought anything to it and nobody else holds a lock on its directory
 * (flock(2)): what a first push leaves that failed or was killed, also before git could read it. held: the
 * caller's own descriptor of the directory, whose lock becomes exclusive; -1: none. 1: removed, 0: it stays.
 */
int git_repo_forget(const char *root, const char *app, int held, struct err **e);
/* Lets HEAD follow ref when it points to no commit yet, so that `git clone` checks out something. */
int git_set_head(const char *root, const char *app, const char *ref, struct err **e);
/* The commit a revision (branch, tag, hash) names; to be freed. ERR_NOT_FOUND. */
int git_resolve(const char *root, const char *app, const char *revision, char **ret, struct err **e);
/* First line of the commit's message; to be freed. commit: its full name. ERR_NOT_FOUND. */
int git_subject(const char *root, const char *app, const char *commit, char **ret, struct err **e);

/* A ref that a push changed, as a post-receive hook reads it. */
struct git_update {
	char *from, *to, *ref; /* full names; all zeros: none */
};
/* Which of the updates is to be deployed: deploy_branch if it is among them, else the last updated head; tags
 * and deletions never. Returns its index, or -1 for none. notes: lines for the pusher. */
int git_choose(const struct git_update *u, size_t n, const char *deploy_branch, struct strv *notes);
/* The last pushed commit to be deployed and its ref; both to be freed. ERR_NOT_FOUND: none. Runs no git. The
 * ref refs/slipway/pushed keeps the commit from being collected; clients neither see nor change it. */
int git_pushed(const char *root, const char *app, char **commit, char **ref, struct err **e);
int git_set_pushed(const char *root, const char *app, const char *commit, const char *ref, struct err **e);

/* Reads a post-receive hook's input: "OLD NEW REF" a line. *ret: *n updates, released with
 * git_updates_free(). */
int git_updates_parse(struct git_update **ret, size_t *n, const char *text, struct err **e);
void git_updates_free(struct git_update *u, size_t n);

/*
 * The two sides of the git protocol, on our standard descriptors, with a clean environment. env: "NAME=value"
 * for the hook. git_serve_push() returns git's exit status; git_serve_fetch() replaces this process.
 */
int git_serve_push(const char *root, const char *app, const struct strv *env, struct err **e);
int git_serve_fetch(const char *root, const char *app, struct err **e);
/* What the client may say of the protocol in GIT_PROTOCOL: short, and nothing but "version=2" and its like.
 */
bool git_protocol_is_legal(const char *value);
