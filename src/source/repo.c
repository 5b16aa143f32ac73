/* The bare repositories of pushed apps: making them, their hook, what they hold, what was pushed last. */
#include "source/git.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/words.h"
#include "plan/root.h"
#include "source/git-internal.h"

#define QUICK_MS 60000 /* for what only looks at a repository */

/* `git init` that was cut short may have come as far as HEAD; what git needs besides is made after it. */
bool git_repo_exists(const char *root, const char *app)
{
	static const char *const parts[] = { "HEAD", "config", "refs", "objects" };
	_cleanup_(freep) char *repo = root_repo(root, app);
	bool is_whole = true;

	for (size_t i = 0; is_whole && i < COUNT(parts); i++) {
		_cleanup_(freep) char *path = path_join(repo, parts[i]);
		struct stat st;

		is_whole = stat(path, &st) == 0 && (S_ISDIR(st.st_mode) || st.st_size > 0);
	}
	return is_whole;
}

/* The program in the hook is the one beside this process: an upgrade elsewhere rewrites it at the next push.
 */
static char *hook_text(const char *root, const char *app)
{
	_cleanup_(freep) char *dir = exe_dir(), *program = path_join(dir, "slipway");
	_cleanup_(freep) char *r = word_quote(root), *p = word_quote(program), *a = word_quote(app);

	return xasprintf("#!/bin/sh\n# Written by slipway, and again whenever it differs.\n"
			 "SLIPWAY_ROOT=%s\nexport SLIPWAY_ROOT\nexec %s git-hook %s\n",
			 r, p, a);
}

static int hook_make(const char *root, const char *app, const char *repo, struct err **e)
{
	_cleanup_(freep) char *dir = path_join(repo, "hooks"), *path = path_join(dir, "post-receive");
	_cleanup_(freep) char *want = hook_text(root, app), *have = NULL;
	int r;

	if (file_read(path, 65536, &have, NULL, NULL) >= 0 && str_eq(have, want) && access(path, X_OK) == 0)
		return 0;
	r = dir_make(dir, 0755, e);
	return r < 0 ? r : file_replace(path, want, strlen(want), 0755, e);
}

static int repo_init(const char *repo, struct err **e)
{
	struct git_call call = {
		.args = GIT_ARGS("init", "--bare", "--quiet", "--template=", "--initial-branch=main"),
		.git_dir = repo,
		.timeout_ms = QUICK_MS,
	};
	int r = dir_make(repo, 0700, e);

	return r < 0 ? r : git_call(&call, e);
}

int git_repo_make(const char *root, const char *app, struct err **e)
{
	_cleanup_(freep) char *repo = root_repo(root, app);
	bool is_new = !git_repo_exists(root, app);
	int r = is_new ? repo_init(repo, e) : 0;

	if (r >= 0)
		r = hook_make(root, app, repo, e);
	return r < 0 ? err_wrap(e, r, "preparing the repository of '%s'", app) : is_new;
}

/* Runs git on the app's repository and gives what it printed, without the last newline. Its exit status. */
static int ask(const char *root, const char *app, const char *const *args, char **ret, struct err **e)
{
	_cleanup_(freep) char *repo = root_repo(root, app), *text = NULL;
	struct git_call call = { .args = args, .git_dir = repo, .timeout_ms = QUICK_MS, .out = &text };
	int r = git_call(&call, e);

	if (r < 0)
		return r;
	if (str_ends(text, "\n"))
		text[strlen(text) - 1] = '\0';
	*ret = TAKE(text);
	return r;
}

int git_repo_has_refs(const char *root, const char *app, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	int r = ask(root, app, GIT_ARGS("for-each-ref", "--count=1", "--format=x"), &text, e);

	return r < 0   ? r
	       : r > 0 ? err_set(e, ERR_FAILED, "git cannot read the repository of '%s'", app)
		       : *text != 0;
}

/* A regular file anywhere below: an object, a ref. */
static bool has_file(const char *path, int depth)
{
	_cleanup_(strv_done) struct strv names = { 0 };
	bool found = dir_list(path, &names, NULL) < 0 || depth > 8; /* what cannot be read is not nothing */

	for (size_t i = 0; !found && i < names.n; i++) {
		_cleanup_(freep) char *at = path_join(path, names.v[i]);

		found = is_dir(at) ? has_file(at, depth + 1) : true;
	}
	return found;
}

