/* The store: opening, migrating, and each entity's queries on a real file. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/file.h"
#include "store/app.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/inspect.h"
#include "store/instance.h"
#include "store/port.h"
#include "store/release.h"
#include "store/run.h"
#include "store/user.h"

struct fixture {
	char *dir, *path;
	struct store st;
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	char template[] = "/tmp/slipway-store.XXXXXX";

	f->dir = xstrdup(mkdtemp(template));
	f->path = path_join(f->dir, "state.db");
	*state = f;
	return store_open(&f->st, f->path, true, NULL);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	store_close(&f->st);
	(void) tree_remove(f->dir, NULL);
	free(f->path);
	free(f->dir);
	free(f);
	return 0;
}

static void assert_error(int r, int code, struct err **e, const char *part)
{
	_cleanup_(freep) char *text = err_text(*e);

	assert_int_equal(r, code);
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
	*e = err_free(*e);
}

static void opens(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *missing = path_join(f->dir, "none.db"), *junk = path_join(f->dir, "junk.db");
	_cleanup_(err_freep) struct err *e = NULL;
	struct store st = { 0 };
	struct stat sb;

	assert_int_equal(stat(f->path, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	assert_int_equal(store_open(&st, f->path, false, &e), 0);
	store_close(&st);
	assert_error(store_open(&st, missing, false, &e), ERR_NOT_FOUND, &e, "slipway setup");
	assert_int_equal(
		file_replace(junk,
			     "this is no database, and it is longer than a header is: so it shall be "
			     "refused as what it is, a file of something else altogether.",
			     130, 0600, NULL),
		0);
	assert_error(store_open(&st, junk, true, &e), ERR_MISSING, &e, "slipway recover");
}

static void refuses_other_schemas(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *old = path_join(f->dir, "old.db");
	_cleanup_(err_freep) struct err *e = NULL;
	struct store st = { 0 };

	assert_int_equal(file_replace(old, "", 0, 0600, NULL), 0);
	assert_error(store_open(&st, old, false, &e), ERR_MISSING, &e, "is empty: start slipwayd");
	assert_int_equal(sqlite3_exec(f->st.db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
	assert_error(store_open(&st, f->path, true, &e), ERR_REFUSED, &e, "schema version 99");
}

/* A page overwritten with rubbish is found when it is read, and says which file it is. */
static void finds_corruption(void **state)
{
	struct fixture *f = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	struct app_row *rows = NULL;
	struct stat sb;
	char rubbish[4096];
	size_t n = 0;
	int fd;

	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	store_close(&f->st);
	fd = open(f->path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &sb) == 0);
	memset(rubbish, 0xa5, sizeof rubbish);
	for (off_t at = 4096; at < sb.st_size; at += 4096)
		assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, at), sizeof rubbish);
	(void) close(fd);
	int r = store_open(&f->st, f->path, false, &e);
	if (r >= 0)
		r = store_app_list(&f->st, &rows, &n, &e);
	assert_error(r, ERR_MISSING, &e, "state.db is damaged");
}

static void keeps_apps(void **state)
{
	struct fixture *f = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	struct app_row row = { 0 }, *rows = NULL;
	_cleanup_(strv_done) struct strv shared = { 0 };
	size_t n = 0;

	assert_int_equal(store_app_add(&f->st, "shop", "push", NULL), 1);
	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 0);
	assert_int_equal(store_app_list(&f->st, &rows, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].name, "blog");
	assert_null(rows[0].last_state);
	app_rows_free(rows, n);
	assert_error(store_app_get(&f->st, "blgo", &row, &e), ERR_NOT_FOUND, &e,
		     "app 'blgo' not found; did you mean 'blog'?");
	assert_int_equal(store_app_set_stopped(&f->st, "blog", true, NULL), 0);
	assert_int_equal(store_app_get(&f->st, "blog", &row, NULL), 0);
	assert_true(row.is_stopped);
	assert_false(row.is_held);
	app_row_done(&row);
	assert_int_equal(store_app_set_held(&f->st, "blog", true, NULL), 0);
	assert_int_equal(store_app_get(&f->st, "blog", &row, NULL), 0);
	assert_true(row.is_held);
	app_row_done(&row);
	assert_int_equal(store_app_set_held(&f->st, "nosuch", true, NULL), ERR_NOT_FOUND);
	assert_int_equal(store_shared_add(&f->st, "blog", "uploads", NULL), 0);
	assert_int_equal(store_shared_add(&f->st, "blog", "uploads", NULL), 0);
	assert_int_equal(store_shared_list(&f->st, "blog", &shared, NULL), 0);
	assert_int_equal(shared.n, 1);
}

