/* What a kill left behind: repositories, and apps, that nobody ever brought anything to; FIFOs of instances
 * that there are not. */
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "plan/mark.h"
#include "plan/name.h"
#include "plan/root.h"
#include "source/git.h"
#include "store/app.h"

/* They are made before an instance is on record, and removed when it is not any more. */
void sweep_fifos(struct daemon *d)
{
	_cleanup_(freep) char *dir = root_path(d->root, "run/fifo");
	_cleanup_(strv_done) struct strv names = { 0 }, used = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	for (const struct instance *i = d->instances; i; i = i->next) {
		strv_addf(&used, "%s:%s.%u", i->row.app, i->row.service, i->row.ordinal);
		strv_addf(&used, "%s.max", used.v[used.n - 1]);
	}
	if (dir_list(dir, &names, &e) < 0)
		log_failure("log FIFOs could not be looked at", NULL, &e);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(dir, names.v[i]);

		if (!strv_has(&used, names.v[i]) && unlink(path) < 0)
			log_warning("a log FIFO was not removed", F("path", path));
	}
}

/* A push that is under way holds its repository. */
static int sweep_one(struct daemon *d, const char *name, struct err **e)
{
	_cleanup_(app_row_done) struct app_row app = { 0 };
	int r = store_app_get(&d->store, name, &app, e);
	bool is_known = r >= 0;

	if (r == ERR_NOT_FOUND && e)
		*e = err_free(*e);
	if ((r < 0 && r != ERR_NOT_FOUND) || app.last_deployment || app.live_version)
		return r;
	r = git_repo_forget(d->root, name, -1, e);
	if (r > 0)
		log_info("an empty repository was removed: its first push was cut short", F("app", name));
	return r > 0 && is_known ? store_app_remove(&d->store, name, e) : r;
}

/* Marks are what is left when the store is lost (plan/mark.h). */
void sweep_marks(struct daemon *d)
{
	struct app_row *apps = NULL;
	size_t n = 0;
	_cleanup_(err_freep) struct err *e = NULL;

	if (store_app_list(&d->store, &apps, &n, &e) < 0)
		log_failure("apps could not be listed", NULL, &e);
	for (size_t i = 0; i < n; i++)
		if (mark_set(d->root, apps[i].name, MARK_STOPPED, apps[i].is_stopped, &e) < 0 ||
		    mark_set(d->root, apps[i].name, MARK_HELD, apps[i].is_held, &e) < 0)
			log_failure("a mark was not set", apps[i].name, &e);
	app_rows_free(apps, n);
}

void sweep_repositories(struct daemon *d)
{
	_cleanup_(freep) char *path = root_path(d->root, "repos");
	_cleanup_(strv_done) struct strv names = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	if (dir_list(path, &names, &e) < 0)
		log_failure("repositories could not be looked at", NULL, &e);
	for (size_t i = 0; i < names.n; i++)
		if (app_name_is_legal(names.v[i]) && sweep_one(d, names.v[i], &e) < 0)
			log_failure("an empty repository was not removed", names.v[i], &e);
}