/* What git cannot read may still be somebody's work: it is empty only when there is no object and no ref. */
static int is_empty(const char *root, const char *app, const char *repo, struct err **e)
{
	static const char *const parts[] = { "objects", "refs" };
	_cleanup_(freep) char *packed = path_join(repo, "packed-refs");
	bool found = file_exists(packed);

	if (git_repo_exists(root, app)) {
		int r = git_repo_has_refs(root, app, e);

		return r < 0 ? r : r == 0;
	}
	for (size_t i = 0; !found && i < COUNT(parts); i++) {
		_cleanup_(freep) char *path = path_join(repo, parts[i]);

		found = has_file(path, 0);
	}
	return !found;
}

int git_repo_forget(const char *root, const char *app, int held, struct err **e)
{
	_cleanup_(freep) char *repo = root_repo(root, app);
	_cleanup_(closep) int own = held >= 0 ? -1 : open(repo, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (held < 0 && own < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "opening %s: %m", repo);
	r = is_empty(root, app, repo, e);
	if (r <= 0 || flock(held >= 0 ? held : own, LOCK_EX | LOCK_NB) < 0)
		return r < 0 ? r : 0;
	r = is_empty(root, app, repo, e); /* again: nobody else can bring anything now */
	if (r <= 0)
		return r;
	r = tree_remove(repo, e);
	return r < 0 ? r : 1;
}

int git_resolve(const char *root, const char *app, const char *revision, char **ret, struct err **e)
{
	_cleanup_(freep) char *text = NULL, *name = xasprintf("%s^{commit}", revision);
	int r = ask(root, app, GIT_ARGS("rev-parse", "--verify", "--quiet", "--end-of-options", name), &text,
		    e);

	if (r < 0)
		return r;
	if (r > 0 || !git_is_commit(text))
		return err_set(e, ERR_NOT_FOUND, "'%s' is no commit, branch or tag of '%s'", revision, app);
	*ret = TAKE(text);
	return 0;
}

int git_subject(const char *root, const char *app, const char *commit, char **ret, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	int r = 1;

	if (git_is_commit(commit))
		r = ask(root, app, GIT_ARGS("log", "-1", "--no-show-signature", "--format=%s", commit), &text,
			e);
	if (r < 0)
		return r;
	if (r > 0)
		return err_set(e, ERR_NOT_FOUND, "'%s' is no commit of '%s'", commit, app);
	*ret = TAKE(text);
	return 0;
}

int git_set_head(const char *root, const char *app, const char *ref, struct err **e)
{
	_cleanup_(freep) char *text = NULL, *repo = root_repo(root, app);
	struct git_call call = { .args = GIT_ARGS("symbolic-ref", "HEAD", ref),
				 .git_dir = repo,
				 .timeout_ms = QUICK_MS };
	int r = ask(root, app, GIT_ARGS("rev-parse", "--verify", "--quiet", "HEAD"), &text, e);

	return r <= 0 ? r : git_call(&call, e);
}

static char *pushed_path(const char *root, const char *app)
{
	_cleanup_(freep) char *repo = root_repo(root, app);

	return path_join(repo, "slipway-pushed");
}

int git_pushed(const char *root, const char *app, char **commit, char **ref, struct err **e)
{
	_cleanup_(freep) char *path = pushed_path(root, app), *text = NULL;
	_cleanup_(strv_done) struct strv words = { 0 };
	int r = file_read(path, 65536, &text, NULL, e);

	if (r == -ENOENT)
		return err_set(e, ERR_NOT_FOUND, "nothing was pushed to '%s' yet", app);
	if (r < 0)
		return r;
	strv_split(&words, text, " \n");
	if (words.n != 2 || !git_is_commit(words.v[0]))
		return err_set(e, ERR_REFUSED, "%s is damaged: push again", path);
	if (commit)
		*commit = xstrdup(words.v[0]);
	if (ref)
		*ref = xstrdup(words.v[1]);
	return 0;
}

int git_set_pushed(const char *root, const char *app, const char *commit, const char *ref, struct err **e)
{
	_cleanup_(freep) char *path = pushed_path(root, app), *text = xasprintf("%s %s\n", commit, ref);
	_cleanup_(freep) char *repo = root_repo(root, app);
	struct git_call call = { .args = GIT_ARGS("update-ref", "refs/slipway/pushed", commit),
				 .git_dir = repo,
				 .timeout_ms = QUICK_MS };
	int r = git_call(&call, e); /* first: whoever reads the file finds the commit */

	return r < 0 ? r : file_replace(path, text, strlen(text), 0600, e);
}
