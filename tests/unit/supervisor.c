/* A real slipwayd in a root of its own, driven over the control API: instances, logs, adoption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/sandbox.h"
#include "control/control.h"
#include "plan/root.h"
#include "plan/spec.h"
#include "store/app.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/instance.h"
#include "store/release.h"

enum { PATIENCE_MS = 20000 };

static const struct {
	const char *name, *command;
	unsigned stop_timeout_ms;
} services[] = {
	{ "web",
	  "echo \"up $PROC_TYPE.$SLIPWAY_INSTANCE $PORT $SLIPWAY_RELEASE $GREETING\"; pwd; exec sleep 100000",
	  10000 },
	{ "crasher", "echo crash; exit 3", 10000 },
	{ "graceful", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 1000 & wait; done", 10000 },
	{ "stubborn", "trap '' TERM INT; echo up; while :; do sleep 1000; done", 100 },
	{ "family", "sleep 100000 & sleep 100000 & echo up; exec sleep 100000", 10000 },
	{ "orphan", "sh -c 'trap \"\" TERM; echo up; sleep 100000' & wait", 100 },
	{ "chatty", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exec sleep 100000",
	  10000 },
	{ "signals", "kill -TERM $$; echo survived", 10000 },
	{ "env", "env; echo done; exec sleep 100000", 10000 },
};

struct fixture {
	char *dir, *root; /* root lies in dir or is it */
	struct proc daemon;
	struct control control;
};

/* ---- a root, a daemon ---- */

static bool poll_until(bool (*is_so)(struct fixture *f, const void *arg), struct fixture *f, const void *arg)
{
	int64_t deadline = monotonic_ms() + PATIENCE_MS;

	while (!is_so(f, arg)) {
		if (monotonic_ms() > deadline)
			return false;
		(void) poll(NULL, 0, 5);
	}
	return true;
}

static bool answers(struct fixture *f, const void *arg UNUSED)
{
	_cleanup_(freep) char *socket = root_socket(f->root);

	if (!proc_is_alive(f->daemon.pid, proc_start_time(f->daemon.pid)))
		fail_msg("slipwayd has ended");
	control_close(&f->control);
	return control_open(&f->control, socket, NULL) == 0 &&
	       control_call(&f->control, "hello", NULL, NULL, NULL) == 0;
}

static void start_daemon(struct fixture *f)
{
	static char option[] = "--root";
	const char *path = getenv("SLIPWAYD");
	char *argv[] = { (char *) path, option, f->root, NULL };
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *log = path_join(f->root, "slipwayd.log");
	_cleanup_(closep) int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	f->daemon = PROC(argv);
	f->daemon.out = f->daemon.err = fd;
	if (proc_start(&f->daemon, &e) < 0)
		fail_msg("%s", e->msg);
	assert_true(poll_until(answers, f, NULL));
}

static int wait_daemon(struct fixture *f)
{
	siginfo_t si = { 0 };

	assert_int_equal(waitid(P_PIDFD, (id_t) f->daemon.pidfd, &si, WEXITED), 0);
	f->daemon.pid = 0;
	proc_done(&f->daemon);
	control_close(&f->control);
	return si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}

static void end_daemon(struct fixture *f, int sig, int want)
{
	_cleanup_(freep) char *log = path_join(f->root, "slipwayd.log"), *text = NULL;

	assert_int_equal(kill(f->daemon.pid, sig), 0);
	int status = wait_daemon(f);

	if (status != want) {
		(void) file_read(log, 1 << 20, &text, NULL, NULL);
		fail_msg("slipwayd exited with %d: %s", status, text);
	}
}

