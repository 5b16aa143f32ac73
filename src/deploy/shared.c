/* What apps wrote beside their code lives on in data/APP/shared, linked into every release. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/spot.h"
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

static int open_src(const struct deploy *d, long version)
{
	_cleanup_(freep) char *dir = root_release(d->root, d->row.app, version);
	_cleanup_(freep) char *src = path_join(dir, "src");

	return open(src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_data(const struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *path = root_path(d->root, "data/%s", d->row.app);
	int r = dir_make(path, 0711, e), fd = r < 0 ? r : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return r < 0 ? r : fd < 0 ? err_set(e, -errno, "opening %s: %m", path) : fd;
}

/* In data/APP: "shared/NAME". */
static int find_shared(struct spot *ret, int data, const char *name, struct err **e)
{
	_cleanup_(freep) char *path = path_join("shared", name);

	return spot_find(ret, data, path, true, e);
}

/* What lies there makes room; it is kept in data/APP/conflicts. */
static int keep_conflict(struct deploy *d, int data, const struct spot *at, const char *name, struct err **e)
{
	_cleanup_(spot_done) struct spot to = { .dir = -1 };
	_cleanup_(freep) char *stamp = time_text(now_s()), *path = xasprintf("conflicts/%s.%s", name, stamp);
	int r = spot_find(&to, data, path, true, e);

	if (r < 0)
		return r;
	say_warning("%s is there twice: the older one is kept as data/%s/%s", name, d->row.app, path);
	return spot_move(at, &to, e);
}

static bool looks_like_directory(const struct spot *s)
{
	return !strchr(s->name, '.');
}

/* src: its spot in a release; is_fresh: one that has not lived yet. */
static int link_spot(struct deploy *d, int data, const struct spot *at, bool is_fresh, const char *name,
		     struct err **e)
{
	_cleanup_(freep) char *target = root_path(d->root, "data/%s/shared/%s", d->row.app, name);
	_cleanup_(spot_done) struct spot shared = { .dir = -1 };
	struct stat st;
	int r = find_shared(&shared, data, name, e);

	if (r < 0)
		return r;
	bool is_there = spot_stat(at, &st), has_shared = spot_exists(&shared);

	if (is_there && !S_ISLNK(st.st_mode)) {
		/* The repository has it: its copy is the first content, later ones are in git anyway. In a
		 * release that has lived, the app itself put something there. */
		if (!has_shared)
			r = spot_move(at, &shared, e);
		else
			r = is_fresh ? spot_remove(at, e) : keep_conflict(d, data, at, name, e);
	} else if (!is_there && !has_shared && looks_like_directory(&shared)) {
		r = spot_make_dir(&shared, 0755, e);
	}
	return r < 0 ? r : spot_link(at, target, e);
}

/* Makes NAME in the code a link to data/APP/shared/NAME. */
static int link_one(struct deploy *d, int data, int src, bool is_fresh, const char *name, struct err **e)
{
	_cleanup_(spot_done) struct spot at = { .dir = -1 };
	int r = spot_find(&at, src, name, true, e);

	if (r >= 0)
		r = link_spot(d, data, &at, is_fresh, name, e);
	if (r >= 0)
		user_own_shared(d, data, name);
	return r < 0 ? err_wrap(e, r, "sharing '%s' between releases", name) : 0;
}

static bool is_below(const char *path, const struct strv *dirs)
{
	for (size_t i = 0; i < dirs->n; i++)
		if (str_starts(path, dirs->v[i]) && path[strlen(dirs->v[i])] == '/')
			return true;
	return false;
}

static int known_paths(struct deploy *d, struct strv *ret, struct err **e)
{
	int r = store_shared_list(&d->store, d->row.app, ret, e);

	for (size_t i = 0; r >= 0 && i < d->plan.shared_paths.n; i++)
		if (!strv_has(ret, d->plan.shared_paths.v[i]) && !is_below(d->plan.shared_paths.v[i], ret))
			STRV_ADD(ret, d->plan.shared_paths.v[i]);
	return r;
}

int shared_link_known(struct deploy *d, struct err **e)
{
	_cleanup_(strv_done) struct strv known = { 0 };
	_cleanup_(closep) int data = -1, src = -1;
	bool is_fresh = str_eq(d->row.kind, "deploy");
	int r = known_paths(d, &known, e);

	if (r < 0 || known.n == 0)
		return r;
	data = open_data(d, e);
	if (data < 0)
		return data;
	src = open_src(d, d->version);
	if (src < 0)
		return err_set(e, -errno, "opening %s: %m", d->src);
	for (size_t i = 0; r >= 0 && i < known.n; i++)
		r = link_one(d, data, src, is_fresh, known.v[i], e);
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
	_cleanup_(closep) int fd = open_src(d, (long) d->row.from_version);
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

/* On record before it is moved: shared_mend_old() puts right what is cut short. */
static int move_one(struct deploy *d, int data, int old_src, int src, const char *name, struct err **e)
{
	_cleanup_(spot_done) struct spot from = { .dir = -1 }, to = { .dir = -1 };
	int r = spot_find(&from, old_src, name, false, e);

	if (r >= 0)
		r = find_shared(&to, data, name, e);
	if (r >= 0)
		r = store_shared_add(&d->store, d->row.app, name, e);
	if (r >= 0 && spot_exists(&to))
		r = keep_conflict(d, data, &to, name, e);
	if (r >= 0)
		r = spot_move(&from, &to, e);
	if (r >= 0)
		r = link_one(d, data, old_src, false, name, e);
	if (r >= 0)
		r = link_one(d, data, src, str_eq(d->row.kind, "deploy"), name, e);
	return r;
}

int shared_move(struct deploy *d, const struct strv *paths, struct err **e)
{
	_cleanup_(closep) int data = open_data(d, e), old_src = -1, src = -1;
	int r = 0;

	if (data < 0)
		return data;
	old_src = open_src(d, (long) d->row.from_version);
	src = open_src(d, d->version);
	if (old_src < 0 || src < 0)
		return err_set(e, -errno, "opening the code of v%ld and v%ld: %m", (long) d->row.from_version,
			       d->version);
	for (size_t i = 0; r >= 0 && i < paths->n; i++) {
		say_detail("%s", paths->v[i]);
		r = move_one(d, data, old_src, src, paths->v[i], e);
	}
	return r;
}

int shared_mend_old(struct deploy *d, struct err **e)
{
	_cleanup_(strv_done) struct strv known = { 0 };
	_cleanup_(closep) int data = -1, src = open_src(d, (long) d->row.from_version);
	int r = src < 0 ? 0 : store_shared_list(&d->store, d->row.app, &known, e);

	if (r < 0 || known.n == 0)
		return r;
	data = open_data(d, e);
	for (size_t i = 0; data >= 0 && i < known.n; i++) {
		_cleanup_(spot_done) struct spot at = { .dir = -1 }, shared = { .dir = -1 };

		if (spot_find(&at, src, known.v[i], false, NULL) >= 0 && !spot_exists(&at) &&
		    find_shared(&shared, data, known.v[i], NULL) >= 0 && spot_exists(&shared))
			r = link_spot(d, data, &at, false, known.v[i], e);
		if (r < 0)
			return r;
	}
	return data < 0 ? data : 0;
}
