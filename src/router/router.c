/* The table of routers, and the one that does nothing: for apps that are reached on their port only. */
#include "router/router.h"

#include "router/nginx-internal.h"

static int none_validate(const struct router_app *a, struct err **e)
{
	return 0;
}

static int none_apply(const struct router_app *a, struct router_old *old, struct err **e)
{
	return 0;
}

static int none_remove(const char *root, const struct host *host, const char *app, struct err **e)
{
	return 0;
}

static char *none_url(const struct host *host, const struct plan *plan)
{
	return NULL;
}

static const struct router_ops router_none = { "none", none_validate, none_apply, none_remove, none_url };

static const struct router_ops *const routers[] = { &router_nginx, &router_none };

const struct router_ops *router_find(const char *name)
{
	for (size_t i = 0; name && i < COUNT(routers); i++)
		if (str_eq(routers[i]->name, name))
			return routers[i];
	return NULL;
}

void router_old_done(struct router_old *o)
{
	free(o->pids);
	*o = (struct router_old){ 0 };
}
