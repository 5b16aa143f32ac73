/* The Unix user of an app ([instances] users): who its files belong to and its commands run as. It changes
 * only in a deployment, which stops the app while its files change hands, and gives them back when it fails.
 */
#include "store/user.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash-point.h"
#include "base/file.h"
#include "base/own.h"
#include "deploy/deploy-internal.h"
#include "plan/root.h"

/* ---- directories ---- */

struct door {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* The way into what an app has: for its user and the web server, and, when it has no user, for others by
 * name. */
static struct door door_of(const struct deploy *d)
{
	gid_t web = router_group(&d->host);

	if (!d->user.active)
		return (struct door){ 0, 0, 0711 };
	return (struct door){ (uid_t) d->user.active, web ? web : (gid_t) d->user.active, web ? 0710 : 0711 };
}

static int set_door(const char *path, const struct door *door, struct err **e)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "opening %s: %m", path);
	if (fstat(fd, &st) == 0 && st.st_uid == door->uid && st.st_gid == door->gid &&
	    (st.st_mode & 07777) == door->mode)
		return 0;
	return fchown(fd, door->uid, door->gid) < 0 || fchmod(fd, door->mode) < 0
		       ? err_set(e, -errno, "giving %s to user %u: %m", path, (unsigned) door->uid)
		       : 0;
}

/* On the way to deps/HASH; what is secret there is closed by itself. */
static int open_way(const struct deploy *d, struct err **e)
{
	const struct door open = { 0, 0, 0711 };
	static const char *const forms[] = { "envs", "envs/%s", "envs/%s/deps" };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < COUNT(forms); i++) {
		_cleanup_(freep) char *path =
			i == 0 ? root_path(d->root, "envs")
			       : root_path(d->root, "envs/%s%s", d->row.app, i == 2 ? "/deps" : "");

		r = set_door(path, &open, e);
	}
	return r;
}

static int own(const struct deploy *d, const char *path, size_t *left, struct err **e)
{
	return tree_own(AT_FDCWD, path, (uid_t) d->user.active, (gid_t) d->user.active, left, e);
}

static int own_src(const struct deploy *d, const char *src, size_t *left, struct err **e)
{
	const struct door door = door_of(d), of_all = { 0, 0, 0755 };
	int r = own(d, src, left, e);

	return r < 0 ? r : set_door(src, d->user.active ? &door : &of_all, e);
}

/* ---- everything that an app has ---- */

static int own_releases(const struct deploy *d, size_t *left, struct err **e)
{
	_cleanup_(freep) char *parent = root_path(d->root, "releases/%s", d->row.app);
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = dir_list(parent, &names, e);

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		_cleanup_(freep) char *src = xasprintf("%s/%s/src", parent, names.v[i]);

		r = own_src(d, src, left, e);
	}
	return r;
}

static int own_deps(const struct deploy *d, size_t *left, struct err **e)
{
	_cleanup_(freep) char *parent = root_path(d->root, "envs/%s/deps", d->row.app);
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = dir_list(parent, &names, e);

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(parent, names.v[i]);

		r = own(d, path, left, e);
	}
	return r;
}

static int own_all(const struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *data = root_path(d->root, "data/%s", d->row.app),
			      *cache = root_path(d->root, "cache/%s", d->row.app);
	const struct door door = door_of(d);
	size_t left = 0;
	int r = own_releases(d, &left, e);

	crash_point("owner.middle");
	if (r >= 0)
		r = own_deps(d, &left, e);
	if (r >= 0)
		r = own(d, cache, NULL, e); /* what it shares with deps may stay as it is: it is only read */
	if (r >= 0)
		r = own(d, data, &left, e);
	if (r >= 0)
		r = set_door(data, &door, e);
	if (left)
		say_warning("%zu files have several names and stay with their owner: give them to user %lld "
			    "yourself",
			    left, (long long) d->user.active);
	return r;
}

/* ---- who ---- */

static bool uid_is_free(unsigned uid)
{
	return !getpwuid(uid);
}

static bool has_files(const char *app, void *ctx)
{
	_cleanup_(freep) char *data = root_path(ctx, "data/%s", app),
			      *cache = root_path(ctx, "cache/%s", app);

	return is_dir(data) || is_dir(cache);
}

static int find_wanted(struct deploy *d, int64_t *ret, struct err **e)
{
	struct user_choice choice = { .is_free = uid_is_free,
				      .has_files = has_files,
				      .ctx = (void *) d->root };

	*ret = 0;
	if (!host_users(&d->host, &choice.first, &choice.last))
		return 0;
	if (geteuid() != 0) {
		say_warning("[instances] users has no effect: slipwayd does not run as root");
		return 0;
	}
	return store_user_assign(&d->store, d->row.app, &choice, ret, e);
}

