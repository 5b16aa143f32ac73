/* fetch: checks the commit out into a new release directory. */
#include <errno.h>
#include <fcntl.h>

#include "base/crash-point.h"
#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "plan/root.h"
#include "source/git.h"
#include "store/release.h"

static void print_line(void *ctx UNUSED, const char *line)
{
	say_detail("%s", line);
}

/*
 * New settings are for the commit that was pushed last, unless that one has lived and another lives now: then
 * somebody went back on purpose, and settings alone do not undo that. *commit: NULL for the pushed one.
 */
static int commit_gone_back_to(struct deploy *d, const char *pushed, char **commit, struct err **e)
{
	struct release_row *rows = NULL;
	const char *live = NULL;
	bool has_lived = false;
	size_t n = 0;
	int r = store_release_list(&d->store, d->row.app, &rows, &n, e);

	for (size_t i = 0; i < n; i++) {
		if (str_eq(rows[i].state, "live"))
			live = rows[i].commit;
		else if (str_eq(rows[i].state, "old") && str_eq(rows[i].commit, pushed))
			has_lived = true;
	}
	if (has_lived && live && !str_eq(live, pushed))
		*commit = xstrdup(live);
	release_rows_free(rows, n);
	return r;
}

static int find_commit(struct deploy *d, char **commit, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_loads(d->row.args ? d->row.args : "{}", 0, NULL);
	_cleanup_(freep) char *ref = NULL, *pushed = NULL;
	int r;

	if (d->row.commit) { /* a full name: the hook and the command line have resolved it */
		*commit = xstrdup(d->row.commit);
		return 0;
	}
	r = git_pushed(d->root, d->row.app, &pushed, &ref, e);
	if (r < 0)
		return err_wrap(e, r, "nothing was pushed to '%s' yet", d->row.app);
	if (json_flag(args, "settings", false))
		r = commit_gone_back_to(d, pushed, commit, e);
	if (r >= 0 && !*commit)
		*commit = TAKE(pushed);
	return r;
}

static int make_release(struct deploy *d, const char *commit, struct err **e)
{
	_cleanup_(tx_end) struct tx tx = { 0 };
	int64_t version = 0;
	int r = tx_begin(&tx, &d->store, e);

	if (r >= 0)
		r = store_release_add(&d->store, d->row.app, commit, d->row.by, &version, e);
	if (r >= 0)
		r = store_deployment_set_version(&d->store, d->row.id, version, e);
	if (r >= 0)
		r = tx_commit(&tx, e);
	if (r < 0)
		return r;
	d->row.version = version;
	deploy_set_version(d, (long) version);
	return 0;
}

/* The code is traversable for nginx's workers, and people keep secrets in these. */
static void close_settings(int src)
{
	static const char *const names[] = { "ENV", ".env" };

	for (size_t i = 0; i < COUNT(names); i++) {
		_cleanup_(closep) int fd =
			open_beneath(src, names[i], O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, NULL);

		if (fd >= 0)
			(void) fchmod(fd, 0600);
	}
}

int step_fetch(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *commit = NULL, *subject = NULL;
	int r = find_commit(d, &commit, e);

	if (r >= 0)
		r = git_subject(d->root, d->row.app, commit, &subject, e);
	if (r >= 0)
		r = make_release(d, commit, e);
	if (r < 0)
		return r;
	str_set(&d->commit, commit);
	say_detail("v%ld from %.10s %s", d->version, commit, subject);
	r = tree_remove(d->dir, e);
	if (r >= 0)
		r = dir_make(d->dir, 0711, e);
	crash_point("fetch.middle");
	if (r >= 0)
		r = git_checkout(d->root, d->row.app, commit, d->src, print_line, NULL, e);
	if (r < 0)
		return r;
	d->src_fd = open(d->src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->src_fd < 0)
		return err_set(e, -errno, "opening %s: %m", d->src);
	close_settings(d->src_fd);
	return 0;
}

int undo_fetch(struct deploy *d, struct err **e)
{
	if (!d->version || d->version == d->row.from_version)
		return 0;
	int r = tree_remove(d->dir, e);

	crash_point("undo-fetch.middle");
	return r < 0 ? r : store_release_set_state(&d->store, d->row.app, d->version, "failed", e);
}
