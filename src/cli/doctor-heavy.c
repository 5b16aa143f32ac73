/* doctor: the root directory, the store, and what runs for them; and the report. */
#include "cli/doctor.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/proc.h"
#include "cli/cli-internal.h"
#include "daemon/daemon.h"
#include "plan/root.h"
#include "router/router.h"

enum { NGINX_TIMEOUT_MS = 20000 };

void doctor_say(struct doctor *d, enum finding_state state, const char *name, char *text, char *advice)
{
	*GROW(&d->v, &d->n) = (struct finding){ name, state, text, advice };
}

/* Takes over *e. */
static void say_error(struct doctor *d, const char *name, struct err **e, char *advice)
{
	doctor_say(d, FINDING_FAILED, name, err_text(*e), advice);
	*e = err_free(*e);
}

/* ---- files ---- */

static void check_root(struct doctor *d)
{
	_cleanup_(strv_done) struct strv faults = { 0 };

	root_check(d->cli->root, &faults);
	for (size_t i = 0; i < faults.n; i++)
		doctor_say(d, FINDING_FAILED, "root", xstrdup(faults.v[i]),
			   xstrdup("`slipway setup` makes what is missing and closes what is secret; else "
				   "chown or chmod it"));
	if (!faults.n)
		SAY_OK(d, "root", "%s", d->cli->root);
}

static bool check_store(struct doctor *d)
{
	_cleanup_(err_freep) struct err *e = NULL;
	int r = cli_open_store(d->cli, &e);

	if (r >= 0)
		r = store_check(&d->cli->store, &e);
	if (r < 0)
		say_error(d, "store", &e, NULL); /* the store's errors say what to do */
	else
		SAY_OK(d, "store", "whole, of this version's schema");
	return r >= 0;
}

static void check_config(struct doctor *d)
{
	_cleanup_(err_freep) struct err *e = NULL;

	d->has_host = host_read(&d->host, d->cli->root, &e) >= 0;
	if (d->has_host)
		SAY_OK(d, "config.toml", "understood");
	else
		say_error(d, "config.toml", &e, xstrdup("slipwayd starts only when it is put right"));
}

static void check_secret(struct doctor *d, const char *name)
{
	_cleanup_(freep) char *path = root_path(d->cli->root, "run/%s", name);
	struct stat st;

	if (stat(path, &st) < 0)
		doctor_say(d, FINDING_FAILED, "control", xasprintf("%s: %m", path),
			   xstrdup("restart slipwayd, which makes it"));
	else if (st.st_mode & 077 || st.st_uid != geteuid())
		doctor_say(d, FINDING_FAILED, "control",
			   xasprintf("%s is not its owner's alone (mode %03o, user %u)", path,
				     st.st_mode & 0777U, (unsigned) st.st_uid),
			   xasprintf("chmod 600 %s", path));
	else
		SAY_OK(d, "control", "run/%s", name);
}

/* ---- what runs ---- */

static void judge_version(struct doctor *d, const char *version, int64_t pid)
{
	if (str_eq(version, VERSION))
		SAY_OK(d, "slipwayd", "runs, version %s, pid %lld", version, (long long) pid);
	else
		doctor_say(d, FINDING_FAILED, "slipwayd",
			   xasprintf("runs as version %s, and this is %s", version, VERSION),
			   xstrdup("restart slipwayd; the apps go on meanwhile"));
}

/* *router_pid: of the private nginx. */
static bool check_daemon(struct doctor *d, int64_t *router_pid)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(json_releasep) json_t *answer = NULL;
	int r = cli_open_control(d->cli, &e);

	if (r >= 0)
		r = control_call(&d->cli->control, "hello", NULL, &answer, &e);
	if (r < 0) {
		say_error(d, "slipwayd", &e,
			  xstrdup("start slipwayd; until then nothing is deployed or restarted"));
		return false;
	}
	judge_version(d, json_text(answer, "version"), json_num(answer, "pid", 0));
	*router_pid = json_num(answer, "router_pid", 0);
	return true;
}

static void check_keeper(struct doctor *d)
{
	pid_t pid = keeper_find(d->cli->root);

	if (pid > 0)
		SAY_OK(d, "log keeper", "runs, pid %d", (int) pid);
	else
		doctor_say(d, FINDING_FAILED, "log keeper",
			   xstrdup("does not run: what apps write is not kept"),
			   xstrdup("slipwayd starts it within seconds; logs/keeper.log says why it ends"));
}

/* The last line that is not the summary says what is wrong. */
static char *nginx_words(const char *text)
{
	const char *emerg = strstr(text, "[emerg] ");
	const char *from = emerg ? emerg + strlen("[emerg] ") : text;

	return xstrndup(from, strcspn(from, "\n"));
}

static void test_nginx(struct doctor *d, const char *program)
{
	_cleanup_(freep) char *conf = root_path(d->cli->root, "run/nginx.conf"), *said = NULL;
	char *argv[] = { (char *) program, (char *) "-t", (char *) "-c", conf, NULL };
	_cleanup_(err_freep) struct err *e = NULL;
	int status = proc_run(argv, NULL, NULL, NGINX_TIMEOUT_MS, &said, &e);

	if (status < 0)
		say_error(d, "nginx", &e, NULL);
	else if (status > 0)
		doctor_say(d, FINDING_FAILED, "nginx", nginx_words(said),
			   xstrdup("put the file right, or deploy the app that it belongs to again"));
	else
		SAY_OK(d, "nginx", "its configuration is valid");
}

