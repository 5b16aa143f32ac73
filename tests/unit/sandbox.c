/* The sandbox with the real bubblewrap: what is seen, what can be written, how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/proc.h"
#include "base/sandbox.h"
#include "base/str.h"

/* A root directory with one app's release, data and a secret, beside a home with programs. */
struct place {
	char *dir;
	struct sandbox box;
};

static char *at(const struct place *p, const char *path)
{
	return path_join(p->dir, path);
}

static void put(const struct place *p, const char *path, const char *text, mode_t mode)
{
	_cleanup_(freep) char *full = at(p, path),
			      *dir = xstrndup(full, (size_t) (strrchr(full, '/') - full));

	assert_int_equal(dir_make(dir, 0755, NULL), 0);
	assert_int_equal(file_replace(full, text, strlen(text), mode, NULL), 0);
}

static void link_to(const struct place *p, const char *target, const char *path)
{
	_cleanup_(freep) char *full = at(p, path),
			      *dir = xstrndup(full, (size_t) (strrchr(full, '/') - full));

	assert_int_equal(dir_make(dir, 0755, NULL), 0);
	assert_int_equal(symlink(target, full), 0);
}

static int enter(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);

	p->dir = xstrdup("/tmp/slipway-sandbox-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	put(p, "root/run/token", "secret\n", 0600);
	put(p, "root/releases/app/v1/src/file", "code\n", 0644);
	put(p, "root/releases/other/v1/src/file", "secret\n", 0644);
	put(p, "root/data/app/file", "data\n", 0644);
	p->box.level = SANDBOX_BWRAP;
	strv_push(&p->box.hide, at(p, "root"));
	strv_push(&p->box.read, at(p, "root/releases/app"));
	strv_push(&p->box.read, at(p, "root/none/read"));
	strv_push(&p->box.write, at(p, "root/data/app"));
	strv_push(&p->box.write, at(p, "root/none/write"));
	*state = p;
	return 0;
}

static int leave(void **state)
{
	struct place *p = *state;
	int r = tree_remove(p->dir, NULL);

	sandbox_done(&p->box);
	free(p->dir);
	free(p);
	return r;
}

static void need(enum sandbox_level level)
{
	if (sandbox_in_force(&(struct sandbox){ .level = level }, NULL) != level)
		skip();
}

static void need_bwrap(void)
{
	need(SANDBOX_BWRAP);
}

/* sh -c SCRIPT in the sandbox, with $1 the test's directory. */
static void compose(const struct place *p, const char *program, const char *script, struct strv *argv)
{
	_cleanup_(freep) char *cwd = at(p, "root/releases/app/v1/src");

	sandbox_prefix(&p->box, cwd, program, NULL, argv);
	STRV_ADD(argv, "/bin/sh", "-c", script, "sh", p->dir);
}

static int run_with(const struct place *p, const char *program, const char *script, char **out)
{
	_cleanup_(strv_done) struct strv argv = { 0 };
	char *env[] = { (char[]){ "PATH=/usr/bin:/bin" }, NULL };

	compose(p, program, script, &argv);
	return proc_run(argv.v, env, "/", 60000, out, NULL);
}

