/*
 * A lost store made anew. The new one is made whole beside the old, which then makes room for it and is kept:
 * killed at any point, either the old one is still there or none is, and the next run begins anew.
 */
#include "daemon/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/file.h"
#include "base/json.h"
#include "daemon/recover-internal.h"
#include "plan/root.h"
#include "store/inspect.h"

static const char *const parts[] = { "", "-wal", "-shm", "-journal" };

/* ---- does it need it? ---- */

static int count_apps(const char *store, size_t *ret, struct err **e)
{
	_cleanup_(store_close) struct store st = { 0 };
	struct app_row *rows = NULL;
	int r = store_open(&st, store, true, e);

	*ret = 0;
	if (r >= 0)
		r = store_app_list(&st, &rows, ret, e);
	app_rows_free(rows, *ret);
	return r;
}

/* 1: yes, *why. 0: the store is whole. */
static int is_needed(const char *root, const char *store, char **why, struct err **e)
{
	_cleanup_(err_freep) struct err *what = NULL;
	int r = store_inspect(store, &what);
	size_t n = 0;

	if (r == ERR_MISSING || r == ERR_NOT_FOUND) {
		*why = err_text(what);
		(*why)[strcspn(*why, ":")] = '\0'; /* what to do about it is being done */
		return 1;
	}
	if (r < 0) {
		_cleanup_(freep) char *text = err_text(what);

		return err_set(e, r, "%s", text);
	}
	r = root_has_releases(root) ? count_apps(store, &n, e) : 1;
	if (r < 0 || n > 0 || !root_has_releases(root))
		return r < 0 ? r : 0;
	*why = xasprintf("%s knows none of the apps that are there", store);
	return 1;
}

/* ---- the swap ---- */

static int remove_parts(const char *path, struct err **e)
{
	for (size_t i = 0; i < COUNT(parts); i++) {
		_cleanup_(freep) char *part = xasprintf("%s%s", path, parts[i]);

		if (unlink(part) < 0 && errno != ENOENT)
			return err_set(e, -errno, "removing %s: %m", part);
	}
	return 0;
}

static bool any_part(const char *path)
{
	for (size_t i = 0; i < COUNT(parts); i++) {
		_cleanup_(freep) char *part = xasprintf("%s%s", path, parts[i]);

		if (file_exists(part))
			return true;
	}
	return false;
}

/* state.db.damaged-20261128T160102Z; to be freed. */
static char *kept_path(const char *store)
{
	_cleanup_(freep) char *time = time_text(now_s());
	char *path, *to = time;

	for (const char *from = time; *from; from++)
		if (*from != '-' && *from != ':')
			*to++ = *from;
	*to = '\0';
	path = xasprintf("%s.damaged-%s", store, time);
	for (unsigned i = 2; any_part(path); i++) {
		free(path);
		path = xasprintf("%s.damaged-%s.%u", store, time, i);
	}
	return path;
}

static int move_part(const char *from, const char *to, const char *part, struct err **e)
{
	_cleanup_(freep) char *a = xasprintf("%s%s", from, part), *b = xasprintf("%s%s", to, part);

	return rename(a, b) < 0 && errno != ENOENT ? err_set(e, -errno, "keeping %s as %s: %m", a, b) : 0;
}

/* The file before its log: without the file the next run finds none, without the log it would find an older
 * state. */
static int put_in_place(const char *new, const char *store, const char *kept, struct err **e)
{
	_cleanup_(freep) char *dir = xstrndup(store, (size_t) (strrchr(store, '/') - store));
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? err_set(e, -errno, "opening %s: %m", dir) : 0;

	for (size_t i = 0; r >= 0 && i < COUNT(parts); i++) {
		r = move_part(store, kept, parts[i], e);
		crash_point("recover.moved.%zu", i);
	}
	if (r >= 0 && (fsync(fd) < 0 || rename(new, store) < 0 || fsync(fd) < 0))
		r = err_set(e, -errno, "putting the new store in place: %m");
	return r;
}

