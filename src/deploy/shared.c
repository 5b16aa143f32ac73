/* What apps wrote beside their code lives on in data/APP/shared, linked into every release. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "deploy/snapshot.h"
#include "plan/root.h"

static char *snapshot_path(const struct deploy *d, long version)
{
	_cleanup_(freep) char *dir = root_release(d->root, d->row.app, version);

	return path_join(dir, "files");
}

int shared_snapshot(struct deploy *d, bool is_after_build, struct err **e)
{
	_cleanup_(snapshot_done) struct snapshot before = { 0 }, now = { 0 };
	_cleanup_(freep) char *path = snapshot_path(d, d->version);
	int r = is_after_build ? snapshot_read(&before, path, e) : 0;

	if (r >= 0)
		r = snapshot_take(&now, d->src_fd, is_after_build ? &before : NULL, e);
	return r < 0 ? r : snapshot_write(&now, path, e);
}

static int parents_of(const char *path, struct err **e)
{
	const char *slash = strrchr(path, '/');
	_cleanup_(freep) char *dir = slash ? xstrndup(path, (size_t) (slash - path)) : xstrdup(".");

	return dir_make(dir, 0755, e);
}

static int move_path(const char *from, const char *to, struct err **e)
{
	int r = parents_of(to, e);

	if (r < 0)
		return r;
	if (rename(from, to) == 0)
		return 0;
	if (errno != EXDEV)
		return err_set(e, -errno, "moving %s to %s: %m", from, to);
	/* data/ is on another file system */
	_cleanup_(freep) char *cp = find_program("cp", "/usr/bin:/bin");
	char *argv[] = { cp, (char *) "-a", (char *) "--", (char *) from, (char *) to, NULL };
	r = cp ? proc_run(argv, NULL, NULL, 0, NULL, e) : err_set(e, ERR_MISSING, "cp is not installed");
	if (r > 0)
		r = err_set(e, ERR_FAILED, "copying %s to %s: cp exited with status %d", from, to, r);
	return r < 0 ? r : tree_remove(from, e);
}

/* What lies at path makes room; it is kept in data/APP/conflicts. */
static int keep_conflict(struct deploy *d, const char *path, const char *name, struct err **e)
{
	_cleanup_(freep) char *stamp = time_text(now_s());
	_cleanup_(freep) char *to = root_path(d->root, "data/%s/conflicts/%s.%s", d->row.app, name, stamp);

	say_warning("%s is there twice: the older one is kept as %s", name, to);
	return move_path(path, to, e);
}

static bool looks_like_directory(const char *name)
{
	const char *slash = strrchr(name, '/');

	return !strchr(slash ? slash + 1 : name, '.');
}

/* Makes src/NAME a link to data/APP/shared/NAME. */
static int link_one(struct deploy *d, const char *src, const char *name, struct err **e)
{
	_cleanup_(freep) char *at = path_join(src, name);
	_cleanup_(freep) char *shared = root_path(d->root, "data/%s/shared/%s", d->row.app, name);
	struct stat st;
	int r = parents_of(at, e);

	if (r >= 0)
		r = parents_of(shared, e);
	if (r < 0)
		return r;
	if (lstat(at, &st) == 0 && S_ISLNK(st.st_mode))
		return link_replace(shared, at, e);
	if (lstat(at, &st) == 0) {
		/* The repository has it: its copy is the first content, later ones are in git anyway. In a
		 * release that has lived, the app itself put something there. */
		bool is_fresh = str_eq(d->row.kind, "deploy") && str_eq(src, d->src);

		if (!file_exists(shared))
			r = move_path(at, shared, e);
		else
			r = is_fresh ? tree_remove(at, e) : keep_conflict(d, at, name, e);
		if (r < 0)
			return r;
	} else if (!file_exists(shared) && looks_like_directory(name)) {
		r = dir_make(shared, 0755, e);
		if (r < 0)
			return r;
	}
	return link_replace(shared, at, e);
}

static int known_paths(struct deploy *d, struct strv *ret, struct err **e)
{
	int r = store_shared_list(&d->store, d->row.app, ret, e);

	for (size_t i = 0; r >= 0 && i < d->plan.shared_paths.n; i++)
		if (!strv_has(ret, d->plan.shared_paths.v[i]))
			STRV_ADD(ret, d->plan.shared_paths.v[i]);
	return r;
}

int shared_link_known(struct deploy *d, struct err **e)
{
	_cleanup_(strv_done) struct strv known = { 0 };
	int r = known_paths(d, &known, e);

	for (size_t i = 0; r >= 0 && i < known.n; i++)
		r = link_one(d, d->src, known.v[i], e);
	return r;
}

/* A file in a directory that the repository keeps only as a place for files: the directory is what is shared.
 */
static void widen(const struct snapshot *s, struct strv *paths)
{
	struct strv out = { 0 };

	for (size_t i = 0; i < paths->n; i++) {
		const char *slash = strrchr(paths->v[i], '/');
		_cleanup_(freep) char *dir =
			slash ? xstrndup(paths->v[i], (size_t) (slash - paths->v[i])) : NULL;
		const char *path = dir && snapshot_is_placeholder_dir(s, dir) ? dir : paths->v[i];

		if (!strv_has(&out, path))
			STRV_ADD(&out, path);
	}
	strv_done(paths);
	*paths = out;
}

int shared_find(struct deploy *d, struct strv *paths, struct err **e)
{
	_cleanup_(freep) char *path = snapshot_path(d, (long) d->row.from_version);
	_cleanup_(freep) char *dir = root_release(d->root, d->row.app, (long) d->row.from_version);
	_cleanup_(freep) char *src = path_join(dir, "src");
	_cleanup_(closep) int fd = open(src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(snapshot_done) struct snapshot s = { 0 };
	_cleanup_(strv_done) struct strv known = { 0 };
	int r;

	if (fd < 0 || !file_exists(path))
		return 0;
	r = snapshot_read(&s, path, e);
	if (r >= 0)
		r = known_paths(d, &known, e);
	if (r >= 0)
		r = snapshot_changes(&s, fd, &known, paths, e);
	if (r < 0)
		return r;
	widen(&s, paths);
	return (int) paths->n;
}

int shared_move(struct deploy *d, const struct strv *paths, struct err **e)
{
	_cleanup_(freep) char *dir = root_release(d->root, d->row.app, (long) d->row.from_version);
	_cleanup_(freep) char *old_src = path_join(dir, "src");
	int r = 0;

	for (size_t i = 0; r >= 0 && i < paths->n; i++) {
		const char *name = paths->v[i];
		_cleanup_(freep) char *from = path_join(old_src, name);
		_cleanup_(freep) char *to = root_path(d->root, "data/%s/shared/%s", d->row.app, name);

		say_detail("%s", name);
		if (file_exists(to))
			r = keep_conflict(d, to, name, e);
		if (r >= 0)
			r = move_path(from, to, e);
		if (r >= 0)
			r = store_shared_add(&d->store, d->row.app, name, e);
		if (r >= 0)
			r = link_one(d, old_src, name, e);
		if (r >= 0)
			r = link_one(d, d->src, name, e);
	}
	return r;
}