static void numbers_releases_once(void **state)
{
	struct fixture *f = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	struct release_row row = { 0 };
	struct app_row app = { 0 };
	int64_t v = 0;

	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	assert_int_equal(store_release_add(&f->st, "blog", "abc", "ann", &v, NULL), 0);
	assert_int_equal(v, 1);
	assert_int_equal(store_release_remove(&f->st, "blog", 1, NULL), 0);
	assert_int_equal(store_release_add(&f->st, "blog", NULL, "ann", &v, NULL), 0);
	assert_int_equal(v, 2);
	assert_int_equal(store_release_add(&f->st, "blog", "def", "ann", &v, NULL), 0);
	assert_int_equal(store_release_set_runtime(&f->st, "blog", 2, "node", false, NULL), 0);
	assert_int_equal(store_release_set_runtime(&f->st, "blog", 3, "static", true, NULL), 0);
	assert_int_equal(store_release_go_live(&f->st, "blog", 2, 7, NULL), 0);
	assert_int_equal(store_release_go_live(&f->st, "blog", 3, 8, NULL), 0);
	assert_int_equal(store_release_get(&f->st, "blog", 2, &row, NULL), 0);
	assert_string_equal(row.state, "old");
	assert_null(row.commit);
	release_row_done(&row);
	assert_int_equal(store_app_get(&f->st, "blog", &app, NULL), 0);
	assert_int_equal(app.live_version, 3);
	assert_int_equal(app.live_deployment, 8);
	assert_true(app.serves_files);
	app_row_done(&app);
	/* All or nothing: what is not there cannot go live, and what was live stays so. */
	assert_error(store_release_go_live(&f->st, "blog", 9, 9, &e), ERR_NOT_FOUND, &e, "no release v9");
	assert_int_equal(store_release_get(&f->st, "blog", 3, &row, NULL), 0);
	assert_string_equal(row.state, "live");
	release_row_done(&row);
	assert_error(store_release_add(&f->st, "none", NULL, NULL, &v, &e), ERR_NOT_FOUND, &e, "app 'none'");
}

static int64_t add_deployment(struct store *st, const char *app, const char *push)
{
	struct deployment_row d = { .app = xstrdup(app),
				    .kind = xstrdup("deploy"),
				    .commit = xstrdup("abc"),
				    .push = xstrdup(push) };

	assert_int_equal(store_deployment_add(st, &d, NULL), 0);
	int64_t id = d.id;
	deployment_row_done(&d);
	return id;
}

