/* Starting, checking and stopping the instances of the new and of the old generation, and routing to them. */
#include <errno.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/file.h"
#include "check/check.h"
#include "deploy/deploy-internal.h"
#include "plan/root.h"
#include "store/port.h"

int instances_start(struct deploy *d, bool parallel, struct err **e)
{
	const struct runner_ops *runner = deploy_runner(d);
	struct generation g = deploy_generation(d, d->version, d->generation);

	for (size_t i = 0; i < d->n_targets; i++) {
		struct target *t = &d->targets[i];
		struct instance_want want = { t->service->name, t->ordinal, t->port };

		if (t->service->is_parallel != parallel || t->pid)
			continue;
		if (!t->is_there)
			say("spawning '%s:%s.%u'", d->row.app, t->service->name, t->ordinal);
		t->started_ms = now_ms();
		int r = runner->start(&g, &want, &t->pid, e);
		if (r < 0)
			return err_wrap(e, r, "starting %s.%u", t->service->name, t->ordinal);
		crash_point("%s.middle", parallel ? "start" : "switch");
	}
	return 0;
}

static int check_one(struct deploy *d, const struct target *t, struct err **e)
{
	const struct plan *plan = d->plan.app ? &d->plan : &d->old_plan;
	const char *host = plan->route.hosts.n ? plan->route.hosts.v[0] : NULL;
	_cleanup_(closep) int exit_fd = t->pid > 0 ? pidfd_of((pid_t) t->pid) : -1;
	_cleanup_(freep) char *socket = root_uwsgi_socket(d->root, t->port);
	struct check_target target = { .service = t->service->name,
				       .ordinal = t->ordinal,
				       .address = d->plan.bind_address,
				       .port = t->port,
				       .host = host,
				       .pid = (pid_t) t->pid,
				       .exit_fd = exit_fd,
				       .connect_ms = CHECK_CONNECT_MS,
				       .socket = socket };

	if (t->pid > 0 && exit_fd == -ESRCH)
		return err_set(e, ERR_FAILED, "%s.%u ended as soon as it was started", t->service->name,
			       t->ordinal);
	struct plan_check check = t->service->check;
	int64_t age_ms = t->started_ms ? now_ms() - t->started_ms : 0;

	/* It has lived while others were checked. */
	if (check.kind == CHECK_PROCESS && age_ms > 0)
		check.uptime_ms = check.uptime_ms > age_ms ? check.uptime_ms - (unsigned) age_ms : 0;
	int r = check_wait(&check, &target, e);

	return r < 0 ? err_wrap(e, r, "%s.%u is not healthy", t->service->name, t->ordinal) : 0;
}

int instances_check(struct deploy *d, bool parallel, struct err **e)
{
	for (size_t i = 0; i < d->n_targets; i++) {
		const struct target *t = &d->targets[i];
		int r = t->service->is_parallel == parallel ? check_one(d, t, e) : 0;

		if (r < 0) {
			report_log_tail(d, t);
			return r;
		}
		crash_point("%s", parallel ? "check.middle" : "switch.checked");
	}
	return 0;
}

int instances_stop_new(struct deploy *d, bool all, struct err **e)
{
	struct generation g = deploy_generation(d, d->version, d->generation);
	const struct runner_ops *runner = deploy_runner(d);
	int r = 0;

	for (size_t i = 0; i < d->n_targets; i++)
		d->targets[i].pid = 0;
	if (all)
		return runner->stop(&g, NULL, 0, e);
	for (size_t i = 0; r >= 0 && i < d->plan.n_services; i++) {
		const struct plan_service *new = &d->plan.services[i];
		const struct plan_service *old = plan_find_service(&d->old_plan, new->name);

		if (!new->is_parallel || (old && !old->is_parallel))
			r = runner->stop(&g, new->name, 0, e);
	}
	return r;
}

int instances_stop_old(struct deploy *d, bool all, struct err **e)
{
	const struct runner_ops *runner = deploy_runner(d);
	struct generation g = deploy_generation(d, (long) d->row.from_version, (long) d->row.from_deployment);

	if (!d->has_old || !d->row.from_deployment)
		return 0;
	if (all) {
		d->is_touched = true;
		return runner->stop(&g, NULL, 0, e);
	}
	for (size_t i = 0; i < d->old_plan.n_services; i++) {
		const struct plan_service *old = &d->old_plan.services[i];
		const struct plan_service *new = plan_find_service(&d->plan, old->name);

		/* runs of schedules end by themselves */
		if (old->kind == SERVICE_STATIC || old->kind == SERVICE_CRON ||
		    (old->is_parallel && (!new || new->is_parallel)))
			continue;
		d->is_touched = true;
		int r = runner->stop(&g, old->name, 0, e);
		if (r < 0)
			return err_wrap(e, r, "stopping %s of v%lld", old->name,
					(long long) d->row.from_version);
	}
	return 0;
}

