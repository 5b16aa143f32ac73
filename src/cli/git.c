/* The server's side of `git push` and `git clone`: what git calls over SSH. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/printable.h"
#include "cli/cli.h"
#include "plan/name.h"
#include "plan/plan.h"
#include "plan/room.h"
#include "plan/root.h"
#include "source/git.h"
#include "store/deployment.h"
#include "store/event.h"

#define TOKEN_DIGITS  32
#define UPDATES_BYTES (1 << 20)

struct push {
	struct cli *cli;
	char *app;
	char token[TOKEN_DIGITS + 1];
	bool is_known; /* the app is in the store */
	int repo;      /* holds a shared lock on the repository's directory while its refs may change */
};

static int token_make(char *token, struct err **e)
{
	unsigned char random[TOKEN_DIGITS / 2];

	if (getrandom(random, sizeof random, 0) != sizeof random)
		return err_set(e, -errno, "random numbers: %m");
	for (size_t i = 0; i < sizeof random; i++)
		(void) snprintf(token + 2 * i, 3, "%02x", random[i]);
	return 0;
}

/* Where the hook leaves its exit status, which git does not hand on. */
static char *report_path(const char *root, const char *token)
{
	return root_path(root, "run/push-%s", token);
}

static void push_done(struct push *p)
{
	_cleanup_(freep) char *path = report_path(p->cli->root, p->token);

	if (*p->token)
		(void) unlink(path);
	closep(&p->repo);
	free(p->app);
}

/* Makes the repository and locks it. Somebody who cleans up after a push without refs may remove it in
 * between. */
static int repo_hold(struct push *p, struct err **e)
{
	_cleanup_(freep) char *path = root_repo(p->cli->root, p->app);

	for (;;) {
		struct stat held, now;
		int r = git_repo_make(p->cli->root, p->app, e);

		if (r < 0)
			return r;
		_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || flock(fd, LOCK_SH) < 0 || fstat(fd, &held) < 0)
			return err_set(e, -errno, "locking %s: %m", path);
		if (stat(path, &now) == 0 && now.st_ino == held.st_ino &&
		    git_repo_exists(p->cli->root, p->app)) {
			p->repo = take_fd(&fd);
			return 0;
		}
	}
}

/* A first push that brought nothing leaves nothing behind, unless another push is under way. */
static int forget_empty(struct push *p, struct err **e)
{
	_cleanup_(app_row_done) struct app_row row = { 0 };
	int r = store_app_get(&p->cli->store, p->app, &row, p->is_known ? e : NULL);

	if (r == ERR_NOT_FOUND && !p->is_known)
		return git_repo_forget(p->cli->root, p->app, p->repo, e);
	if (r < 0 || row.last_deployment != 0)
		return r;
	r = git_repo_forget(p->cli->root, p->app, p->repo, e);
	return r <= 0 ? r : store_app_remove(&p->cli->store, p->app, e);
}

static bool has_failed(const struct deployment_row *d)
{
	return str_eq(d->state, "failed") || str_eq(d->state, "rolled back");
}

/* git found everything up to date. That is no good news when the deployment of what is there had failed. */
static int judge_unchanged(struct push *p, struct err **e)
{
	_cleanup_(freep) char *commit = NULL, *ref = NULL;
	struct deployment_row *rows = NULL;
	size_t n = 0;
	int status = 0, r = git_pushed(p->cli->root, p->app, &commit, &ref, NULL);

	if (r >= 0)
		r = store_deployment_list(&p->cli->store, p->app, 0, &rows, &n, e);
	else
		r = 0;
	for (size_t i = 0; i < n; i++) {
		if (!str_eq(rows[i].kind, "deploy") || str_eq(rows[i].state, "superseded"))
			continue;
		if (has_failed(&rows[i]) && str_eq(rows[i].commit, commit)) {
			_cleanup_(freep) char *error = printable_line(rows[i].error ? rows[i].error : "");

			(void) fprintf(
				stderr,
				"slipway: nothing new was pushed, and the deployment of %.12s (%s) had "
				"%s%s%s\n"
				"slipway: to try again: slipway deploy %s --force   (ssh HOST deploy %s "
				"--force)\n",
				commit, ref, str_eq(rows[i].state, "failed") ? "failed" : "been rolled back",
				*error ? ": " : "", error, p->app, p->app);
			status = 1;
		}
		break;
	}
	deployment_rows_free(rows, n);
	return r < 0 ? r : status;
}