static void keeps_deployments(void **state)
{
	struct fixture *f = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	struct deployment_row d = { 0 }, *rows = NULL;
	struct step_row *steps = NULL;
	size_t n = 0;

	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	int64_t a = add_deployment(&f->st, "blog", "t1"), b = add_deployment(&f->st, "blog", "t2");
	assert_int_equal(store_deployment_supersede(&f->st, a, b, NULL), 0);
	assert_error(store_deployment_supersede(&f->st, a, b, &e), ERR_NOT_FOUND, &e, "not queued");
	assert_int_equal(store_deployment_queued(&f->st, "blog", &d, NULL), 0);
	assert_int_equal(d.id, b);
	deployment_row_done(&d);
	assert_int_equal(store_deployment_running(&f->st, "blog", &d, NULL), ERR_NOT_FOUND);
	assert_int_equal(store_deployment_begin(&f->st, b, 42, 4711, NULL), 0);
	assert_int_equal(store_step_begin(&f->st, b, "fetch", NULL), 0);
	assert_int_equal(store_step_end(&f->st, b, "fetch", "done", NULL), 0);
	assert_int_equal(store_step_begin(&f->st, b, "plan", NULL), 0);
	assert_int_equal(store_step_begin(&f->st, b, "fetch", NULL), 0);
	assert_int_equal(store_step_end(&f->st, b, "start", "done", NULL), ERR_NOT_FOUND);
	assert_int_equal(store_step_list(&f->st, b, &steps, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(steps[0].name, "fetch");
	assert_null(steps[0].outcome);
	step_rows_free(steps, n);
	assert_int_equal(store_deployment_running(&f->st, "blog", &d, NULL), 0);
	assert_int_equal(d.owner_pid, 42);
	assert_string_equal(d.step, "fetch");
	deployment_row_done(&d);
	assert_int_equal(store_deployment_end(&f->st, b, "rolled back", "pip: exited with 1", 6, NULL), 0);
	assert_int_equal(store_deployment_by_push(&f->st, "t2", &d, NULL), 0);
	assert_string_equal(d.error, "pip: exited with 1");
	assert_int_equal(d.exit_status, 6);
	deployment_row_done(&d);
	assert_int_equal(store_deployment_begin(&f->st, b, 42, 4711, NULL), ERR_NOT_FOUND);
	assert_int_equal(store_deployment_list(&f->st, "blog", 1, &rows, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].id, b);
	deployment_rows_free(rows, n);
	assert_int_equal(store_deployment_has_commit(&f->st, "blog", "abc", NULL), 1);
	assert_int_equal(store_deployment_has_commit(&f->st, "blog", "abd", NULL), 0);
}

/* Who destroys an app still learns the outcome; a later app of the same name does not inherit it. */
static void forgets_apps(void **state)
{
	struct fixture *f = *state;
	struct deployment_row d = { 0 };
	struct app_row app = { 0 };
	struct event_row *events = NULL;
	int64_t v = 0;
	size_t n = 0;

	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	assert_int_equal(store_release_add(&f->st, "blog", NULL, "ann", &v, NULL), 0);
	int64_t id = add_deployment(&f->st, "blog", NULL);
	assert_int_equal(store_deployment_begin(&f->st, id, 1, 1, NULL), 0);
	assert_int_equal(store_event_add(&f->st, "blog", "ann", "destroy", NULL, "succeeded", NULL), 0);
	assert_int_equal(store_app_remove(&f->st, "blog", NULL), 0);
	assert_int_equal(store_deployment_end(&f->st, id, "succeeded", NULL, 0, NULL), 0);
	assert_int_equal(store_deployment_get(&f->st, id, &d, NULL), 0);
	deployment_row_done(&d);
	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	assert_int_equal(store_app_get(&f->st, "blog", &app, NULL), 0);
	assert_int_equal(app.last_deployment, 0);
	app_row_done(&app);
	assert_int_equal(store_event_list(&f->st, "blog", 0, 0, &events, &n, NULL), 0);
	assert_int_equal(n, 1);
	event_rows_free(events, n);
}

static bool is_not_20001(unsigned port)
{
	return port != 20001;
}

static void reserves_ports(void **state)
{
	struct fixture *f = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *owner = NULL;
	static const struct {
		const char *service;
		unsigned ordinal, slot, port;
	} want[] = {
		{ "web", 1, 0, 20000 },
		{ "web", 1, 1, 20002 },
		{ "web", 1, 0, 20000 },
		{ "web", 2, 0, 20003 },
	};
	unsigned port = 0;

	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	for (size_t i = 0; i < COUNT(want); i++) {
		assert_int_equal(store_port_get(&f->st, "blog", want[i].service, want[i].ordinal,
						want[i].slot, 20000, 20003, is_not_20001, &port, NULL),
				 0);
		assert_int_equal(port, want[i].port);
	}
	assert_error(store_port_get(&f->st, "blog", "web", 2, 1, 20000, 20003, is_not_20001, &port, &e),
		     ERR_REFUSED, &e, "no port is free");
	assert_int_equal(store_port_owner(&f->st, 20002, &owner, NULL), 0);
	assert_string_equal(owner, "blog");
	assert_int_equal(store_port_trim(&f->st, "blog", "web", 1, NULL), 0);
	assert_int_equal(store_port_get(&f->st, "blog", "web", 2, 1, 20000, 20003, is_not_20001, &port, NULL),
			 0);
	assert_int_equal(port, 20003);
}

static void keeps_instances(void **state)
{
	struct fixture *f = *state;
	struct instance_row row = { .deployment = 3,
				    .app = (char *) "blog",
				    .service = (char *) "web",
				    .ordinal = 1,
				    .version = 2,
				    .pid = 77,
				    .pid_start = UINT64_MAX,
				    .last_status = -1 };
	struct instance_row *rows = NULL;
	size_t n = 0;

	assert_int_equal(store_instance_put(&f->st, &row, NULL), 0);
	row.restarts = 4;
	assert_int_equal(store_instance_put(&f->st, &row, NULL), 0);
	row.ordinal = 2;
	assert_int_equal(store_instance_put(&f->st, &row, NULL), 0);
	assert_int_equal(store_instance_list(&f->st, NULL, &rows, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].restarts, 4);
	assert_true(rows[0].pid_start == UINT64_MAX);
	assert_null(rows[0].boot);
	instance_rows_free(rows, n);
	assert_int_equal(store_instance_remove(&f->st, 3, "web", 2, NULL), 0);
	assert_int_equal(store_instance_list(&f->st, "blog", &rows, &n, NULL), 0);
	assert_int_equal(n, 1);
	instance_rows_free(rows, n);
}

static void rolls_back(void **state)
{
	struct fixture *f = *state;
	struct app_row *rows = NULL;
	size_t n = 0;

	{
		_cleanup_(tx_end) struct tx tx = { 0 };

		assert_int_equal(tx_begin(&tx, &f->st, NULL), 0);
		assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	}
	assert_int_equal(store_app_list(&f->st, &rows, &n, NULL), 0);
	assert_int_equal(n, 0);
}

static int64_t add_run(struct fixture *f, const char *service, int64_t scheduled_for_s, struct err **e)
{
	struct run_row run = { .app = (char *) "blog",
			       .service = (char *) service,
			       .version = 1,
			       .scheduled_for_s = scheduled_for_s,
			       .outcome = (char *) "running" };
	int r = store_run_add(&f->st, &run, e);

	return r < 0 ? r : run.id;
}

static void keeps_runs(void **state)
{
	struct fixture *f = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(run_row_done) struct run_row run = { 0 };
	struct run_row *rows = NULL;
	size_t n = 0;

	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	int64_t first = add_run(f, "cron", 60, NULL);

	assert_true(first > 0);
	assert_int_equal(add_run(f, "cron", 60, &e), -EEXIST); /* no time twice */
	assert_true(add_run(f, "cron1", 60, NULL) > first);
	assert_true(add_run(f, "cron", 0, NULL) > first); /* asked for: as often as one likes */
	assert_true(add_run(f, "cron", 0, NULL) > first);
	assert_int_equal(store_run_end(&f->st, first, "failed", 3, NULL), 0);
	assert_int_equal(store_run_get(&f->st, first, &run, NULL), 0);
	assert_string_equal(run.outcome, "failed");
	assert_int_equal(run.exit_status, 3);
	assert_true(run.ended_at_s > 0);
	assert_int_equal(store_run_list(&f->st, "blog", "cron", 0, &rows, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(rows[2].id, first);
	run_rows_free(rows, n);
	for (int64_t i = 2; i < 200; i++)
		assert_int_equal(
			store_run_end(&f->st, add_run(f, "cron", i * 60, NULL), "succeeded", 0, NULL), 0);
	assert_int_equal(store_run_list(&f->st, "blog", "cron", 0, &rows, &n, NULL), 0);
	assert_int_equal(n, 102); /* the two that still run are not forgotten */
	assert_int_equal(rows[0].scheduled_for_s, 199 * 60);
	run_rows_free(rows, n);
}

static bool is_odd(unsigned uid)
{
	return uid % 2;
}

static bool is_kept(const char *app, void *ctx)
{
	return str_eq(app, ctx);
}

static void gives_users(void **state)
{
	struct fixture *f = *state;
	const struct user_choice c = { 2000, 2004, is_odd, is_kept, (void *) "kept" };
	_cleanup_(err_freep) struct err *e = NULL;
	struct user_row row;
	int64_t uid = 0;

	assert_int_equal(store_user_get(&f->st, "kept", &row, NULL), 0);
	assert_int_equal(row.uid, 0);
	assert_int_equal(row.before, -1);
	assert_int_equal(store_user_assign(&f->st, "kept", &c, &uid, NULL), 0);
	assert_int_equal(uid, 2001);
	assert_int_equal(store_user_assign(&f->st, "gone", &c, &uid, NULL), 0);
	assert_int_equal(uid, 2003);
	assert_int_equal(store_user_assign(&f->st, "kept", &c, &uid, NULL), 0);
	assert_int_equal(uid, 2001); /* for good */
	assert_int_equal(store_user_set(&f->st, "kept", 2001, 0, NULL), 0);
	assert_int_equal(store_user_get(&f->st, "kept", &row, NULL), 0);
	assert_int_equal(row.active, 2001);
	assert_int_equal(row.before, 0);
	/* neither is an app of the store: the one that has no files gives its user back */
	assert_int_equal(store_user_assign(&f->st, "new", &c, &uid, NULL), 0);
	assert_int_equal(uid, 2003);
	const struct user_choice all_kept = { 2000, 2003, is_odd, is_kept, (void *) "new" };

	assert_int_equal(store_user_set(&f->st, "new", 2003, -1, NULL), 0);
	assert_int_equal(store_user_assign(&f->st, "newer", &all_kept, &uid, NULL), 0);
	assert_int_equal(uid, 2001); /* "kept" has none by now */
	assert_error(store_user_assign(&f->st, "newest",
				       &(struct user_choice){ 2001, 2001, is_odd, is_kept, (void *) "newer" },
				       &uid, &e),
		     ERR_REFUSED, &e, "no user is left");
}

static void keeps_schedules(void **state)
{
	struct fixture *f = *state;
	struct schedule_row row = { (char *) "blog", (char *) "cron", true, 60 }, *rows = NULL;
	size_t n = 0;

	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	assert_int_equal(store_schedule_put(&f->st, &row, NULL), 0);
	row.next_s = 120;
	assert_int_equal(store_schedule_put(&f->st, &row, NULL), 0);
	assert_int_equal(store_schedule_list(&f->st, "blog", &rows, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_true(rows[0].is_suspended);
	assert_int_equal(rows[0].next_s, 120);
	schedule_rows_free(rows, n);
	assert_int_equal(store_app_remove(&f->st, "blog", NULL), 0);
	assert_int_equal(store_schedule_list(&f->st, "blog", &rows, &n, NULL), 0);
	assert_int_equal(n, 0);
	schedule_rows_free(rows, n);
}

/* ---- looked at before it is opened ---- */

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x5a;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void) close(fd);
}

static off_t size_of(const char *path)
{
	struct stat sb;

	return stat(path, &sb) == 0 ? sb.st_size : -1;
}

static void inspects(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *none = path_join(f->dir, "none.db"), *empty = path_join(f->dir, "empty.db");
	_cleanup_(err_freep) struct err *e = NULL;
	off_t size;

	assert_error(store_inspect(none, &e), ERR_NOT_FOUND, &e, "is not there");
	assert_false(file_exists(none));
	assert_int_equal(file_replace(empty, "", 0, 0600, NULL), 0);
	assert_error(store_inspect(empty, &e), ERR_NOT_FOUND, &e, "is empty");
	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	assert_int_equal(store_settle(&f->st, &e), 0);
	store_close(&f->st);
	assert_int_equal(store_inspect(f->path, &e), 0);
	size = size_of(f->path);
	assert_int_equal(truncate(f->path, size - 4096), 0);
	assert_error(store_inspect(f->path, &e), ERR_MISSING, &e, "slipway recover");
	assert_int_equal(size_of(f->path), size - 4096);
	assert_int_equal(truncate(f->path, 100), 0);
	assert_error(store_inspect(f->path, &e), ERR_MISSING, &e, "slipway recover");
}

/* As one that was killed leaves it: what was committed is in the log, which nobody has taken over. */
static void finds_a_damaged_log(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *copy = path_join(f->dir, "copy.db");
	static const char *const parts[] = { "", "-wal", "-shm" };
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *wal = xasprintf("%s-wal", copy), *shm = xasprintf("%s-shm", copy);
	struct store st = { 0 };

	assert_int_equal(store_settle(&f->st, &e), 0);
	assert_int_equal(store_app_add(&f->st, "blog", "push", NULL), 1);
	assert_int_equal(store_app_add(&f->st, "shop", "push", NULL), 1);
	for (unsigned damage = 0; damage < 4; damage++) {
		for (size_t i = 0; i < COUNT(parts); i++) {
			_cleanup_(freep) char *from = xasprintf("%s%s", f->path, parts[i]),
					      *to = xasprintf("%s%s", copy, parts[i]), *text = NULL;
			size_t n;

			assert_int_equal(file_read(from, 1 << 20, &text, &n, &e), 0);
			assert_int_equal(file_replace(to, text, n, 0600, &e), 0);
		}
		switch (damage) {
		case 0: /* none */
			assert_int_equal(store_inspect(copy, &e), 0);
			break;
		case 1:
			flip(wal, 5);
			assert_error(store_inspect(copy, &e), ERR_MISSING, &e,
				     "header of its write-ahead log");
			assert_error(store_open(&st, copy, true, &e), ERR_MISSING, &e, "slipway recover");
			break;
		case 2:
			flip(wal, 32 + 24 + 100);
			assert_error(store_inspect(copy, &e), ERR_MISSING, &e, "has lost what was committed");
			break;
		default: /* an index that says nothing: only SQLite's own word is left */
			flip(wal, 32 + 24 + 100);
			assert_int_equal(unlink(shm), 0);
			assert_int_equal(store_inspect(copy, &e), 0);
		}
	}
}

static void restores(void **state)
{
	struct fixture *f = *state;
	struct app_row app = { .name = (char *) "blog",
			       .source = (char *) "push",
			       .is_held = true,
			       .live_version = 7,
			       .live_deployment = 12,
			       .created_at_s = 1700000000 },
		       got = { 0 };
	struct release_row release = {
		.app = app.name, .version = 7, .state = (char *) "live", .created_at_s = 1
	};
	struct deployment_row d = { .id = 12,
				    .app = app.name,
				    .kind = (char *) "deploy",
				    .state = (char *) "succeeded",
				    .version = 7 },
			      next = { .app = app.name, .kind = (char *) "deploy", .by = (char *) "tim" };
	_cleanup_(err_freep) struct err *e = NULL;
	int64_t version = 0;
	unsigned port = 0;

	assert_int_equal(store_app_restore(&f->st, &app, 9, &e), 0);
	assert_int_equal(store_release_restore(&f->st, &release, true, &e), 0);
	assert_int_equal(store_deployment_restore(&f->st, &d, &e), 0);
	assert_int_equal(store_port_restore(&f->st, "blog", "web", 1, 0, 20005, &e), 0);
	assert_int_equal(store_port_restore(&f->st, "blog", "web", 2, 0, 20005, &e),
			 0); /* the first has it */
	assert_int_equal(store_deployment_skip(&f->st, 40, &e), 0);
	assert_int_equal(store_app_get(&f->st, "blog", &got, &e), 0);
	assert_true(got.is_held && got.serves_files && !got.is_stopped);
	assert_int_equal(got.live_deployment, 12);
	assert_string_equal(got.last_state, "succeeded");
	app_row_done(&got);
	assert_int_equal(store_release_add(&f->st, "blog", NULL, "tim", &version, &e), 0);
	assert_int_equal(version, 9);
	assert_int_equal(store_deployment_add(&f->st, &next, &e), 0);
	assert_int_equal(next.id, 41);
	free(next.state);
	assert_int_equal(store_port_get(&f->st, "blog", "web", 1, 0, 20000, 20010, NULL, &port, &e), 0);
	assert_int_equal(port, 20005);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
		TEST(opens),
		TEST(refuses_other_schemas),
		TEST(gives_users),
		TEST(finds_corruption),
		TEST(keeps_apps),
		TEST(numbers_releases_once),
		TEST(keeps_deployments),
		TEST(forgets_apps),
		TEST(reserves_ports),
		TEST(keeps_instances),
		TEST(rolls_back),
		TEST(keeps_runs),
		TEST(keeps_schedules),
		TEST(inspects),
		TEST(finds_a_damaged_log),
		TEST(restores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