static int make_store(struct found *f, const char *store, const char *by, char **kept, struct err **e)
{
	_cleanup_(freep) char *new = xasprintf("%s.recovering", store);
	int r = remove_parts(new, e);

	if (r >= 0)
		r = recover_write(f, new, by, e);
	crash_point("recover.made");
	for (size_t i = 1; r >= 0 && i < COUNT(parts); i++) { /* empty by now */
		_cleanup_(freep) char *part = xasprintf("%s%s", new, parts[i]);

		(void) unlink(part);
	}
	*kept = kept_path(store);
	if (!any_part(store))
		str_set(kept, NULL);
	if (r >= 0)
		r = put_in_place(new, store, *kept ? *kept : store, e);
	crash_point("recover.in-place");
	if (r < 0)
		(void) remove_parts(new, NULL);
	return r;
}

/* ---- the report ---- */

static json_t *app_json(const struct found_app *app)
{
	json_t *j = json_object();

	json_put_text(j, "name", app->name);
	json_put_num(j, "version", app->live);
	json_put_num(j, "releases", (int64_t) app->n_releases);
	json_put_num(j, "running", app->n_running);
	json_put_flag(j, "stopped", app->is_stopped);
	json_put_flag(j, "held", app->is_held);
	json_put_strv(j, "notes", &app->notes);
	return j;
}

static json_t *report_new(const struct found *f, const char *state, const char *why, const char *kept)
{
	json_t *j = json_object(), *apps = json_array();

	json_put_text(j, "state", state);
	json_put_text(j, "why", why);
	json_put_text(j, "kept", kept);
	for (size_t i = 0; i < f->n_apps; i++)
		(void) json_array_append_new(apps, app_json(&f->apps[i]));
	(void) json_object_set_new(j, "apps", apps);
	return j;
}

/* ---- all of it ---- */

static int read_all(struct found *f, struct err **e)
{
	int r = recover_read_files(f, e);

	if (r >= 0)
		r = recover_read_processes(f, e);
	if (r >= 0 && f->deployment)
		return err_set(e, -EBUSY,
			       "deployment %ld still runs as process %d: wait for its end, or kill it, and "
			       "try again",
			       f->deployment_id, (int) f->deployment);
	for (size_t i = 0; r >= 0 && i < f->n_apps; i++)
		recover_match(f, &f->apps[i]);
	return r;
}

static int lock(const char *root, struct err **e)
{
	int fd = daemon_lock(root, e);

	return fd < 0 ? err_wrap(e, fd, "end it first by `slipway shutdown`, or kill it; the apps go on")
		      : fd;
}

/* What it makes has to belong to whom slipwayd runs as. */
static int check_owner(const char *root, struct err **e)
{
	struct stat st;

	if (stat(root, &st) < 0 || st.st_uid == geteuid())
		return 0; /* a missing one is made */
	const struct passwd *owner = getpwuid(st.st_uid);
	_cleanup_(freep) char *name = owner ? xstrdup(owner->pw_name) : xasprintf("%u", (unsigned) st.st_uid);

	return err_set(e, ERR_PERMISSION, "%s belongs to %s: run `slipway recover` as that user", root, name);
}

int recover_run(const char *root, const char *by, bool is_dry, json_t **report, struct err **e)
{
	_cleanup_(freep) char *store = root_store(root), *why = NULL, *kept = NULL;
	_cleanup_(found_done) struct found f = { .root = root };
	_cleanup_(closep) int lock_fd = -1;
	int r = check_owner(root, e);

	crash_role(root, "recover");
	if (r >= 0)
		r = root_make(root, NULL, e);
	if (r >= 0 && !is_dry)
		r = lock_fd = lock(root, e);
	if (r >= 0)
		r = is_needed(root, store, &why, e);
	if (r < 0)
		return r;
	if (r == 0) {
		*report = report_new(&f, "whole", NULL, NULL);
		return 0;
	}
	r = read_all(&f, e);
	if (r >= 0 && !is_dry)
		r = make_store(&f, store, by, &kept, e);
	if (r < 0)
		return err_wrap(e, r, "nothing was recovered");
	*report = report_new(&f, is_dry ? "to be recovered" : "recovered", why, kept);
	return 0;
}
