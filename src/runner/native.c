/* The native runner: plain processes, which only the daemon starts and stops; this asks it to. */
#include "base/json.h"
#include "control/control.h"
#include "runner/runner.h"

static int probe(const struct generation *g, struct err **e)
{
	if (g->control && g->control->fd >= 0 && g->control->token)
		return 0;
	_cleanup_(freep) char *how = control_start_words(g->root);

	return err_set(e, ERR_MISSING, "native instances need slipwayd; start it with: %s", how);
}

static json_t *key_of(const struct generation *g)
{
	json_t *args = json_object();

	json_put_text(args, "app", g->app);
	json_put_num(args, "deployment", g->deployment);
	return args;
}

static int start(const struct generation *g, const struct instance_want *want, int64_t *pid, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = key_of(g), *answer = NULL;
	int r = probe(g, e);

	if (r < 0)
		return r;
	json_put_num(args, "version", g->version);
	json_put_text(args, "service", want->service);
	json_put_num(args, "ordinal", want->ordinal);
	json_put_num(args, "port", want->port);
	r = control_call(g->control, "start", args, &answer, e);
	if (r < 0)
		return err_wrap(e, r, "starting %s.%u", want->service, want->ordinal);
	if (pid)
		*pid = json_num(answer, "pid", 0);
	return 0;
}

static int stop(const struct generation *g, const char *service, unsigned keep, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = key_of(g);
	int r = probe(g, e);

	if (r < 0)
		return r;
	json_put_text(args, "service", service);
	json_put_num(args, "keep", keep);
	r = control_call(g->control, "stop", args, NULL, e);
	return r < 0 ? err_wrap(e, r, "stopping %s", service ? service : g->app) : 0;
}

extern const struct runner_ops runner_native;
const struct runner_ops runner_native = { .name = "native", .probe = probe, .start = start, .stop = stop };
