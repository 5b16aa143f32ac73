/*
 * Checking a commit out into a release. git works in a directory of its own beside src, which borrows the
 * app's objects and has no configuration but what is written here: nothing that a repository was configured
 * with (filters, hooks, another work tree) takes part, nothing of git is left in src, and two checkouts never
 * meet.
 */
#include "source/git.h"

#include <errno.h>
#include <fts.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/file.h"
#include "plan/root.h"
#include "source/git-internal.h"

#define CHECKOUT_MS (30 * 60 * 1000)

struct checkout {
	const char *repo, *commit, *src;
	char *git_dir;
	void (*log)(void *ctx, const char *line);
	void *ctx;
};

static int write_in(const char *dir, const char *name, const char *text, struct err **e)
{
	_cleanup_(freep) char *path = path_join(dir, name);
	_cleanup_(fclosep) FILE *f = fopen(path, "wxe");

	if (!f || fputs(text, f) < 0 || fflush(f) != 0)
		return err_set(e, -errno, "writing %s: %m", path);
	return 0;
}

/* A value as git's configuration files want it. */
static char *config_quote(const char *value)
{
	struct strb out = STRB(SIZE_MAX / 2);

	(void) strb_adds(&out, "\"");
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			(void) strb_adds(&out, "\\");
		(void) strb_add(&out, value, 1);
	}
	(void) strb_adds(&out, "\"");
	return strb_take(&out);
}

/* remote.origin.url: what relative URLs of submodules are relative to. */
static char *config_text(const struct checkout *c)
{
	_cleanup_(freep) char *url = config_quote(c->repo);
	bool is_sha256 = strlen(c->commit) == 64;

	return xasprintf(
		"[core]\n\trepositoryformatversion = %d\n\tbare = false\n%s[remote \"origin\"]\n\turl = %s\n",
		is_sha256, is_sha256 ? "[extensions]\n\tobjectformat = sha256\n" : "", url);
}

static int git_dir_make(const struct checkout *c, struct err **e)
{
	_cleanup_(freep) char *refs = path_join(c->git_dir, "refs"),
			      *info = path_join(c->git_dir, "objects/info");
	_cleanup_(freep) char *objects = xasprintf("%s/objects\n", c->repo),
			      *head = xasprintf("%s\n", c->commit);
	_cleanup_(freep) char *config = config_text(c);
	int r = tree_remove(c->git_dir, e); /* of a checkout that was killed */

	if (r >= 0)
		r = dir_make(refs, 0700, e);
	if (r >= 0)
		r = dir_make(info, 0700, e);
	if (r >= 0)
		r = write_in(info, "alternates", objects, e);
	if (r >= 0)
		r = write_in(c->git_dir, "config", config, e);
	return r < 0 ? r : write_in(c->git_dir, "HEAD", head, e);
}

static int git_in(const struct checkout *c, const char *const *args, bool is_told, struct err **e)
{
	struct git_call call = { .args = args,
				 .git_dir = c->git_dir,
				 .work_tree = c->src,
				 .timeout_ms = CHECKOUT_MS,
				 .log = is_told ? c->log : NULL,
				 .ctx = c->ctx };

	return git_call(&call, e);
}

/* A tree cannot hold a ".git" of its own, so each one is the link of a submodule to its directory. */
static int links_remove(const char *src, struct err **e)
{
	char *const paths[] = { (char *) src, NULL };
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *at;
	int r = 0;

	if (!walk)
		return err_set(e, -errno, "reading %s: %m", src);
	while (r == 0 && (at = fts_read(walk))) {
		if (at->fts_info == FTS_ERR || at->fts_info == FTS_DNR)
			r = err_set(e, -at->fts_errno, "reading %s: %s", at->fts_path,
				    strerror(at->fts_errno));
		else if (at->fts_info == FTS_F && str_eq(at->fts_name, ".git") && unlink(at->fts_accpath) < 0)
			r = err_set(e, -errno, "removing %s: %m", at->fts_path);
	}
	(void) fts_close(walk);
	return r;
}

static int submodules(const struct checkout *c, struct err **e)
{
	int r = git_in(c, GIT_ARGS("submodule", "update", "--init", "--recursive"), true, e);

	if (r < 0) {
		_cleanup_(freep) char *text = err_text(e ? *e : NULL);
		bool is_local = strstr(text, "'file' not allowed") != NULL;

		return err_wrap(
			e, r, "fetching submodules%s",
			is_local ? " (a URL in .gitmodules is local or relative: give it as https://, ssh:// "
				   "or git://)"
				 : "");
	}
	return links_remove(c->src, e);
}

static bool has_submodules(const char *src)
{
	_cleanup_(freep) char *path = path_join(src, ".gitmodules");
	struct stat st;

	return lstat(path, &st) == 0;
}

static int check_out(const struct checkout *c, struct err **e)
{
	int r = git_dir_make(c, e);

	if (r >= 0)
		r = git_in(c, GIT_ARGS("read-tree", "--reset", "-u", c->commit), false, e);
	if (r >= 0 && has_submodules(c->src))
		r = submodules(c, e);
	return r;
}

int git_checkout(const char *root, const char *app, const char *commit, const char *src,
		 void (*log)(void *ctx, const char *line), void *ctx, struct err **e)
{
	_cleanup_(freep) char *repo = root_repo(root, app), *git_dir = NULL;
	const char *slash = strrchr(src, '/');
	struct checkout c = { .repo = repo, .commit = commit, .src = src, .log = log, .ctx = ctx };

	if (!git_is_commit(commit))
		return err_set(e, ERR_REFUSED, "'%s' is not the full name of a commit", commit);
	if (mkdir(src, 0755) < 0)
		return err_set(e, -errno, "making %s: %m", src);
	c.git_dir = git_dir = xasprintf("%.*s/git", slash ? (int) (slash - src) : 1, slash ? src : ".");
	int r = check_out(&c, e);
	int removed = tree_remove(git_dir, r < 0 ? NULL : e);
	if (r >= 0)
		r = removed;
	if (r < 0)
		(void) tree_remove(src, NULL);
	return r < 0 ? err_wrap(e, r, "checking out %.12s", commit) : 0;
}