static const struct row {
	const char *name, *script, *want;
	int status;
	bool by_namespace; /* Landlock alone does not do it */
} rows[] = {
	{ "its code is seen", "cat file", "code\n", 0 },
	{ "its status is passed on", "exit 42", "", 42 },
	{ "a signal's status is passed on", "kill -KILL $$", "", 128 + SIGKILL },
	{ "the root shows only what is its own", "cd $1/root && find . -type f | sort",
	  "./data/app/file\n./releases/app/v1/src/file\n", 0, true },
	{ "secrets are not there", "cat $1/root/run/token 2>/dev/null || echo no", "no\n", 0 },
	{ "its code is read-only", "(echo x > file) 2>/dev/null || echo no", "no\n", 0 },
	{ "its data is writable", "echo new > $1/root/data/app/file && cat $1/root/data/app/file", "new\n",
	  0 },
	{ "nothing can be written beside it", "(echo x > $1/root/x) 2>/dev/null || echo no", "no\n", 0 },
	{ "nor at the top", "(echo x > /x) 2>/dev/null || echo no", "no\n", 0 },
	{ "nor into the system",
	  "for d in /usr /etc /usr/local /var /run /opt; do (: > $d/slipway-x) 2>/dev/null && echo $d; done; "
	  ":",
	  "", 0 },
	{ "nor the kernel's settings",
	  "(: >> /proc/sys/kernel/core_pattern) 2>/dev/null && echo written; :", "", 0 },
	{ "/tmp is its own", "find /tmp -name 'slipway-*' | grep -vx $1; echo x > /tmp/x && cat /tmp/x",
	  "x\n", 0, true },
	{ "/tmp has its usual mode", "stat -c %a /tmp /var/tmp", "1777\n1777\n", 0, true },
	{ "homes are not there", "ls -d /root /home /srv /mnt /media 2>/dev/null; :", "", 0, true },
	{ "no sockets of the host", "find /run /var -type s | grep -v systemd/resolve; :", "", 0, true },
	{ "no processes of the host", "[ $(ls -d /proc/[0-9]* | wc -l) -lt 8 ] && echo few", "few\n", 0,
	  true },
	{ "no capabilities",
	  "grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | grep -v 0000000000000000; :", "", 0 },
	{ "nothing more can be had", "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n", 0 },
	{ "the host's passwords are covered", "cat /etc/shadow /etc/gshadow 2>/dev/null || echo no", "no\n",
	  0 },
	{ "names resolve",
	  "getent hosts localhost > /dev/null && cat /etc/resolv.conf > /dev/null && echo yes", "yes\n", 0 },
	{ "devices work", "echo x > /dev/null && head -c1 /dev/urandom | wc -c", "1\n", 0 },
	{ "signals have their default action", "grep -c '^SigIgn:.*0000000$' /proc/self/status", "1\n", 0 },
};

struct level_row {
	const struct row *row;
	enum sandbox_level level;
};

static void runs(void **state)
{
	const struct level_row *at = *state;
	const struct row *row = at->row;
	_cleanup_(freep) char *out = NULL;
	void *place;

	need(at->level);
	assert_int_equal(enter(&place), 0);
	((struct place *) place)->box.level = at->level;
	int status = run_with(place, NULL, row->script, &out);
	assert_string_equal(out, row->want);
	assert_int_equal(status, row->status);
	assert_int_equal(leave(&place), 0);
}