static void write_spec(const struct fixture *f, const char *app, long version, enum sandbox_level level,
		       size_t log_max)
{
	_cleanup_(freep) char *dir = root_release(f->root, app, version), *src = path_join(dir, "src");
	struct spec_service list[COUNT(services)];
	struct spec spec = { .app = (char *) app,
			     .version = version,
			     .cwd = src,
			     .services = list,
			     .n_services = COUNT(services),
			     .log_max_bytes = log_max,
			     .sandbox.level = level };

	for (size_t i = 0; i < COUNT(services); i++)
		list[i] = (struct spec_service){ (char *) services[i].name, (char *) services[i].command,
						 (char *) "TERM", services[i].stop_timeout_ms };
	assert_int_equal(dir_make(src, 0755, NULL), 0);
	env_set(&spec.env, "PATH", "/usr/local/bin:/usr/bin:/bin", "base");
	env_set(&spec.env, "GREETING", "hello  world", "config");
	STRV_ADD(&spec.sandbox.hide, f->root);
	STRV_ADD(&spec.sandbox.read, src);
	assert_int_equal(spec_write(&spec, f->root, NULL), 0);
	env_done(&spec.env);
	sandbox_done(&spec.sandbox);
}

static int begin_at(void **state, const char *below)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	char dir[] = "/tmp/slipway-super-XXXXXX";
	_cleanup_(freep) char *db = NULL;
	_cleanup_(store_close) struct store st = { 0 };
	enum sandbox_level best = SANDBOX_BOTH;

	*state = f;
	assert_non_null(mkdtemp(dir));
	f->dir = xstrdup(dir);
	f->root = xasprintf("%s%s", dir, below);
	assert_int_equal(root_make(f->root, NULL, NULL), 0);
	db = root_store(f->root);
	assert_int_equal(store_open(&st, db, true, NULL), 0);
	assert_true(store_app_add(&st, "blog", "push", NULL) >= 0);
	write_spec(f, "blog", 1, SANDBOX_OFF, 1 << 20);
	write_spec(f, "blog", 2, best, 1 << 20);
	write_spec(f, "blog", 3, SANDBOX_OFF, 20000);
	start_daemon(f);
	return 0;
}

static int begin(void **state)
{
	return begin_at(state, "");
}

static int begin_deep(void **state)
{
	_cleanup_(freep) char *deep = xcalloc(1, 200);

	memset(deep, 'd', 150);
	deep[0] = '/';
	return begin_at(state, deep);
}

/* Processes whose command line or working directory names the root. */
static int processes_of(const char *root)
{
	DIR *d = opendir("/proc");
	struct dirent *at;
	int n = 0;

	while ((at = readdir(d))) {
		_cleanup_(freep) char *path = xasprintf("/proc/%s/cmdline", at->d_name), *text = NULL;
		_cleanup_(freep) char *link = xasprintf("/proc/%s/cwd", at->d_name);
		char cwd[4096] = "";
		size_t size = 0;
		pid_t pid = (pid_t) strtol(at->d_name, NULL, 10);

		if (pid <= 1 || pid == getpid() || !proc_is_alive(pid, proc_start_time(pid)))
			continue;
		if (file_read(path, 1 << 20, &text, &size, NULL) >= 0 &&
		    memmem(text, size, root, strlen(root)))
			n++;
		else if (readlink(link, cwd, sizeof cwd - 1) > 0 && str_starts(cwd, root))
			n++;
	}
	(void) closedir(d);
	return n;
}

static bool is_clean(struct fixture *f, const void *arg UNUSED)
{
	return processes_of(f->root) == 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_releasep) json_t *args = json_object();

	if (f->daemon.pid == 0)
		start_daemon(f);
	json_put_flag(args, "instances", true);
	assert_int_equal(control_call(&f->control, "shutdown", args, NULL, NULL), 0);
	assert_int_equal(wait_daemon(f), 0);
	assert_true(poll_until(is_clean, f, NULL));
	assert_int_equal(tree_remove(f->dir, NULL), 0);
	free(f->dir);
	free(f->root);
	free(f);
	return 0;
}

/* ---- requests ---- */

struct key {
	int64_t deployment, version;
	const char *service;
	unsigned ordinal, port;
};

static json_t *args_of(const struct key *k)
{
	json_t *args = json_object();

	json_put_text(args, "app", "blog");
	json_put_num(args, "deployment", k->deployment);
	json_put_num(args, "version", k->version);
	json_put_text(args, "service", k->service);
	json_put_num(args, "ordinal", k->ordinal);
	json_put_num(args, "port", k->port);
	return args;
}

