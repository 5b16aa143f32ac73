/* The table of operations, and those that are only a step into the supervisor. */
#include "base/json.h"
#include "base/proc.h"
#include "daemon/daemon-internal.h"
#include "daemon/server.h"
#include "plan/name.h"

static int op_hello(struct daemon *d, struct request *rq, struct err **e UNUSED)
{
	struct sandbox wish = { .landlock_abi = d->host.landlock_abi };
	json_t *j = json_object();

	(void) sandbox_level_read(&wish.level, d->host.sandbox_level);
	enum sandbox_level level = sandbox_in_force(&wish, d->host.tool_path);

	json_put_text(j, "version", VERSION);
	json_put_num(j, "pid", getpid());
	json_put_num(j, "started_at_s", d->started_at_s);
	json_put_num(j, "instances", supervisor_running(d));
	json_put_text(j, "sandbox", sandbox_level_name(level));
	json_put_num(j, "landlock_abi", level & SANDBOX_LANDLOCK ? sandbox_abi(&wish) : 0);
	json_put_num(j, "router_pid", d->nginx.child.pid);
	request_answer(rq, j);
	return 0;
}

static int op_start(struct daemon *d, struct request *rq, struct err **e)
{
	int64_t ordinal = json_num(rq->args, "ordinal", 0), port = json_num(rq->args, "port", 0);
	struct instance_row want = {
		.app = (char *) json_text(rq->args, "app"),
		.service = (char *) json_text(rq->args, "service"),
		.deployment = json_num(rq->args, "deployment", 0),
		.version = json_num(rq->args, "version", 0),
		.ordinal = (unsigned) ordinal,
		.port = (unsigned) port,
	};

	if (!want.app || !app_name_is_legal(want.app) || !want.service ||
	    !service_name_is_legal(want.service) || want.deployment <= 0 || want.version <= 0 ||
	    ordinal < 1 || ordinal > 10000 || port < 0 || port > 65535)
		return err_set(e, ERR_USAGE,
			       "start: needs 'app', 'deployment', 'version', 'service', 'ordinal'");
	return supervisor_start(d, rq, &want, e);
}

struct stopping {
	struct request *rq;
	int n;
};

static void answer_stopped(struct daemon *d UNUSED, void *ctx)
{
	const struct stopping *s = ctx;
	json_t *j = json_object();

	json_put_num(j, "stopped", s->n);
	request_answer(s->rq, j);
}

static int stop(struct daemon *d, struct request *rq, const struct filter *f)
{
	struct stopping *s = xcalloc(1, sizeof *s);

	*s = (struct stopping){ rq, supervisor_stop(d, f) };
	supervisor_when_gone(d, f, answer_stopped, s, s);
	return 0;
}

static int op_stop(struct daemon *d, struct request *rq, struct err **e)
{
	int64_t keep = json_num(rq->args, "keep", 0);
	struct filter f = { .app = json_text(rq->args, "app"),
			    .service = json_text(rq->args, "service"),
			    .deployment = json_num(rq->args, "deployment", 0),
			    .keep = keep > 0 ? (unsigned) keep : 0 };

	if (!f.app)
		return err_set(e, ERR_USAGE, "stop: needs 'app'");
	return stop(d, rq, &f);
}

static int op_forget(struct daemon *d, struct request *rq, struct err **e)
{
	struct filter f = { .app = json_text(rq->args, "app") };

	if (!f.app)
		return err_set(e, ERR_USAGE, "forget: needs 'app'");
	retire_forget(d, f.app);
	scheduler_forget(d, f.app);
	return stop(d, rq, &f);
}

static int op_instances(struct daemon *d, struct request *rq, struct err **e UNUSED)
{
	json_t *j = json_object();

	(void) json_object_set_new(j, "instances", supervisor_list(d, json_text(rq->args, "app")));
	request_answer(rq, j);
	return 0;
}

static int op_reload(struct daemon *d, struct request *rq, struct err **e)
{
	int r = daemon_reload(d, e);

	if (r >= 0)
		request_answer(rq, NULL);
	return r;
}

static void answer_shutdown(struct daemon *d UNUSED, void *ctx)
{
	request_answer(ctx, NULL);
}

static int op_shutdown(struct daemon *d, struct request *rq, struct err **e)
{
	if (d->is_ending)
		return err_set(e, ERR_MISSING, "slipwayd is ending already");
	daemon_shut_down(d, json_flag(rq->args, "instances", false), answer_shutdown, rq);
	return 0;
}

static const struct op ops[] = {
	{ "hello", op_hello },           { "deploy", op_deploy },     { "wait", op_wait },
	{ "start", op_start },           { "stop", op_stop },         { "retire", op_retire },
	{ "retire-now", op_retire_now }, { "forget", op_forget },     { "instances", op_instances },
	{ "reload", op_reload },         { "shutdown", op_shutdown }, { "run-now", op_run_now },
	{ "run-wait", op_run_wait },     { "suspend", op_suspend },   { "resume", op_resume },
	{ "reexec", op_reexec },
};

const struct op *op_find(const char *name)
{
	for (size_t i = 0; i < COUNT(ops); i++)
		if (str_eq(ops[i].name, name))
			return &ops[i];
	return NULL;
}