/* The exit status of the push whose git ended well. */
static int outcome(struct push *p, struct err **e)
{
	_cleanup_(freep) char *path = report_path(p->cli->root, p->token), *report = NULL;
	_cleanup_(deployment_row_done) struct deployment_row d = { 0 };
	bool has_hook_run = file_read(path, 64, &report, NULL, NULL) >= 0;
	long status = 1;
	int r = store_deployment_by_push(&p->cli->store, p->token, &d, e);
	if (r >= 0 && has_failed(&d))
		return d.exit_status > 0 ? (int) d.exit_status : 1;
	if (r >= 0 && !str_eq(d.state, "queued") && !str_eq(d.state, "running"))
		return 0;
	if (r >= 0) /* it goes on without us, as the hook has said: nobody knows how it will end */
		return has_hook_run && str_to_long(report, 1, 255, &status) ? (int) status
									    : err_exit_status(ERR_MISSING);
	if (r != ERR_NOT_FOUND)
		return r;
	if (e)
		*e = err_free(*e);
	if (!has_hook_run)
		return judge_unchanged(p, e);
	return str_to_long(report, 0, 255, &status) ? (int) status : 1;
}

static int serve_push(struct push *p, struct err **e)
{
	_cleanup_(strv_done) struct strv env = { 0 };

	strv_addf(&env, "SLIPWAY_ROOT=%s", p->cli->root);
	strv_addf(&env, "SLIPWAY_PUSH=%s", p->token);
	strv_addf(&env, "SLIPWAY_BY=%s", p->cli->who.by);
	if (p->cli->who.fingerprint)
		strv_addf(&env, "SLIPWAY_FINGERPRINT=%s", p->cli->who.fingerprint);
	if (getenv("SSH_CLIENT"))
		strv_addf(&env, "SSH_CLIENT=%s", getenv("SSH_CLIENT"));
	return git_serve_push(p->cli->root, p->app, &env, e);
}

/* git has only said that it could not write, and its client takes that for the status. */
static void warn_of_full_disk(const struct push *p)
{
	_cleanup_(freep) char *report = report_path(p->cli->root, p->token), *text = NULL;
	_cleanup_(err_freep) struct err *e = NULL;

	if (file_exists(report) || !room_is_short(p->cli->root))
		return;
	err_set(&e, -ENOSPC, "there is no room for what is pushed");
	(void) room_explain(p->cli->root, -ENOSPC, &e);
	text = err_text(e);
	(void) fprintf(stderr, "slipway: %s\n", text);
}

/* A key without a right to the app is not told whether there is one. */
static int may_push(const struct cli *cli, const char *app, struct err **e)
{
	if (cli_may(cli, ROLE_DEPLOY, app) || cli_may(cli, ROLE_READ, app))
		return cli_require(cli, ROLE_DEPLOY, app, e);
	return err_set(e, ERR_PERMISSION, "the key '%s' may not push to an app of the name '%s'", cli->who.by,
		       app);
}

static int receive_pack(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(push_done) struct push p = { .cli = cli, .repo = -1 };
	int r = app_name_read(&p.app, argv[0], e); /* before anything is made */

	if (r >= 0)
		r = may_push(cli, p.app, e);
	if (r >= 0)
		r = cli_open_control(cli, e);
	if (r >= 0)
		r = token_make(p.token, e);
	if (r >= 0)
		r = repo_hold(&p, e);
	if (r >= 0)
		r = store_app_add(&cli->store, p.app, "push", e);
	p.is_known = r >= 0;
	if (r < 0) {
		if (p.app && *p.token)
			(void) forget_empty(&p, NULL);
		return r;
	}
	(void) signal(SIGPIPE, SIG_IGN); /* a lost connection must not keep us from cleaning up */
	int status = serve_push(&p, e);

	warn_of_full_disk(&p);
	if (status == 0)
		status = outcome(&p, e);
	r = forget_empty(&p, status < 0 ? NULL : e);
	return status != 0 ? status : r;
}