static json_t *ask(struct fixture *f, const char *op, json_t *args)
{
	_cleanup_(json_releasep) json_t *mine = args;
	_cleanup_(err_freep) struct err *e = NULL;
	json_t *answer = NULL;

	if (control_call(&f->control, op, mine, &answer, &e) < 0)
		fail_msg("%s: %s", op, e->msg);
	return answer;
}

static pid_t start(struct fixture *f, struct key k)
{
	_cleanup_(json_releasep) json_t *answer = ask(f, "start", args_of(&k));

	return (pid_t) json_num(answer, "pid", 0);
}

static int64_t stop(struct fixture *f, int64_t deployment, const char *service, unsigned keep)
{
	json_t *args = json_object();

	json_put_text(args, "app", "blog");
	json_put_num(args, "deployment", deployment);
	json_put_text(args, "service", service);
	json_put_num(args, "keep", keep);
	_cleanup_(json_releasep) json_t *answer = ask(f, "stop", args);

	return json_num(answer, "stopped", -1);
}

/* The first listed instance of the service; NULL: none. New reference. */
static json_t *instance(struct fixture *f, const char *service)
{
	_cleanup_(json_releasep) json_t *answer = ask(f, "instances", NULL);
	json_t *at;
	size_t i;

	json_array_foreach(json_object_get(answer, "instances"), i,
			   at) if (str_eq(json_text(at, "service"), service)) return json_incref(at);
	return NULL;
}

static char *log_text(struct fixture *f, const char *name)
{
	_cleanup_(freep) char *path = root_path(f->root, "logs/blog/%s", name);
	char *text = NULL;

	return file_read(path, 1 << 26, &text, NULL, NULL) < 0 ? xstrdup("") : text;
}

struct log_want {
	const char *name, *text;
};

static bool log_has(struct fixture *f, const void *arg)
{
	const struct log_want *want = arg;
	_cleanup_(freep) char *text = log_text(f, want->name);

	return strstr(text, want->text) != NULL;
}

static void await_log(struct fixture *f, const char *name, const char *text)
{
	if (!poll_until(log_has, f, &(struct log_want){ name, text })) {
		_cleanup_(freep) char *got = log_text(f, name);

		fail_msg("%s never said '%s': %.400s", name, text, got);
	}
}

/* ---- tests ---- */

static void starts_and_stops(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, (struct key){ 1, 1, "web", 1, 20001 });
	_cleanup_(freep) char *fifo = root_fifo(f->root, "blog", "web", 1), *cwd = NULL;
	struct stat st;

	assert_true(pid > 1);
	assert_int_equal(start(f, (struct key){ 1, 1, "web", 1, 20001 }), pid);
	await_log(f, "web.1.log", "up web.1 20001 v1 hello  world\n");
	cwd = root_path(f->root, "releases/blog/v1/src\n");
	await_log(f, "web.1.log", cwd);
	assert_int_equal(stat(fifo, &st), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0600);
	assert_int_equal(getsid(pid), pid);
	_cleanup_(json_releasep) json_t *i = instance(f, "web");

	assert_string_equal(json_text(i, "state"), "running");
	assert_int_equal(json_num(i, "pid", 0), pid);
	assert_true(json_num(i, "memory_bytes", 0) > 0);
	assert_int_equal(stop(f, 1, NULL, 0), 1);
	assert_false(proc_is_alive(pid, proc_start_time(pid)));
	assert_int_not_equal(stat(fifo, &st), 0);
	assert_null(instance(f, "web"));
	assert_int_equal(stop(f, 1, NULL, 0), 0);
}

static void stops_above_what_is_kept(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 1; i <= 4; i++)
		assert_true(start(f, (struct key){ 1, 1, "web", i, 0 }) > 1);
	assert_true(start(f, (struct key){ 2, 1, "web", 4, 0 }) > 1);
	assert_int_equal(stop(f, 1, "web", 2), 2);
	assert_int_equal(stop(f, 1, "web", 2), 0);
	assert_int_equal(stop(f, 2, "crasher", 0), 0);
	assert_int_equal(stop(f, 0, NULL, 0), 3);
}