static void check_private_nginx(struct doctor *d, const char *program, bool has_daemon, int64_t pid)
{
	if (pid > 0)
		SAY_OK(d, "nginx", "%s runs, pid %lld, ports %u and %u", program, (long long) pid,
		       d->host.http_port, d->host.https_port);
	else if (has_daemon)
		doctor_say(d, FINDING_FAILED, "nginx", xstrdup("the private nginx does not run"),
			   xstrdup("logs/nginx.log and slipwayd's own output say why; often another program "
				   "has its ports"));
	if (pid > 0)
		test_nginx(d, program);
}

/* The helper tests what is there, and changes nothing. Its errors say what to start. */
static void check_system_nginx(struct doctor *d, const char *program)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *words = NULL;
	int r = nginx_helper_ask(d->host.nginx_helper, "test", &words, &e);

	if (r < 0)
		say_error(d, "nginx", &e, NULL);
	else if (r > 0)
		doctor_say(d, FINDING_FAILED, "nginx", TAKE(words),
			   xstrdup("put the file right, or deploy the app that it belongs to again"));
	else if (!nginx_system_runs())
		doctor_say(d, FINDING_FAILED, "nginx", xstrdup("the system's nginx does not run"),
			   xstrdup("systemctl start nginx"));
	else
		SAY_OK(d, "nginx", "%s, the system's: its configuration is valid with the apps' in it",
		       program);
}

static void check_router(struct doctor *d, bool has_daemon, int64_t pid)
{
	_cleanup_(freep) char *path = NULL, *program = NULL;

	if (!d->has_host || !str_eq(d->host.router, "nginx"))
		return;
	path = xasprintf("%s:/usr/local/sbin:/usr/sbin:/sbin", d->host.tool_path);
	program = find_program("nginx", path);
	if (!program)
		doctor_say(d, FINDING_FAILED, "nginx",
			   xstrdup("it is not installed: no app is reached by HTTP"),
			   xstrdup("install nginx (Debian: apt install nginx-light), or set [router] kind = "
				   "\"none\""));
	else if (d->host.nginx_is_private)
		check_private_nginx(d, program, has_daemon, pid);
	else
		check_system_nginx(d, program);
}

static void check_running(struct doctor *d)
{
	int64_t router_pid = 0;
	bool has_daemon = check_daemon(d, &router_pid);

	doctor_units(d);
	if (has_daemon) {
		check_secret(d, "token");
		check_secret(d, "slipwayd.sock");
		check_keeper(d);
	}
	check_router(d, has_daemon, router_pid);
}

static void check_all(struct doctor *d)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *store = NULL;

	if (root_find(&d->cli->root, &e) < 0) {
		say_error(d, "root", &e, NULL);
	} else if (store = root_store(d->cli->root), !file_exists(store)) {
		doctor_say(d, FINDING_FAILED, "root", xasprintf("nothing is set up in %s", d->cli->root),
			   xstrdup("run `slipway setup`, or say --root DIR"));
	} else {
		check_root(d);
		check_config(d);
		if (check_store(d))
			check_running(d);
	}
	doctor_machine(d);
}

/* ---- the report ---- */

static const char *const states[] = { "ok", "warning", "failed" };

static void print_json(const struct doctor *d)
{
	_cleanup_(json_releasep) json_t *all = json_array();

	for (size_t i = 0; i < d->n; i++) {
		json_t *j = json_object();

		json_put_text(j, "name", d->v[i].name);
		json_put_text(j, "state", states[d->v[i].state]);
		json_put_text(j, "text", d->v[i].text);
		json_put_text(j, "advice", d->v[i].advice);
		(void) json_array_append_new(all, j);
	}
	json_print(all);
}

static void print_findings(const struct doctor *d)
{
	const char *const colours[] = { cli_green(), cli_yellow(), cli_red() };
	int width = 0;

	for (size_t i = 0; i < d->n; i++)
		width = (int) strlen(d->v[i].name) > width ? (int) strlen(d->v[i].name) : width;
	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->v[i];

		(void) printf("%s%-7s%s  %-*s  %s\n", colours[f->state], states[f->state], cli_reset(), width,
			      f->name, f->text);
		if (f->advice)
			(void) printf("%*s  -> %s\n", 9 + width, "", f->advice);
	}
}

static void doctor_done(struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].text);
		free(d->v[i].advice);
	}
	free(d->v);
	host_done(&d->host);
}

int doctor_run(struct cli *cli, char **argv UNUSED, struct err **e UNUSED)
{
	_cleanup_(doctor_done) struct doctor d = { .cli = cli };
	int status = 0;

	check_all(&d);
	for (size_t i = 0; i < d.n; i++)
		if (d.v[i].state == FINDING_FAILED)
			status = 1;
	if (cli->is_json)
		print_json(&d);
	else
		print_findings(&d);
	return status;
}