/* Outside of a mount namespace its way leads through all directories above. */
static int check_reachable(const struct deploy *d, int64_t uid, struct err **e)
{
	_cleanup_(freep) char *path = xstrdup(d->root);
	struct stat st;

	if (!uid || sandbox_in_force(&d->spec.sandbox, d->host.tool_path) & SANDBOX_BWRAP)
		return 0;
	for (char *at = path; at; at = strchr(at + 1, '/')) {
		char was = *at;

		*at = '\0';
		if (*path && stat(path, &st) == 0 && !(st.st_mode & S_IXOTH))
			return err_set(e, ERR_REFUSED,
				       "user %lld of '%s' cannot get to its files through %s without a "
				       "sandbox: chmod o+x "
				       "it, or move the root directory",
				       (long long) uid, d->row.app, path);
		*at = was;
	}
	return 0;
}

/* ---- changing it ---- */

static int set_active(struct deploy *d, int64_t active, int64_t before, struct err **e)
{
	int r = store_user_set(&d->store, d->row.app, active, before, e);

	if (r < 0)
		return r;
	d->user.active = active;
	d->user.before = before;
	return 0;
}

static int change(struct deploy *d, int64_t uid, struct err **e)
{
	/* on record before anything is stopped: undo_build() puts back what this says */
	int r = set_active(d, uid, d->user.active, e);

	crash_point("owner.recorded");
	if (r >= 0 && d->has_old && !d->app.is_stopped) {
		say("this once the app is stopped, from now until its new release runs: its files are given "
		    "to user "
		    "%lld",
		    (long long) uid);
		r = end_retiring(d, e);
		if (r >= 0)
			r = instances_stop_old(d, true, e);
	}
	crash_point("owner.stopped");
	if (r >= 0)
		r = own_all(d, e);
	crash_point("owner.end");
	return r;
}

int user_prepare(struct deploy *d, struct err **e)
{
	int64_t uid;
	int r = find_wanted(d, &uid, e);

	if (r >= 0)
		r = store_user_get(&d->store, d->row.app, &d->user, e);
	if (r >= 0)
		r = check_reachable(d, uid, e);
	if (r >= 0 && uid != d->user.active && d->is_activated)
		r = change(d, uid, e);
	if (r < 0 || !d->user.active)
		return r;
	_cleanup_(freep) char *data = root_path(d->root, "data/%s", d->row.app),
			      *home = path_join(data, "home"), *shared = path_join(data, "shared"),
			      *cache = root_path(d->root, "cache/%s", d->row.app);
	const struct door door = door_of(d),
			  closed = { (uid_t) d->user.active, (gid_t) d->user.active, 0700 },
			  inner = { (uid_t) d->user.active, (gid_t) d->user.active, 0711 };

	r = own_src(d, d->src, NULL, e);
	if (r >= 0)
		r = set_door(data, &door, e);
	if (r >= 0)
		r = set_door(home, &closed, e);
	if (r >= 0)
		r = set_door(shared, &inner, e);
	if (r >= 0)
		r = set_door(cache, &closed, e);
	return r < 0 ? r : open_way(d, e);
}

int user_own_dir(const struct deploy *d, const char *path, struct err **e)
{
	const struct door door = { (uid_t) d->user.active, (gid_t) d->user.active, 0755 };

	return d->user.active ? set_door(path, &door, e) : 0;
}

void user_own_shared(const struct deploy *d, int data, const char *name)
{
	_cleanup_(freep) char *path = path_join("shared", name);

	/* data is the app's: one component after the other, none of them a link */
	for (char *at = strchr(path, '/'); at && d->user.active; at = strchr(at + 1, '/')) {
		char *end = strchr(at + 1, '/');
		_cleanup_(freep) char *part = end ? xstrndup(path, (size_t) (end - path)) : xstrdup(path);
		_cleanup_(closep) int fd = open_beneath(data, part, O_PATH | O_NOFOLLOW, 0, NULL);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0)
			(void) fchownat(fd, "", (uid_t) d->user.active, (gid_t) d->user.active,
					AT_EMPTY_PATH);
	}
}

int user_restore(struct deploy *d, struct err **e)
{
	int r = store_user_get(&d->store, d->row.app, &d->user, e);

	if (r < 0 || d->user.before < 0)
		return r;
	d->user.active = d->user.before;
	r = own_all(d, e);
	return r < 0 ? r : set_active(d, d->user.before, -1, e);
}

int user_record(struct deploy *d, struct err **e)
{
	return d->user.before < 0 ? 0 : set_active(d, d->user.active, -1, e);
}

int undo_build(struct deploy *d, struct err **e)
{
	int r = store_user_get(&d->store, d->row.app, &d->user, e);

	if (r < 0 || d->user.before < 0)
		return r;
	r = user_restore(d, e);
	if (r >= 0)
		r = instances_start_old(d, e);
	return r < 0 || !d->has_old ? r : route_old(d, e);
}