static void stops_gracefully(void **state)
{
	struct fixture *f = *state;

	for (int64_t version = 1; version <= 2; version++) { /* without and with sandbox */
		start(f, (struct key){ version, version, "graceful", (unsigned) version, 0 });
		_cleanup_(freep) char *name = xasprintf("graceful.%" PRId64 ".log", version);

		await_log(f, name, "up\n");
		assert_int_equal(stop(f, version, NULL, 0), 1);
		await_log(f, name, "bye\n");
	}
}

static void stops_all_that_is_left(void **state)
{
	static const char *const names[] = { "stubborn", "family", "orphan" };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(names); i++) {
		for (unsigned version = 1; version <= 2; version++) {
			_cleanup_(freep) char *log = xasprintf("%s.%u.log", names[i], version);

			start(f, (struct key){ 1, version, names[i], version, 0 });
			await_log(f, log, "up\n");
			assert_int_equal(stop(f, 1, names[i], 0), 1);
			_cleanup_(freep) char *dir = root_release(f->root, "blog", version);

			assert_int_equal(processes_of(dir), 0);
		}
	}
}

static bool is_crashing(struct fixture *f, const void *arg)
{
	_cleanup_(json_releasep) json_t *i = instance(f, arg);

	return str_eq(json_text(i, "state"), "crashing");
}

static void tells_a_crash_loop(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *db = root_store(f->root);
	_cleanup_(store_close) struct store st = { 0 };
	struct event_row *events = NULL;
	size_t n = 0, crashes = 0, loops = 0;

	assert_true(start(f, (struct key){ 1, 1, "crasher", 1, 0 }) > 1);
	assert_true(poll_until(is_crashing, f, "crasher"));
	_cleanup_(json_releasep) json_t *i = instance(f, "crasher");

	assert_int_equal(json_num(i, "last_status", -1), 3);
	assert_true(json_num(i, "restarts", 0) >= 5);
	assert_int_equal(store_open(&st, db, false, NULL), 0);
	assert_int_equal(store_event_list(&st, "blog", 0, 0, &events, &n, NULL), 0);
	for (size_t k = 0; k < n; k++) {
		crashes += str_eq(events[k].what, "crash");
		loops += str_eq(events[k].what, "crash-loop");
	}
	event_rows_free(events, n);
	assert_int_equal(crashes, 1);
	assert_int_equal(loops, 1);
	assert_int_equal(stop(f, 1, NULL, 0), 1);
}

static void sandboxed_signals(void **state)
{
	struct fixture *f = *state;

	start(f, (struct key){ 1, 2, "signals", 1, 0 });
	assert_true(poll_until(is_crashing, f, "signals"));
	_cleanup_(json_releasep) json_t *i = instance(f, "signals");
	_cleanup_(freep) char *text = log_text(f, "signals.1.log");

	assert_int_equal(json_num(i, "last_status", 0), 128 + SIGTERM);
	assert_null(strstr(text, "survived"));
}

static void hands_nothing_on(void **state)
{
	struct fixture *f = *state;

	start(f, (struct key){ 1, 1, "env", 1, 0 });
	await_log(f, "env.1.log", "done\n");
	_cleanup_(freep) char *text = log_text(f, "env.1.log");

	assert_non_null(strstr(text, "SLIPWAY_INSTANCE=1\n"));
	assert_null(strstr(text, "SLIPWAYD"));
	assert_null(strstr(text, " PORT="));
	assert_null(strstr(text, "ASAN_OPTIONS"));
}

/* A process that does nothing, to be an owner or a worker. */
static void start_idler(struct proc *p)
{
	static char sleep_path[] = "/bin/sleep", time[] = "100000";
	static char *argv[] = { sleep_path, time, NULL };

	*p = PROC(argv);
	p->out = p->err = STDERR_FILENO;
	assert_int_equal(proc_start(p, NULL), 0);
}