const struct command cmd_git_receive_pack = {
	.words = "git-receive-pack",
	.args = "APP",
	.summary = "take a push (called by git)",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_STORE | CLI_HIDDEN,
	.role = ROLE_DEPLOY,
	.group = "Host",
	.run = receive_pack,
};

static int upload_pack(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(freep) char *app = NULL;

	if (app_name_read(&app, argv[0], NULL) >= 0 && cli_may(cli, ROLE_READ, app) &&
	    git_repo_exists(cli->root, app))
		return git_serve_fetch(cli->root, app, e);
	(void) fprintf(stderr, "fatal: '%s' does not appear to be a git repository\n", argv[0]);
	return 128; /* git's own words and status */
}

const struct command cmd_git_upload_pack = {
	.words = "git-upload-pack",
	.args = "APP",
	.summary = "give a clone or fetch (called by git)",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_ROOT | CLI_HIDDEN,
	.role = ROLE_READ,
	.group = "Host",
	.run = upload_pack,
};

struct hook {
	struct cli *cli;
	char *app;
	const char *token; /* NULL when git was not called by us */
	struct git_update *updates;
	size_t n_updates;
};

static void hook_done(struct hook *h)
{
	git_updates_free(h->updates, h->n_updates);
	free(h->app);
}

static void hook_identify(struct hook *h)
{
	const char *token = getenv("SLIPWAY_PUSH"), *by = getenv("SLIPWAY_BY"),
		   *print = getenv("SLIPWAY_FINGERPRINT");

	if (token && strlen(token) == TOKEN_DIGITS && strspn(token, "0123456789abcdef") == TOKEN_DIGITS)
		h->token = token;
	if (h->cli->who.fingerprint)
		return;
	if (by && *by)
		h->cli->who.by = by; /* for what follows as for the request */
	h->cli->who.fingerprint = print;
}

static void hook_report(const struct hook *h, int status)
{
	_cleanup_(freep) char *path = h->token ? report_path(h->cli->root, h->token) : NULL;
	_cleanup_(freep) char *text = xasprintf("%d", status);

	if (path)
		(void) file_replace_unsynced(path, text, strlen(text), 0600, NULL);
}

static int read_updates(struct hook *h, struct err **e)
{
	_cleanup_(strb_done) struct strb text = STRB(UPDATES_BYTES);
	char buf[16384];
	ssize_t n;

	while ((n = read(0, buf, sizeof buf)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, -errno, "reading what was pushed: %m");
		if (strb_add(&text, buf, (size_t) n) < 0)
			return err_set(e, ERR_REFUSED, "too many refs in one push: push fewer at a time");
	}
	return git_updates_parse(&h->updates, &h->n_updates, text.s ? text.s : "", e);
}

/* The branch that the operator pinned; to be freed, NULL: any. */
static char *deploy_branch(const struct hook *h)
{
	_cleanup_(freep) char *path = root_settings(h->cli->root, h->app), *text = NULL;
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(problems_done) struct problems problems = { 0 };
	size_t n = 0;

	if (file_read(path, 1 << 20, &text, &n, NULL) < 0)
		return NULL;
	env_parse(&env, text, n, "ENV", NULL, false, &problems);
	return xstrdup(env_get(&env, "DEPLOY_BRANCH"));
}

/* The branch that the repository or the host asks for, as the live release has it; to be freed, NULL: any. */
static char *branch_of_live(const struct hook *h)
{
	_cleanup_(app_row_done) struct app_row app = { 0 };
	_cleanup_(plan_done) struct plan plan = { 0 };
	_cleanup_(freep) char *dir = NULL, *path = NULL;

	if (store_app_get(&h->cli->store, h->app, &app, NULL) < 0 || !app.live_version)
		return NULL;
	dir = root_release(h->cli->root, h->app, (long) app.live_version);
	path = path_join(dir, "plan.json");
	return plan_read(&plan, path, NULL) < 0 ? NULL : xstrdup(plan.deploy_branch);
}

