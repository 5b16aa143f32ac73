/* The upgrade: the slipwayd that lies at our path now takes this one's place, in the same process. It is
 * asked first whether it could; after the exec there is no way back. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "daemon/daemon.h"
#include "daemon/handover.h"
#include "daemon/server.h"
#include "plan/root.h"

enum { CHECK_MS = 30000, OUTPUT_MAX = 65536 };

/* The new one is being asked. */
struct reexec {
	struct child child;
	struct request *rq;
	char *output; /* the file that its answer is in */
	struct stat file;
	sd_event_source *timer;
};

void reexec_done(struct daemon *d)
{
	struct reexec *x = d->reexec;

	if (!x)
		return;
	sd_event_source_disable_unref(x->timer);
	if (x->child.pid)
		child_signal(&x->child, SIGKILL);
	child_forget(&x->child);
	(void) unlink(x->output);
	free(x->output);
	free(x);
	d->reexec = NULL;
}

static void refuse(struct daemon *d, int code, struct err **e)
{
	struct request *rq = d->reexec->rq;

	reexec_done(d);
	request_refuse(rq, code, *e);
	log_failure("the re-exec was refused", NULL, e);
}

/* ---- the exec ---- */

static json_t *hand_over(const struct daemon *d, int **fds, size_t *n)
{
	json_t *j = json_object();

	json_put_num(j, "format", HANDOVER_FORMAT);
	json_put_text(j, "version", VERSION);
	json_put_num(j, "lock", d->lock);
	*GROW(fds, n) = d->lock;
	(void) json_object_set_new(j, "keeper", kept_hand_over(&d->keeper));
	(void) json_object_set_new(j, "nginx", kept_hand_over(&d->nginx));
	(void) json_object_set_new(j, "instances", supervisor_hand_over(d));
	(void) json_object_set_new(j, "retires", retires_hand_over(d));
	(void) json_object_set_new(j, "server", server_hand_over(d, fds, n));
	return j;
}

/* Returns on failure only: then all is as before. */
static int become(struct daemon *d, struct err **e)
{
	_cleanup_(freep) int *fds = NULL;
	size_t n = 0;
	_cleanup_(json_releasep) json_t *j = hand_over(d, &fds, &n);
	int r = handover_give(j, fds, n, e);

	if (r < 0)
		return r;
	log_info("executing the slipwayd that is installed now", F("path", d->self));
	(void) sd_notify(0, "RELOADING=1");
	(void) execv(d->self, d->argv);
	r = err_set(e, -errno, "executing %s: %m", d->self);
	handover_undo(fds, n);
	(void) sd_notify(0, "READY=1");
	return r;
}

/* ---- asking it first ---- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* "slipwayd VERSION schema N handover N" */
static int judge_answer(const struct daemon *d, char *text, struct err **e)
{
	_cleanup_(strv_done) struct strv words = { 0 };
	long schema, format;

	text[strcspn(text, "\n")] = '\0';
	strv_split(&words, text, " ");
	if (words.n != 6 || !str_eq(words.v[0], "slipwayd") || !str_eq(words.v[2], "schema") ||
	    !str_to_long(words.v[3], 0, INT32_MAX, &schema) ||
	    !str_to_long(words.v[5], 0, INT32_MAX, &format))
		return err_set(e, ERR_REFUSED, "%s is no slipwayd; put the right one there and try again",
			       d->self);
	if (schema < store_schema())
		return err_set(
			e, ERR_REFUSED,
			"slipwayd %s at %s knows schema %ld of state.db, this one has made it %d: only a "
			"newer slipwayd can go on with it",
			words.v[1], d->self, schema, store_schema());
	return 0;
}

static int judge(struct daemon *d, int status, struct err **e)
{
	const struct reexec *x = d->reexec;
	_cleanup_(freep) char *text = NULL;
	struct stat now;

	if (file_read(x->output, OUTPUT_MAX, &text, NULL, NULL) < 0)
		text = xstrdup("");
	if (status != 0)
		return err_set(e, ERR_REFUSED, "%s cannot take over (%s %d)%s%.*s", d->self,
			       status > 128 ? "ended by signal" : "exit status",
			       status > 128 ? status - 128 : status, *text ? ": " : "",
			       (int) strcspn(text, "\n"), text);
	if (stat(d->self, &now) < 0 || !is_same_file(&now, &x->file))
		return err_set(e, ERR_REFUSED, "%s was replaced while it was looked at; try again", d->self);
	return judge_answer(d, text, e);
}

/* May this daemon end right now? What is only in its memory and not handed over must be on record. */
static int may_leave(const struct daemon *d, struct err **e)
{
	if (d->is_ending)
		return err_set(e, ERR_MISSING, "slipwayd ends");
	if (d->record_timer)
		return err_set(
			e, -EBUSY,
			"the state of the instances waits to be recorded (is the disk full?): try again");
	return 0;
}

static void on_end(struct child *c, int status)
{
	struct daemon *d = c->ctx;
	_cleanup_(err_freep) struct err *e = NULL;
	int r;

	c->pid = 0;
	r = judge(d, status, &e);
	if (r >= 0)
		r = may_leave(d, &e);
	(void) unlink(d->reexec->output);
	if (r >= 0)
		r = become(d, &e);
	refuse(d, r, &e);
}

static int on_timeout(sd_event_source *s UNUSED, uint64_t at UNUSED, void *ctx)
{
	struct daemon *d = ctx;

	child_signal(&d->reexec->child, SIGKILL); /* its end is judged */
	return 0;
}

static int ask(struct daemon *d, struct err **e)
{
	struct reexec *x = d->reexec;
	char *argv[] = { d->self, (char *) "--root", (char *) d->root, (char *) "--self-check", NULL };

	if (stat(d->self, &x->file) < 0)
		return err_set(e, ERR_REFUSED, "%s: %m; install slipwayd there and try again", d->self);
	(void) unlink(x->output);
	int r = child_start(&x->child, d->loop,
			    &(struct child_spawn){ .argv = argv, .log = x->output, .log_mode = 0600 }, e);
	return r < 0 ? err_wrap(e, ERR_REFUSED, "%s cannot be executed", d->self) : 0;
}

int op_reexec(struct daemon *d, struct request *rq, struct err **e)
{
	int r;

	if (d->handover) { /* it has been done, and this is the new one */
		json_t *j = json_object();

		json_put_text(j, "from", json_text(d->handover, "version"));
		json_put_text(j, "version", VERSION);
		json_put_num(j, "pid", getpid());
		request_answer(rq, j);
		return 0;
	}
	r = may_leave(d, e);
	if (r >= 0 && d->reexec)
		r = err_set(e, -EBUSY, "a re-exec is under way");
	if (r < 0)
		return r;
	d->reexec = xcalloc(1, sizeof *d->reexec);
	d->reexec->rq = rq;
	d->reexec->output = root_path(d->root, "run/self-check");
	d->reexec->child = (struct child){ .pidfd = -1, .gate = -1, .on_end = on_end, .ctx = d };
	r = ask(d, e);
	if (r < 0)
		reexec_done(d);
	else
		timer_set(d, &d->reexec->timer, CHECK_MS, on_timeout, d);
	return r;
}

int daemon_self_check(const char *root, struct err **e)
{
	_cleanup_(host_done) struct host host = { 0 };
	int r = host_read(&host, root, e);

	if (r >= 0)
		(void) printf("slipwayd %s schema %d handover %d\n", VERSION, store_schema(),
			      HANDOVER_FORMAT);
	return r;
}
