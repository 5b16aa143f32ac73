/*
 * The far sides of `git push` and `git fetch`. What the host's or the repository's configuration says of them
 * does not count: the settings are given on the command line, so that adopted repositories behave like our
 * own.
 */
#include "source/git.h"

#include <errno.h>

#include "base/proc.h"
#include "plan/root.h"
#include "source/git-internal.h"

/* Objects are checked (hostile .gitmodules, paths that leave the tree), except for the harmless sins of old
 * tools. */
static const char *const settings[] = {
	"transfer.hideRefs=refs/slipway",
	"receive.fsckObjects=true",
	"receive.fsck.badTimezone=ignore",
	"receive.fsck.missingEmail=ignore",
	"receive.fsck.missingNameBeforeEmail=ignore",
	"receive.fsck.missingSpaceBeforeDate=ignore",
	"receive.fsck.missingSpaceBeforeEmail=ignore",
	"receive.fsck.multipleAuthors=ignore",
	"receive.fsck.zeroPaddedFilemode=ignore",
	"receive.denyDeleteCurrent=warn",
};

static int command(struct strv *argv, const char *const *args, struct err **e)
{
	_cleanup_(freep) char *git = NULL;
	int r = source_program(&git, "git", "git", e);

	if (r < 0)
		return r;
	STRV_ADD(argv, git);
	for (size_t i = 0; i < COUNT(settings); i++)
		STRV_ADD(argv, "-c", settings[i]);
	strv_add(argv, args);
	return 0;
}

bool git_protocol_is_legal(const char *value)
{
	size_t n = value ? strlen(value) : 0;

	return n > 0 && n <= 64 && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789=:.-") == n;
}

static void environment(struct strv *ret)
{
	const char *protocol = getenv("GIT_PROTOCOL");

	git_environment(ret);
	if (git_protocol_is_legal(protocol))
		strv_addf(ret, "GIT_PROTOCOL=%s", protocol);
}

int git_serve_push(const char *root, const char *app, const struct strv *env, struct err **e)
{
	_cleanup_(strv_done) struct strv argv = { 0 }, envp = { 0 };
	_cleanup_(freep) char *repo = root_repo(root, app);
	int r = command(&argv, GIT_ARGS("receive-pack", repo), e);

	if (r < 0)
		return r;
	environment(&envp);
	if (env->n > 0)
		strv_add(&envp, (const char *const *) env->v);

	_cleanup_(proc_done) struct proc p = PROC(argv.v);
	p.envp = envp.v;
	p.in = 0;
	p.out = 1;
	p.err = 2;
	p.is_foreground = true;
	r = proc_start(&p, e);
	if (r >= 0)
		r = proc_wait(&p, e);
	return r < 0 ? r : p.status;
}

int git_serve_fetch(const char *root, const char *app, struct err **e)
{
	_cleanup_(strv_done) struct strv argv = { 0 }, envp = { 0 };
	_cleanup_(freep) char *repo = root_repo(root, app);
	int r = command(&argv, GIT_ARGS("upload-pack", "--strict", repo), e);

	if (r < 0)
		return r;
	environment(&envp);
	execve(argv.v[0], argv.v, envp.v);
	return err_set(e, -errno, "starting %s: %m", argv.v[0]);
}