/* The names of refs are the pusher's. */
static void say_note(const char *note)
{
	_cleanup_(freep) char *text = printable_line(note);

	printf("-----> %s\n", text);
}

/* Which update is deployed, telling the pusher; -1: none. */
static int choose(const struct hook *h)
{
	_cleanup_(freep) char *pinned = deploy_branch(h), *branch = pinned ? TAKE(pinned) : branch_of_live(h);
	_cleanup_(strv_done) struct strv notes = { 0 };
	int chosen = git_choose(h->updates, h->n_updates, branch, &notes);

	for (size_t i = 0; i < notes.n; i++)
		say_note(notes.v[i]);
	if (chosen < 0)
		printf("-----> Nothing to deploy.\n");
	(void) fflush(stdout);
	return chosen;
}

/* Notes what is to be deployed, so that it is not forgotten whatever happens from here on. */
static int hook_store(const struct hook *h, const struct git_update *u, struct err **e)
{
	const char *root = h->cli->root;
	int r = git_pushed(root, h->app, NULL, NULL, NULL);
	bool is_first = r == ERR_NOT_FOUND;

	r = store_app_add(&h->cli->store, h->app, "push", e);
	if (r >= 0 && is_first) {
		printf("-----> Creating app '%s'\n", h->app);
		(void) fflush(stdout);
		r = store_event_add(&h->cli->store, h->app, h->cli->who.by, "create", NULL, "succeeded", e);
	}
	if (r >= 0 && is_first)
		r = git_set_head(root, h->app, u->ref, e);
	return r < 0 ? r : git_set_pushed(root, h->app, u->to, u->ref, e);
}

/* Is the app held? Then the pusher is told, and nothing else happens. */
static int hook_held(const struct hook *h, const struct git_update *u, struct err **e)
{
	_cleanup_(app_row_done) struct app_row app = { 0 };
	int r = store_app_get(&h->cli->store, h->app, &app, e);

	if (r < 0 || !app.is_held)
		return r;
	printf("-----> App '%s' is held: %.8s is stored and not deployed\n"
	       "       To deploy it: slipway unhold %s, then slipway deploy %s   (ssh HOST unhold %s ...)\n",
	       h->app, u->to, h->app, h->app, h->app);
	(void) fflush(stdout);
	return 1;
}

static int hook_deploy(const struct hook *h, const struct git_update *u, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_object();
	int r = hook_store(h, u, e);

	if (r >= 0)
		r = hook_held(h, u, e);
	if (r > 0)
		return 0;
	if (r >= 0)
		r = cli_open_control(h->cli, e);
	if (r < 0)
		return err_wrap(e, r, "the push is stored but not deployed");
	json_put_text(args, "app", h->app);
	json_put_text(args, "kind", "deploy");
	json_put_text(args, "commit", u->to);
	json_put_text(args, "ref", u->ref);
	json_put_text(args, "by", h->cli->who.by);
	json_put_text(args, "fingerprint", h->cli->who.fingerprint);
	json_put_text(args, "push", h->token);
	return follow_request(h->cli, args, e);
}

static int hook(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(hook_done) struct hook h = { .cli = cli };
	int chosen = -1, r = app_name_read(&h.app, argv[0], e);

	if (r < 0)
		return r;
	hook_identify(&h);
	hook_report(&h, 1);
	r = read_updates(&h, e);
	if (r >= 0)
		chosen = choose(&h);
	if (chosen >= 0)
		r = hook_deploy(&h, &h.updates[chosen], e);
	hook_report(&h, r < 0 ? err_exit_status(r) : r);
	return r;
}

const struct command cmd_git_hook = {
	.words = "git-hook",
	.args = "APP",
	.summary = "deploy what was pushed (called by git's post-receive hook)",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_STORE | CLI_HIDDEN,
	.group = "Host",
	.run = hook,
};
