/*
 * Following a deployment, which is a process of the daemon's: its log as it grows (inotify) and its end (the
 * answer to `wait`), whichever comes first. Leaving here stops nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>

#include "base/file.h"
#include "base/printable.h"
#include "cli/cli.h"
#include "plan/root.h"
#include "store/deployment.h"

enum { AGAIN_MAX = 5 };

struct follower {
	struct cli *cli;
	int64_t id;
	const char *app, *log;
	int fd; /* of the log; -1: not there yet */
	int notify;
};

static void drain(struct follower *f)
{
	char buf[16384];
	ssize_t n;

	if (f->fd < 0) {
		f->fd = open(f->log, O_RDONLY | O_CLOEXEC);
		if (f->fd < 0)
			return;
		(void) inotify_add_watch(f->notify, f->log, IN_MODIFY);
	}
	while ((n = read(f->fd, buf, sizeof buf)) > 0)
		(void) fwrite(buf, 1, (size_t) n, stdout);
	(void) fflush(stdout);
}

/* The log appears when the deployment begins, which may be after another one has ended: its directory is
 * watched. */
static int watch(struct follower *f, struct err **e)
{
	_cleanup_(freep) char *dir = xstrndup(f->log, (size_t) (strrchr(f->log, '/') - f->log));
	int r;

	f->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (f->notify < 0)
		return err_set(e, -errno, "watching %s: %m", f->log);
	r = is_dir(dir) ? 0 : dir_make(dir, 0700, e);
	if (r >= 0 && inotify_add_watch(f->notify, dir, IN_CREATE | IN_MOVED_TO) < 0)
		r = err_set(e, -errno, "watching %s: %m", dir);
	return r;
}

static void empty(int notify)
{
	char buf[4096];

	while (read(notify, buf, sizeof buf) > 0)
		;
}

static int wait_for_end(struct follower *f, json_t **answer, struct err **e)
{
	struct pollfd on[] = { { f->notify, POLLIN, 0 }, { f->cli->control.fd, POLLIN, 0 } };
	int r;

	for (;;) {
		drain(f);
		r = control_receive(&f->cli->control, false, answer, e);
		if (r != 0)
			return r;
		if (poll(on, COUNT(on), -1) < 0 && errno != EINTR)
			return err_set(e, -errno, "waiting for deployment %lld: %m", (long long) f->id);
		empty(f->notify);
	}
}

/* The log tells a person; a script that sent it elsewhere still gets its one line on standard error. */
static void report(const struct follower *f, const json_t *answer)
{
	int64_t newer = json_num(answer, "superseded_by", 0);
	const char *state = json_text(answer, "state"), *error = json_text(answer, "error");
	bool is_internal = f->cli->command && f->cli->command->needs & CLI_HIDDEN;

	if (newer)
		(void) printf("-----> superseded by a newer one, deployment %lld\n", (long long) newer);
	if (!error || (f->fd >= 0 && (is_internal || isatty(STDOUT_FILENO))))
		return;
	_cleanup_(freep) char *text = printable_line(error);

	(void) fflush(stdout);
	(void) fprintf(stderr, "slipway: deployment %lld of '%s' %s: %s; its log: %s\n", (long long) f->id,
		       f->app, str_eq(state, "rolled back") ? "was rolled back" : "failed", text, f->log);
}

/* Asks again when the daemon is restarted: the deployment goes on. */
static int ask_and_wait(struct follower *f, const json_t *args, json_t **answer, struct err **e)
{
	struct control *c = &f->cli->control;

	for (int tries = 0;; tries++) {
		_cleanup_(err_freep) struct err *why = NULL;
		int r = control_send(c, "wait", args, &why);

		if (r >= 0)
			r = wait_for_end(f, answer, &why);
		if (r < 0 && c->is_gone && tries < AGAIN_MAX && control_again(c, NULL) >= 0)
			continue;
		if (e && !*e)
			*e = TAKE(why);
		return r;
	}
}

static int follow_log(struct follower *f, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_object(), *answer = NULL;
	int r = watch(f, e);

	json_put_num(args, "deployment", f->id);
	if (r >= 0)
		r = ask_and_wait(f, args, &answer, e);
	if (r < 0)
		return err_wrap(
			e, r,
			"deployment %lld of '%s' goes on without us; `slipway logs %s deploy -f` follows it "
			"again",
			(long long) f->id, f->app, f->app);
	drain(f);
	report(f, answer);
	return (int) json_num(answer, "exit_status", 1);
}

static int follow(struct cli *cli, int64_t id, const char *app, const char *log, struct err **e)
{
	struct follower f = { cli, id, app, log, -1, -1 };
	int r = follow_log(&f, e);

	closep(&f.fd);
	closep(&f.notify);
	return r;
}

/* Where whoever asks is connected from: sshd says "ADDRESS PORT PORT". */
static void put_client(json_t *request)
{
	const char *ssh = getenv("SSH_CLIENT");
	_cleanup_(freep) char *address = ssh ? xstrndup(ssh, strcspn(ssh, " ")) : NULL;
	json_t *args = json_object_get(request, "args");

	if (!address || !*address)
		return;
	args = json_is_object(args) ? json_copy(args) : json_object();
	json_put_text(args, "client", address);
	(void) json_object_set_new(request, "args", args);
}

int follow_request(struct cli *cli, const json_t *args, struct err **e)
{
	_cleanup_(json_releasep) json_t *all = json_copy((json_t *) args), *answer = NULL;
	_cleanup_(freep) char *log = NULL;
	const char *app = json_text(args, "app");
	int r = cli_open_control(cli, e);

	if (!json_object_get(all, "by")) /* the git hook knows better */
		json_put_text(all, "by", cli->who.by);
	if (!json_object_get(all, "fingerprint"))
		json_put_text(all, "fingerprint", cli->who.fingerprint);
	put_client(all);
	if (r >= 0)
		r = control_call(&cli->control, "deploy", all, &answer, e);
	if (r < 0)
		return r;

	int64_t id = json_num(answer, "deployment", 0), other = json_num(answer, "waits_for", 0);

	log = json_text(answer, "log") ? xstrdup(json_text(answer, "log"))
				       : root_deploy_log(cli->root, app, (long) id);
	if (cli_option(cli, "no-wait")) {
		(void) printf("%lld\n", (long long) id);
		return 0;
	}
	if (other)
		(void) printf("-----> waiting for deployment %lld, which runs now\n", (long long) other);
	return follow(cli, id, app, log, e);
}

int follow_deployment(struct cli *cli, int64_t id, struct err **e)
{
	struct deployment_row row = { 0 };
	_cleanup_(freep) char *log = NULL;
	int r = cli_open_store(cli, e);

	if (r >= 0)
		r = store_deployment_get(&cli->store, id, &row, e);
	if (r >= 0)
		r = cli_open_control(cli, e);
	if (r >= 0) {
		log = root_deploy_log(cli->root, row.app, (long) id);
		r = follow(cli, id, row.app, log, e);
	}
	deployment_row_done(&row);
	return r;
}