/* The port that an instance of the old generation has, or, where it was stopped, shall have again. */
static int old_port(struct deploy *d, const struct plan_service *s, unsigned ordinal, unsigned *port,
		    struct err **e)
{
	struct instance_row *rows = NULL;
	size_t n = 0;
	int r = store_instance_list(&d->store, d->row.app, &rows, &n, e);

	*port = s->is_routed ? d->old_plan.fixed_port : 0;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].deployment == d->row.from_deployment && rows[i].ordinal == ordinal &&
		    str_eq(rows[i].service, s->name))
			*port = rows[i].port;
	}
	instance_rows_free(rows, n);
	if (r < 0 || *port || !s->is_routed)
		return r;
	return store_port_get(&d->store, d->row.app, s->name, ordinal, 0, d->host.port_first,
			      d->host.port_last, check_port_is_free, port, e);
}

static int start_old(struct deploy *d, const struct plan_service *s, unsigned ordinal, struct err **e)
{
	struct generation g = deploy_generation(d, (long) d->row.from_version, (long) d->row.from_deployment);
	struct target t = { .service = s, .ordinal = ordinal };
	_cleanup_(err_freep) struct err *why = NULL;
	int r = old_port(d, s, ordinal, &t.port, e);

	if (r >= 0) {
		struct instance_want want = { s->name, ordinal, t.port };

		r = deploy_runner(d)->start(&g, &want, &t.pid, e);
	}
	if (r < 0)
		return err_wrap(e, r, "starting %s.%u of v%lld again", s->name, ordinal,
				(long long) d->row.from_version);
	if (s->is_routed && check_one(d, &t, &why) < 0) {
		_cleanup_(freep) char *text = err_text(why);

		say_warning("the old release was started again, but %s", text);
	}
	return 0;
}

int instances_start_old(struct deploy *d, struct err **e)
{
	int r = user_restore(d, e);

	if (r < 0 || !d->has_old || !d->row.from_deployment || d->app.is_stopped)
		return r;
	r = shared_mend_old(d, e);
	for (size_t i = 0; r >= 0 && i < d->old_plan.n_services; i++) {
		const struct plan_service *s = &d->old_plan.services[i];
		bool runs = service_is_kept(s->kind);

		for (unsigned ordinal = 1; r >= 0 && runs && ordinal <= s->instances; ordinal++)
			r = start_old(d, s, ordinal, e);
	}
	return r;
}

static int route(struct deploy *d, const struct plan *plan, const char *src, const struct env *env,
		 const unsigned *ports, size_t n, bool is_old, struct router_old *old, struct err **e)
{
	const struct router_ops *router = router_find(plan->router);
	_cleanup_(freep) char *copy = include_copy(src);
	struct router_app a = { .root = d->root,
				.host = &d->host,
				.plan = plan,
				.src = src,
				.include_copy = copy,
				.env = env,
				.ports = ports,
				.n_ports = n,
				.is_stopped = is_old && d->app.is_stopped,
				.may_be_down = is_old };

	_cleanup_(strv_done) struct strv notes = { 0 };

	a.notes = &notes;
	if (!router)
		return err_set(e, ERR_REFUSED, "there is no router '%s'", plan->router);
	int r = router->apply(&a, old, e);

	for (size_t i = 0; i < notes.n; i++)
		say_warning("%s", notes.v[i]);
	return r;
}

int route_new(struct deploy *d, struct err **e)
{
	const struct plan_service *web = plan_routed_service(&d->plan);
	_cleanup_(freep) unsigned *ports = xcalloc(d->n_targets + 1, sizeof *ports);
	size_t n = 0;

	for (size_t i = 0; i < d->n_targets; i++)
		if (d->targets[i].service == web)
			ports[n++] = d->targets[i].port;
	router_old_done(&d->old_workers);
	return route(d, &d->plan, d->src, &d->spec.env, ports, n, false, &d->old_workers, e);
}

int route_old(struct deploy *d, struct err **e)
{
	_cleanup_(spec_done) struct spec spec = { 0 };
	struct instance_row *rows = NULL;
	const struct plan_service *web;
	size_t n = 0, n_ports = 0;

	if (!d->has_old) {
		const struct router_ops *router = d->plan.router ? router_find(d->plan.router) : NULL;

		return router ? router->remove(d->root, &d->host, d->row.app, e) : 0;
	}
	web = plan_routed_service(&d->old_plan);
	int r = spec_read(&spec, d->root, d->row.app, (long) d->row.from_version, e);
	if (r >= 0)
		r = store_instance_list(&d->store, d->row.app, &rows, &n, e);
	if (r < 0)
		return r;
	_cleanup_(freep) unsigned *ports = xcalloc(n + 1, sizeof *ports);
	for (size_t i = 0; i < n; i++)
		if (web && rows[i].deployment == d->row.from_deployment &&
		    rows[i].ordinal <= web->instances && str_eq(rows[i].service, web->name))
			ports[n_ports++] = rows[i].port;
	instance_rows_free(rows, n);
	return route(d, &d->old_plan, spec.cwd, &spec.env, ports, n_ports, true, NULL, e);
}