/* Instances keep their pids when the daemon dies, and what they write meanwhile is not lost. */
static void survives(struct fixture *f, int sig)
{
	pid_t web = start(f, (struct key){ 1, 1, "web", 1, 20001 });
	pid_t boxed = start(f, (struct key){ 1, 2, "graceful", 1, 0 });
	_cleanup_(freep) char *db = root_store(f->root);
	_cleanup_(store_close) struct store st = { 0 };
	struct proc owner;

	await_log(f, "graceful.1.log", "up\n");
	start_idler(&owner);
	assert_int_equal(store_open(&st, db, false, NULL), 0);
	struct deployment_row row = { .app = (char *) "blog",
				      .kind = (char *) "restart",
				      .by = (char *) "test" };

	assert_int_equal(store_deployment_add(&st, &row, NULL), 0);
	assert_int_equal(row.id, 1);
	free(row.state);
	assert_int_equal(
		store_deployment_begin(&st, 1, owner.pid, (int64_t) proc_start_time(owner.pid), NULL), 0);
	end_daemon(f, sig, sig == SIGKILL ? 128 + SIGKILL : 0);
	assert_true(proc_is_alive(web, proc_start_time(web)));
	start_daemon(f);
	assert_int_equal(start(f, (struct key){ 1, 1, "web", 1, 20001 }), web);
	assert_int_equal(start(f, (struct key){ 1, 2, "graceful", 1, 0 }), boxed);
	assert_int_equal(stop(f, 1, NULL, 0), 2);
	await_log(f, "graceful.1.log", "bye\n");
	assert_false(proc_is_alive(web, proc_start_time(web)));
	assert_int_equal(store_deployment_end(&st, 1, "failed", NULL, 1, NULL), 0);
	proc_done(&owner);
}

static void survives_a_killed_daemon(void **state)
{
	survives(*state, SIGKILL);
}

static void survives_an_ended_daemon(void **state)
{
	survives(*state, SIGTERM);
}

static bool has_new_pid(struct fixture *f, const void *arg)
{
	_cleanup_(json_releasep) json_t *i = instance(f, "web");

	return json_num(i, "pid", 0) > 0 && json_num(i, "pid", 0) != *(const pid_t *) arg;
}

/* What died while nobody looked is started again; adopted processes that die are, too. */
static void starts_again_what_died(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *db = root_store(f->root);
	_cleanup_(store_close) struct store st = { 0 };
	pid_t pid = start(f, (struct key){ 1, 1, "web", 1, 20001 });
	int64_t version;

	assert_int_equal(store_open(&st, db, false, NULL), 0);
	assert_int_equal(store_release_add(&st, "blog", NULL, "test", &version, NULL), 0);
	assert_int_equal(store_release_go_live(&st, "blog", 1, 1, NULL), 0);
	end_daemon(f, SIGKILL, 128 + SIGKILL);
	assert_int_equal(kill(-pid, SIGKILL), 0);
	start_daemon(f);
	assert_true(poll_until(has_new_pid, f, &pid));
	end_daemon(f, SIGTERM, 0);
	start_daemon(f);
	_cleanup_(json_releasep) json_t *i = instance(f, "web");
	pid_t adopted = (pid_t) json_num(i, "pid", 0);

	assert_int_equal(kill(adopted, SIGKILL), 0);
	assert_true(poll_until(has_new_pid, f, &adopted));
}

/* Instances of a deployment that neither lives nor runs are not kept by the next daemon. */
static bool is_empty(struct fixture *f, const void *arg UNUSED)
{
	_cleanup_(json_releasep) json_t *answer = ask(f, "instances", NULL);

	return json_array_size(json_object_get(answer, "instances")) == 0;
}

static void stops_what_nobody_wants(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start(f, (struct key){ 5, 1, "web", 1, 0 });

	end_daemon(f, SIGKILL, 128 + SIGKILL);
	start_daemon(f);
	assert_true(poll_until(is_empty, f, NULL));
	assert_false(proc_is_alive(pid, proc_start_time(pid)));
}