static void what_is_written_stays(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *file = at(p, "root/data/app/new"), *text = NULL;

	need_bwrap();
	assert_int_equal(run_with(p, NULL, "echo kept > $1/root/data/app/new; : > /tmp/slipway-left", NULL),
			 0);
	assert_int_equal(file_read(file, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "kept\n");
	assert_false(file_exists("/tmp/slipway-left"));
}

static void missing_directory_is_an_error(void **state)
{
	const struct place *p = *state;
	_cleanup_(strv_done) struct strv argv = { 0 };

	need_bwrap();
	sandbox_prefix(&p->box, "/nonexistent", NULL, NULL, &argv);
	STRV_ADD(&argv, "/bin/true");
	assert_true(proc_run(argv.v, NULL, "/", 60000, NULL, NULL) > 0);
}

/* A virtual environment whose python is a link to a link, each in an installation of its own. */
static void interpreters_are_followed(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *python = at(p, "pyenv/bin/python3"), *current = at(p, "node/current/bin/node");
	_cleanup_(freep) char *venv = at(p, "root/deps/app/1/bin/python"), *out = NULL;
	_cleanup_(freep) char *script = xasprintf("#!/bin/sh\ncat %s/python-3.11/lib/x\n", p->dir);

	need_bwrap();
	put(p, "python-3.11/bin/python3.11", script, 0755);
	put(p, "python-3.11/lib/x", "library\n", 0644);
	put(p, "secret", "secret\n", 0644);
	link_to(p, "../../python-3.11/bin/python3.11", "pyenv/bin/python3");
	link_to(p, python, "root/deps/app/1/bin/python");
	assert_int_equal(run_with(p, venv,
				  "$1/root/deps/app/1/bin/python; cat $1/secret 2>/dev/null || echo no",
				  &out),
			 0);
	assert_string_equal(out, "library\nno\n");
	free(TAKE(out));
	put(p, "node/v20/bin/node", "#!/bin/sh\necho node\n", 0755); /* a link amid the path */
	link_to(p, "v20", "node/current");
	assert_int_equal(run_with(p, current, "$1/node/current/bin/node && $1/node/v20/bin/node", &out), 0);
	assert_string_equal(out, "node\nnode\n");
}

static void programs_unhide_nothing(void **state)
{
	struct place *p = *state;
	_cleanup_(freep) char *tool = at(p, "home/bin/tool"), *local = at(p, "home/.local/bin/tool"),
			      *out = NULL;

	need_bwrap();
	put(p, "home/bin/tool", "#!/bin/sh\necho tool\n", 0755);
	put(p, "home/.slipway/run/token", "secret\n", 0600);
	strv_push(&p->box.hide, at(p, "home/.slipway"));
	assert_int_equal(run_with(p, tool,
				  "$1/home/bin/tool; cat $1/home/.slipway/run/token 2>/dev/null || echo no",
				  &out),
			 0);
	assert_string_equal(out, "tool\nno\n");
	free(TAKE(out));
	put(p, "home/.local/bin/tool", "#!/bin/sh\necho local\n", 0755);
	put(p, "home/.local/share/keys", "secret\n", 0600);
	assert_int_equal(
		run_with(p, local,
			 "$1/home/.local/bin/tool; cat $1/home/.local/share/keys 2>/dev/null || echo no",
			 &out),
		0);
	assert_string_equal(out, "local\nno\n");
}

static void links_lead_into_it(void **state)
{
	struct place *p = *state;
	_cleanup_(freep) char *out = NULL;

	need_bwrap();
	put(p, "real/lib/file", "x\n", 0644);
	link_to(p, "real", "alias");
	strv_push(&p->box.read, at(p, "alias/lib"));
	assert_int_equal(run_with(p, NULL, "cat $1/alias/lib/file $1/real/lib/file", &out), 0);
	assert_string_equal(out, "x\nx\n");
}

/* --- how it ends --- */

/* Starts a script as the supervisor does: with the signals ignored, so that only the command gets them. */
static void start(const struct place *p, const char *script, struct strv *argv, struct proc *proc)
{
	char byte;

	STRV_ADD(argv, "/usr/bin/env", "--ignore-signal=HUP,INT,QUIT,TERM,USR1,USR2");
	compose(p, NULL, script, argv);
	*proc = PROC(argv->v);
	assert_int_equal(proc_start(proc, NULL), 0);
	struct pollfd fd = { .fd = proc->pipe, .events = POLLIN };
	assert_int_equal(poll(&fd, 1, 60000), 1); /* it says that it is ready */
	assert_int_equal(read(proc->pipe, &byte, 1), 1);
}

/* Everything that could write to the pipe is gone. */
static void assert_nothing_left(const struct proc *proc)
{
	struct pollfd fd = { .fd = proc->pipe, .events = POLLIN };
	char buf[256];
	ssize_t n;

	do {
		assert_int_equal(poll(&fd, 1, 60000), 1);
		n = read(proc->pipe, buf, sizeof buf);
	} while (n > 0);
	assert_int_equal(n, 0);
}

static const struct end_row {
	const char *name, *script;
	int signal, status;
	bool to_leader; /* not to the group */
} end_rows[] = {
	{ "TERM to the group ends it", "echo r; exec sleep 1000", SIGTERM, 128 + SIGTERM, false },
	{ "TERM can be caught", "trap 'exit 9' TERM; echo r; sleep 1000 & wait", SIGTERM, 9, false },
	{ "INT as well", "trap 'exit 8' INT; echo r; sleep 1000 & wait", SIGINT, 8, false },
	{ "what runs on in the background ends too",
	  "trap 'exit 7' TERM; setsid sh -c 'trap \"\" TERM; sleep 1000' & echo r; wait", SIGTERM, 7, false },
	{ "KILL to the group leaves nothing", "setsid sleep 1000 & echo r; wait", SIGKILL, 128 + SIGKILL,
	  false },
	{ "KILL to the leader leaves nothing", "setsid sleep 1000 & echo r; wait", SIGKILL, 128 + SIGKILL,
	  true },
};

static void ends(void **state)
{
	const struct end_row *row = *state;
	_cleanup_(strv_done) struct strv argv = { 0 };
	_cleanup_(proc_done) struct proc proc = PROC(NULL);
	void *place;

	need(SANDBOX_BOTH);
	assert_int_equal(enter(&place), 0);
	((struct place *) place)->box.level = SANDBOX_BOTH;
	start(place, row->script, &argv, &proc);
	assert_int_equal(kill(row->to_leader ? proc.pid : -proc.pid, row->signal), 0);
	assert_int_equal(proc_wait(&proc, NULL), 0);
	assert_int_equal(proc.status, row->status);
	assert_nothing_left(&proc);
	assert_int_equal(leave(&place), 0);
}

/* --- the arguments alone --- */

static void other_levels_add_nothing(void **state UNUSED)
{
	static const enum sandbox_level levels[] = { SANDBOX_OFF, SANDBOX_NONE };

	for (size_t i = 0; i < COUNT(levels); i++) {
		_cleanup_(strv_done) struct strv argv = { 0 };

		sandbox_prefix(&(struct sandbox){ .level = levels[i] }, "/", "/x/bin/y", NULL, &argv);
		assert_int_equal(argv.n, 0);
	}
	assert_string_equal(sandbox_level_name(SANDBOX_OFF), "off");
}

static const struct force_row {
	const char *name;
	enum sandbox_level wish, want;
	const char *bwrap; /* what slipwayd found */
	unsigned abi;
} force_rows[] = {
	{ "both where both work", SANDBOX_BOTH, SANDBOX_BOTH, "/usr/bin/bwrap", 0 },
	{ "bwrap when asked for", SANDBOX_BWRAP, SANDBOX_BWRAP, "/usr/bin/bwrap", 0 },
	{ "Landlock when asked for", SANDBOX_LANDLOCK, SANDBOX_LANDLOCK, "/usr/bin/bwrap", 0 },
	{ "off when asked for", SANDBOX_OFF, SANDBOX_OFF, "/usr/bin/bwrap", 0 },
	{ "Landlock where namespaces are refused", SANDBOX_BOTH, SANDBOX_LANDLOCK, "", 0 },
	{ "the other layer for one that is not there", SANDBOX_BWRAP, SANDBOX_LANDLOCK, "", 0 },
	{ "a Landlock that cannot allow moving only alone", SANDBOX_BOTH, SANDBOX_BWRAP, "/usr/bin/bwrap",
	  1 },
	{ "but then it does", SANDBOX_BOTH, SANDBOX_LANDLOCK, "", 1 },
};

static void in_force(void **state)
{
	const struct force_row *row = *state;
	struct sandbox s = { .level = row->wish, .landlock_abi = row->abi };

	if (sandbox_abi(&(struct sandbox){ 0 }) < 2)
		skip();
	assert_int_equal(setenv("SLIPWAY_BWRAP", row->bwrap, 1), 0);
	enum sandbox_level got = sandbox_in_force(&s, NULL);
	assert_int_equal(unsetenv("SLIPWAY_BWRAP"), 0);
	assert_string_equal(sandbox_level_name(got), sandbox_level_name(row->want));
}

/* What is moved from code to data stays one file; bwrap's mounts are file systems of their own to rename(2).
 */
static void moves_between_its_own(void **state)
{
	struct place *p = *state;
	_cleanup_(freep) char *out = NULL;

	need(SANDBOX_LANDLOCK);
	p->box.level = SANDBOX_LANDLOCK;
	strv_push(&p->box.write, at(p, "root/releases/app"));
	assert_int_equal(
		run_with(p, NULL,
			 "perl -e 'rename(\"file\", \"$ARGV[0]/root/data/app/moved\") or print \"$!\"' $1",
			 &out),
		0);
	assert_string_equal(out, sandbox_abi(&p->box) < 2 ? "Invalid cross-device link" : "");
}

static void temporary_files_have_a_place(void **state)
{
	struct place *p = *state;
	_cleanup_(freep) char *out = NULL, *want = NULL;

	need(SANDBOX_LANDLOCK);
	p->box.level = SANDBOX_LANDLOCK;
	p->box.tmp = at(p, "root/data/app/tmp");
	want = xasprintf("%s\nno\n", p->box.tmp);
	assert_int_equal(
		run_with(p, NULL, "dirname $(mktemp); (: > /tmp/slipway-x) 2>/dev/null || echo no", &out), 0);
	assert_string_equal(out, want);
}

/* The log is a FIFO where the app sees nothing; /dev/stdout opens it again. */
static void its_own_output_can_be_opened(void **state)
{
	struct place *p = *state;
	static const enum sandbox_level levels[] = { SANDBOX_LANDLOCK, SANDBOX_BOTH };
	_cleanup_(freep) char *log = at(p, "root/run/log"), *text = NULL;

	put(p, "root/run/log", "", 0600);
	for (size_t i = 0; i < COUNT(levels); i++) {
		_cleanup_(strv_done) struct strv argv = { 0 };
		_cleanup_(closep) int fd = open(log, O_RDWR | O_APPEND | O_CLOEXEC);
		_cleanup_(proc_done) struct proc proc = PROC(NULL);

		need(levels[i]);
		p->box.level = levels[i];
		compose(p, NULL, "echo said >> /dev/stdout", &argv);
		proc.argv = argv.v;
		proc.out = proc.err = fd;
		assert_int_equal(proc_start(&proc, NULL), 0);
		assert_int_equal(proc_wait(&proc, NULL), 0);
		assert_int_equal(proc.status, 0);
	}
	assert_int_equal(file_read(log, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "said\nsaid\n");
}

static void json_round_trip(void **state)
{
	const struct place *p = *state;
	_cleanup_(json_releasep) json_t *j = sandbox_to_json(&p->box);
	_cleanup_(sandbox_done) struct sandbox copy = { 0 }, back = { 0 };

	sandbox_copy(&copy, &p->box);
	sandbox_from_json(j, &back);
	assert_int_equal(back.level, SANDBOX_BWRAP);
	assert_int_equal(back.read.n, 2);
	assert_string_equal(back.hide.v[0], p->box.hide.v[0]);
	assert_string_equal(back.write.v[0], copy.write.v[0]);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*fn)(void **state);
	} single[] = {
		{ "what is written stays", what_is_written_stays },
		{ "a working directory that is not there", missing_directory_is_an_error },
		{ "interpreters are followed through their links", interpreters_are_followed },
		{ "a program's prefix unhides nothing", programs_unhide_nothing },
		{ "a path is shown by both of its names", links_lead_into_it },
		{ "its own output can be opened again", its_own_output_can_be_opened },
		{ "temporary files have a place", temporary_files_have_a_place },
		{ "files move between its directories", moves_between_its_own },
		{ "other levels add nothing", other_levels_add_nothing },
		{ "JSON and back", json_round_trip },
	};
	static const enum sandbox_level levels[] = { SANDBOX_LANDLOCK, SANDBOX_BWRAP, SANDBOX_BOTH };
	static struct level_row level_rows[COUNT(levels) * COUNT(rows)];
	struct CMUnitTest tests[COUNT(level_rows) + COUNT(end_rows) + COUNT(force_rows) + COUNT(single)];
	char *names[COUNT(level_rows)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(level_rows); i++) {
		level_rows[n] = (struct level_row){ &rows[i % COUNT(rows)], levels[i / COUNT(rows)] };
		if (level_rows[n].row->by_namespace && level_rows[n].level == SANDBOX_LANDLOCK)
			continue;
		names[n] =
			xasprintf("%s: %s", sandbox_level_name(level_rows[n].level), level_rows[n].row->name);
		tests[n] = (struct CMUnitTest){ names[n], runs, NULL, NULL, &level_rows[n] };
		n++;
	}
	size_t named = n;

	for (size_t i = 0; i < COUNT(force_rows); i++)
		tests[n++] = (struct CMUnitTest){ force_rows[i].name, in_force, NULL, NULL,
						  (void *) &force_rows[i] };
	for (size_t i = 0; i < COUNT(end_rows); i++)
		tests[n++] = (struct CMUnitTest){ end_rows[i].name, ends, NULL, NULL, (void *) &end_rows[i] };
	for (size_t i = 0; i < COUNT(single); i++)
		tests[n++] = (struct CMUnitTest){ single[i].name, single[i].fn, enter, leave, NULL };
	int failed = _cmocka_run_group_tests("sandbox", tests, n, NULL, NULL);

	while (named)
		free(names[--named]);
	return failed;
}
