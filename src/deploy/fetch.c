/* fetch: checks the commit out into a new release directory. */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "plan/root.h"
#include "source/git.h"
#include "store/release.h"

static void print_line(void *ctx UNUSED, const char *line)
{
	say_detail("%s", line);
}

static int find_commit(struct deploy *d, char **commit, struct err **e)
{
	_cleanup_(freep) char *ref = NULL;

	if (d->row.commit)
		return git_resolve(d->root, d->row.app, d->row.commit, commit, e);
	int r = git_pushed(d->root, d->row.app, commit, &ref, e);

	return r < 0 ? err_wrap(e, r, "nothing was pushed to '%s' yet", d->row.app) : 0;
}

int step_fetch(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *commit = NULL, *subject = NULL;
	int64_t version;
	int r = find_commit(d, &commit, e);

	if (r >= 0)
		r = store_release_add(&d->store, d->row.app, commit, d->row.by, &version, e);
	if (r >= 0)
		r = store_deployment_set_version(&d->store, d->row.id, version, e);
	if (r < 0)
		return r;
	d->row.version = version;
	deploy_set_version(d, (long) version);
	subject = git_subject(d->root, d->row.app, commit);
	say_detail("v%ld from %.10s %s", d->version, commit, subject);
	r = tree_remove(d->dir, e);
	if (r >= 0)
		r = dir_make(d->dir, 0711, e);
	if (r >= 0)
		r = git_checkout(d->root, d->row.app, commit, d->src, print_line, NULL, e);
	if (r < 0)
		return r;
	d->src_fd = open(d->src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->src_fd < 0 ? err_set(e, -errno, "opening %s: %m", d->src) : 0;
}

int undo_fetch(struct deploy *d, struct err **e)
{
	if (!d->version || d->version == d->row.from_version)
		return 0;
	int r = tree_remove(d->dir, e);

	return r < 0 ? r : store_release_set_state(&d->store, d->row.app, d->version, "failed", e);
}