static pid_t keeper_of(struct fixture *f)
{
	_cleanup_(freep) char *path = root_path(f->root, "run/keeper.lock");
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CLOEXEC);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

static bool has_keeper(struct fixture *f, const void *arg)
{
	pid_t pid = keeper_of(f);

	return pid > 0 && pid != *(const pid_t *) arg;
}

static void check_lines(const char *text, int *next)
{
	for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
		assert_int_equal((int) strtol(strstr(at, " line ") + 6, NULL, 10), *next);
		(*next)++;
	}
}

static void keeps_every_line(void **state)
{
	struct fixture *f = *state;
	pid_t none = 0, keeper;
	int next = 0;

	assert_true(poll_until(has_keeper, f, &none));
	keeper = keeper_of(f);
	start(f, (struct key){ 1, 1, "chatty", 1, 0 });
	await_log(f, "chatty.1.log", " line 19999\n");
	_cleanup_(freep) char *text = log_text(f, "chatty.1.log");

	check_lines(text, &next);
	assert_int_equal(next, 20000);
	/* killed, it comes back and takes up what is written */
	assert_int_equal(kill(keeper, SIGKILL), 0);
	start(f, (struct key){ 1, 1, "web", 7, 0 });
	await_log(f, "web.7.log", "up web.7");
	assert_true(poll_until(has_keeper, f, &keeper));
	/* and it outlives the daemon */
	keeper = keeper_of(f);
	end_daemon(f, SIGKILL, 128 + SIGKILL);
	start_daemon(f);
	assert_int_equal(keeper_of(f), keeper);
}

static void rotates_at_a_line(void **state)
{
	struct fixture *f = *state;
	int first, next;

	start(f, (struct key){ 1, 3, "chatty", 1, 0 });
	await_log(f, "chatty.1.log", " line 19999\n");
	_cleanup_(freep) char *now = log_text(f, "chatty.1.log"), *old = log_text(f, "chatty.1.log.old");

	assert_true(strlen(now) <= 20000 && strlen(old) <= 20000 && strlen(old) > 19900);
	first = next = (int) strtol(strstr(old, " line ") + 6, NULL, 10);
	check_lines(old, &next);
	check_lines(now, &next);
	assert_true(first > 0);
	assert_int_equal(next, 20000);
}

static void refuses_a_second_one(void **state)
{
	struct fixture *f = *state;
	static char option[] = "--root";
	char *argv[] = { getenv("SLIPWAYD"), option, f->root, NULL };
	_cleanup_(freep) char *out = NULL,
			      *want = xasprintf("already running for %s as pid %d", f->root, f->daemon.pid);

	assert_int_equal(proc_run(argv, NULL, NULL, 60000, &out, NULL), 1);
	assert_non_null(strstr(out, want));
}

static void refuses(struct fixture *f, const char *op, json_t *args, int code, const char *says)
{
	_cleanup_(json_releasep) json_t *mine = args;
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(control_call(&f->control, op, mine, NULL, &e), code);
	if (!strstr(e->msg, says))
		fail_msg("%s said '%s'", op, e->msg);
}

static void refuses_what_it_should(void **state)
{
	struct fixture *f = *state;
	struct key no_service = { 1, 1, "nothing", 1, 0 }, no_release = { 1, 9, "web", 1, 0 };

	refuses(f, "fly", NULL, ERR_USAGE, "unknown operation 'fly'");
	refuses(f, "start", json_object(), ERR_USAGE, "needs");
	refuses(f, "start", args_of(&no_service), ERR_NOT_FOUND, "no service 'nothing'");
	refuses(f, "start", args_of(&no_release), -ENOENT, "v9");
	assert_null(instance(f, "nothing"));
	refuses(f, "deploy", json_pack("{s:s, s:s, s:s}", "app", "nope", "kind", "deploy", "by", "test"),
		ERR_NOT_FOUND, "nope");
	refuses(f, "wait", json_pack("{s:i}", "deployment", 99), ERR_NOT_FOUND, "");
	f->control.token[0] ^= 1;
	refuses(f, "hello", NULL, ERR_PERMISSION, "token");
	f->control.token[0] ^= 1;
}

