/* The instances a plan wants, each with one of its two reserved ports: the one that does not serve now. */
#include "store/port.h"

#include <errno.h>

#include "check/check.h"
#include "deploy/deploy-internal.h"

struct target *targets_of(struct deploy *d, const struct plan_service *s, unsigned ordinal)
{
	for (size_t i = 0; i < d->n_targets; i++)
		if (d->targets[i].service == s && d->targets[i].ordinal == ordinal)
			return &d->targets[i];
	return NULL;
}

/* An instance of this generation that is on record already (after a crash, or when scaling): its port is
 * kept. */
static const struct instance_row *own_row(const struct deploy *d, const struct instance_row *rows, size_t n,
					  const struct target *t)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].deployment == d->generation && rows[i].ordinal == t->ordinal &&
		    str_eq(rows[i].service, t->service->name))
			return &rows[i];
	return NULL;
}

static bool is_used(const struct instance_row *rows, size_t n, unsigned port)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].port == port)
			return true;
	return false;
}

static int fixed_port(struct deploy *d, const struct instance_row *rows, size_t n, struct target *t,
		      struct err **e)
{
	_cleanup_(freep) char *holder = NULL, *owner = NULL;
	unsigned port = d->plan.fixed_port;

	t->port = port;
	if (t->service->instances > 1)
		return err_set(
			e, ERR_REFUSED,
			"PORT=%u is fixed, so '%s' can have one instance only: unset PORT, or scale it to 1",
			port, t->service->name);
	if (store_port_owner(&d->store, port, &owner, e) < 0)
		return -EIO;
	if (owner && !str_eq(owner, d->row.app))
		return err_set(e, ERR_REFUSED,
			       "PORT=%u is reserved for the app '%s': choose another, or unset PORT", port,
			       owner);
	if (is_used(rows, n, port) || check_port_is_free(port))
		return 0;
	(void) check_who_listens(0, port, &holder);
	return err_set(e, ERR_REFUSED, "PORT=%u is held by %s: stop it, choose another, or unset PORT", port,
		       holder ? holder : "another process");
}

static int reserved_port(struct deploy *d, struct target *t, unsigned slot, struct err **e)
{
	int r = store_port_get(&d->store, d->row.app, t->service->name, t->ordinal, slot, d->host.port_first,
			       d->host.port_last, check_port_is_free, &t->port, e);

	return r < 0 ? err_wrap(e, r, "a port for %s.%u", t->service->name, t->ordinal) : 0;
}

/* Reserved or not, a program that is none of slipway's may have taken it meanwhile: then another one is. */
static int usable_port(struct deploy *d, struct target *t, unsigned slot, struct err **e)
{
	if (check_port_is_free(t->port))
		return 0;
	int r = store_port_drop(&d->store, d->row.app, t->service->name, t->ordinal, slot, e);

	return r < 0 ? r : reserved_port(d, t, slot, e);
}

static bool is_live(const struct deploy *d, const struct instance_row *rows, size_t n, unsigned port)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].port == port && rows[i].deployment == d->app.live_deployment)
			return true;
	return false;
}

static int free_slot(struct deploy *d, const struct instance_row *rows, size_t n, struct target *t,
		     struct err **e)
{
	for (unsigned slot = 0; slot < 2; slot++) {
		int r = reserved_port(d, t, slot, e);

		if (r < 0)
			return r;
		if (!is_used(rows, n, t->port))
			return usable_port(d, t, slot, e);
	}
	/* Both are in use while a former generation is still being retired: its port is next, and `start`
	 * ends it. */
	int r = reserved_port(d, t, 0, e);

	return r >= 0 && is_live(d, rows, n, t->port) ? reserved_port(d, t, 1, e) : r;
}

int targets_plan(struct deploy *d, struct err **e)
{
	struct instance_row *rows = NULL;
	size_t n = 0;
	int r = store_instance_list(&d->store, d->row.app, &rows, &n, e);

	free(d->targets);
	d->targets = NULL;
	d->n_targets = 0;
	for (size_t i = 0; r >= 0 && i < d->plan.n_services; i++) {
		const struct plan_service *s = &d->plan.services[i];

		if (!service_is_kept(s->kind))
			continue;
		for (unsigned ordinal = 1; r >= 0 && ordinal <= s->instances; ordinal++) {
			struct target *t = GROW(&d->targets, &d->n_targets);

			*t = (struct target){ .service = s, .ordinal = ordinal };
			const struct instance_row *own = own_row(d, rows, n, t);
			t->is_there = own && own->pid > 0;
			if (own)
				t->port = own->port;
			else if (s->is_routed && d->plan.fixed_port)
				r = fixed_port(d, rows, n, t, e);
			else if (s->is_routed)
				r = free_slot(d, rows, n, t, e);
		}
	}
	instance_rows_free(rows, n);
	return r;
}