/* A deployment that cannot even begin ends as failed, and whoever waits is told. */
static void ends_deployments(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_releasep) json_t *made =
		ask(f, "deploy",
		    json_pack("{s:s, s:s, s:s, s:s}", "app", "blog", "kind", "deploy", "by", "test", "commit",
			      "0123456789012345678901234567890123456789"));
	int64_t id = json_num(made, "deployment", 0);

	assert_true(id > 0);
	assert_int_equal(json_num(made, "waits_for", -1), 0);
	_cleanup_(json_releasep) json_t *ended =
		ask(f, "wait", json_pack("{s:I}", "deployment", (json_int_t) id));

	assert_string_equal(json_text(ended, "state"), "failed");
	assert_int_not_equal(json_num(ended, "exit_status", 0), 0);
	assert_true(file_exists(json_text(made, "log")));
}

/* A row "running" of the given process, as a daemon before this one would have left it; its id. */
static int64_t add_running(struct fixture *f, pid_t owner, uint64_t owner_start)
{
	_cleanup_(freep) char *db = root_store(f->root);
	_cleanup_(store_close) struct store st = { 0 };
	struct deployment_row row = { .app = (char *) "blog",
				      .kind = (char *) "restart",
				      .by = (char *) "test" };

	assert_int_equal(store_open(&st, db, false, NULL), 0);
	assert_int_equal(store_deployment_add(&st, &row, NULL), 0);
	assert_int_equal(store_deployment_begin(&st, row.id, owner, (int64_t) owner_start, NULL), 0);
	free(row.state);
	return row.id;
}

static void repairs_what_died(void **state)
{
	struct fixture *f = *state;
	struct proc owner;

	end_daemon(f, SIGKILL, 128 + SIGKILL);
	int64_t gone = add_running(f, 999999999, 1);

	start_daemon(f);
	_cleanup_(json_releasep) json_t *ended =
		ask(f, "wait", json_pack("{s:I}", "deployment", (json_int_t) gone));

	assert_string_equal(json_text(ended, "state"), "failed");
	/* one that lives over the daemon's death is watched, and repaired at once when it dies */
	end_daemon(f, SIGTERM, 0);
	start_idler(&owner);
	int64_t alive = add_running(f, owner.pid, proc_start_time(owner.pid));

	start_daemon(f);
	_cleanup_(json_releasep) json_t *args = json_pack("{s:I}", "deployment", (json_int_t) alive),
					*answer = NULL;

	assert_int_equal(control_send(&f->control, "wait", args, NULL), 0);
	proc_done(&owner);
	assert_int_equal(control_receive(&f->control, true, &answer, NULL), 1);
	assert_string_equal(json_text(answer, "state"), "failed");
}

static int64_t deploy(struct fixture *f, const char *commit, int64_t *waits_for)
{
	_cleanup_(json_releasep) json_t *made = ask(f, "deploy",
						    json_pack("{s:s, s:s, s:s, s:s}", "app", "blog", "kind",
							      "deploy", "by", "test", "commit", commit));

	*waits_for = json_num(made, "waits_for", -1);
	return json_num(made, "deployment", 0);
}

static void deploys_the_newest_only(void **state)
{
	struct fixture *f = *state;
	struct proc owner;
	int64_t first, second, third, waits_for;

	end_daemon(f, SIGTERM, 0);
	start_idler(&owner);
	first = add_running(f, owner.pid, proc_start_time(owner.pid));
	start_daemon(f);
	second = deploy(f, "1111111111111111111111111111111111111111", &waits_for);
	assert_int_equal(waits_for, first);
	third = deploy(f, "2222222222222222222222222222222222222222", &waits_for);
	assert_int_equal(waits_for, first);
	_cleanup_(json_releasep) json_t *two =
		ask(f, "wait", json_pack("{s:I}", "deployment", (json_int_t) second));

	assert_string_equal(json_text(two, "state"), "superseded");
	assert_int_equal(json_num(two, "superseded_by", 0), third);
	assert_int_equal(json_num(two, "exit_status", -1), 0);
	proc_done(&owner);
	_cleanup_(json_releasep) json_t *three =
		ask(f, "wait", json_pack("{s:I}", "deployment", (json_int_t) third));

	assert_string_equal(json_text(three, "state"),
			    "failed"); /* there is no such commit, but it was tried */
	json_decref(ask(f, "wait", json_pack("{s:I}", "deployment", (json_int_t) first)));
}

static void reloads(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *config = path_join(f->root, "config.toml");

	assert_int_equal(file_replace(config, "nonsense = 1\n", 13, 0600, NULL), 0);
	refuses(f, "reload", NULL, ERR_REFUSED, "old settings");
	assert_int_equal(unlink(config), 0);
	json_decref(ask(f, "reload", NULL));
}

/* Both an unanswered request and a connection that goes away meanwhile. */
static void loses_a_connection(void **state)
{
	struct fixture *f = *state;
	_cleanup_(json_releasep) json_t *args = json_pack("{s:s}", "app", "blog");

	start(f, (struct key){ 1, 1, "stubborn", 1, 0 });
	await_log(f, "stubborn.1.log", "up\n");
	assert_int_equal(control_send(&f->control, "stop", args, NULL), 0);
	assert_true(poll_until(answers, f, NULL)); /* closes the first one */
	assert_true(poll_until(is_empty, f, NULL));
}

static void retires_the_old(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *db = root_store(f->root);
	_cleanup_(store_close) struct store st = { 0 };
	pid_t old = start(f, (struct key){ 1, 1, "web", 1, 0 }),
	      new = start(f, (struct key){ 2, 1, "web", 1, 0 });
	struct proc worker;
	int64_t version;

	start_idler(&worker);
	assert_int_equal(store_open(&st, db, false, NULL), 0);
	assert_int_equal(store_release_add(&st, "blog", NULL, "test", &version, NULL), 0);
	assert_int_equal(store_release_go_live(&st, "blog", 1, 2, NULL), 0);
	json_decref(ask(f, "retire",
			json_pack("{s:s, s:i, s:i, s:[{s:i, s:I}]}", "app", "blog", "deployment", 2,
				  "timeout_ms", 600000, "workers", "pid", worker.pid, "start",
				  (json_int_t) proc_start_time(worker.pid))));
	assert_true(proc_is_alive(old, proc_start_time(old)));
	proc_done(&worker); /* the last old worker goes */
	json_decref(ask(f, "retire-now", json_pack("{s:s}", "app", "blog")));
	assert_false(proc_is_alive(old, proc_start_time(old)));
	assert_true(proc_is_alive(new, proc_start_time(new)));
	assert_int_equal(stop(f, 2, NULL, 0), 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_and_stops),
		cmocka_unit_test_setup_teardown(starts_and_stops, begin_deep, end),
		TEST(stops_above_what_is_kept),
		TEST(stops_gracefully),
		TEST(stops_all_that_is_left),
		TEST(tells_a_crash_loop),
		TEST(sandboxed_signals),
		TEST(hands_nothing_on),
		TEST(survives_a_killed_daemon),
		TEST(survives_an_ended_daemon),
		TEST(starts_again_what_died),
		TEST(stops_what_nobody_wants),
		TEST(keeps_every_line),
		TEST(rotates_at_a_line),
		TEST(refuses_a_second_one),
		TEST(refuses_what_it_should),
		TEST(ends_deployments),
		TEST(repairs_what_died),
		TEST(deploys_the_newest_only),
		TEST(reloads),
		TEST(loses_a_connection),
		TEST(retires_the_old),
	};

	if (!getenv("SLIPWAYD")) {
		(void) fputs("SLIPWAYD has to name the daemon to be tested\n", stderr);
		return 77;
	}
	(void) setenv("SLIPWAY_TEST_BACKOFF_MS", "5", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
