/* The plan and its JSON form: written whole, read strictly, by tables of its members. */
#include "plan/plan.h"

#include "base/json.h"
#include "plan/members-internal.h"

static const char *const kinds[] = {
	[SERVICE_WEB] = "web",     [SERVICE_WORKER] = "worker", [SERVICE_STATIC] = "static",
	[SERVICE_CRON] = "cron",   [SERVICE_WSGI] = "wsgi",     [SERVICE_JWSGI] = "jwsgi",
	[SERVICE_RWSGI] = "rwsgi", [SERVICE_PHP] = "php",
};
static const char *const checks[] = {
	[CHECK_PROCESS] = "process",
	[CHECK_TCP] = "tcp",
	[CHECK_HTTP] = "http",
	[CHECK_UWSGI] = "uwsgi",
};

const char *service_kind_name(enum service_kind kind)
{
	return kinds[kind];
}

bool service_is_kept(enum service_kind kind)
{
	return kind != SERVICE_STATIC && kind != SERVICE_CRON;
}

/* PHP is served by uWSGI's own HTTP, static files included, as in Piku. */
bool service_has_socket(const struct plan_service *s)
{
	return s->uwsgi.n > 0 && s->kind != SERVICE_PHP;
}

static const struct member check_members[] = {
	{ "kind", MEMBER_WORD, offsetof(struct plan_check, kind), checks, COUNT(checks) },
	MEMBER(MEMBER_TEXT_OR_NULL, plan_check, path),
	MEMBER(MEMBER_UNSIGNED, plan_check, timeout_ms),
	MEMBER(MEMBER_UNSIGNED, plan_check, uptime_ms),
};

static const struct member service_members[] = {
	MEMBER(MEMBER_TEXT, plan_service, name),
	{ "kind", MEMBER_WORD, offsetof(struct plan_service, kind), kinds, COUNT(kinds) },
	MEMBER(MEMBER_TEXT, plan_service, command),
	MEMBER(MEMBER_TEXT_OR_NULL, plan_service, schedule),
	MEMBER(MEMBER_INT, plan_service, line),
	MEMBER(MEMBER_UNSIGNED, plan_service, instances),
	MEMBER(MEMBER_FLAG, plan_service, is_routed),
	MEMBER(MEMBER_FLAG, plan_service, is_parallel),
	{ "check", MEMBER_OTHER, 0, NULL, 0 },
	MEMBER(MEMBER_TEXT, plan_service, stop_signal),
	MEMBER(MEMBER_UNSIGNED, plan_service, stop_timeout_ms),
	MEMBER(MEMBER_LIMITS, plan_service, limits),
	MEMBER(MEMBER_ADDED_TEXTS, plan_service, uwsgi),
};

static const struct member static_members[] = {
	MEMBER(MEMBER_TEXT, plan_static, url),
	MEMBER(MEMBER_TEXT, plan_static, path),
};

static const struct member cache_members[] = {
	MEMBER(MEMBER_TEXTS, plan_cache, prefixes),       MEMBER(MEMBER_TEXT_OR_NULL, plan_cache, path),
	MEMBER(MEMBER_UNSIGNED, plan_cache, size_gb),     MEMBER(MEMBER_UNSIGNED, plan_cache, time_s),
	MEMBER(MEMBER_UNSIGNED, plan_cache, redirects_s), MEMBER(MEMBER_UNSIGNED, plan_cache, any_s),
	MEMBER(MEMBER_UNSIGNED, plan_cache, control_s),   MEMBER(MEMBER_UNSIGNED, plan_cache, expiry_s),
};

static const struct member acl_members[] = {
	MEMBER(MEMBER_FLAG, plan_route, is_cloudflare_only),
	MEMBER(MEMBER_TEXT_OR_NULL, plan_route, deployer),
};

static const struct member route_members[] = {
	MEMBER(MEMBER_TEXTS, plan_route, hosts),
	{ "statics", MEMBER_OTHER, 0, NULL, 0 },
	MEMBER(MEMBER_TEXT_OR_NULL, plan_route, catch_all),
	MEMBER(MEMBER_FLAG, plan_route, is_https_only),
	MEMBER(MEMBER_FLAG, plan_route, has_ipv6),
	MEMBER(MEMBER_FLAG, plan_route, allows_git),
	MEMBER(MEMBER_TEXT_OR_NULL, plan_route, ipv4_address),
	MEMBER(MEMBER_TEXT_OR_NULL, plan_route, ipv6_address),
	MEMBER(MEMBER_TEXT_OR_NULL, plan_route, include_file),
	{ "cache", MEMBER_LATER, 0, NULL, 0 },
	{ "acl", MEMBER_LATER, 0, NULL, 0 },
};

static const struct member plan_members[] = {
	MEMBER(MEMBER_TEXT, plan, app),
	MEMBER(MEMBER_TEXT, plan, manifest),
	MEMBER(MEMBER_TEXT, plan, runner),
	MEMBER(MEMBER_TEXT, plan, router),
	MEMBER(MEMBER_TEXT_OR_NULL, plan, runtime),
	{ "services", MEMBER_OTHER, 0, NULL, 0 },
	MEMBER(MEMBER_TEXT_OR_NULL, plan, preflight),
	MEMBER(MEMBER_TEXT_OR_NULL, plan, release),
	{ "route", MEMBER_OTHER, 0, NULL, 0 },
	MEMBER(MEMBER_TEXT_OR_NULL, plan, bind_address),
	MEMBER(MEMBER_UNSIGNED, plan, fixed_port),
	MEMBER(MEMBER_UNSIGNED, plan, keep_releases),
	MEMBER(MEMBER_UNSIGNED, plan, drain_timeout_ms),
	MEMBER(MEMBER_UNSIGNED, plan, build_timeout_ms),
	MEMBER(MEMBER_UNSIGNED, plan, release_timeout_ms),
	MEMBER(MEMBER_TEXTS, plan, shared_paths),
	MEMBER(MEMBER_TEXT_OR_NULL, plan, deploy_branch),
	MEMBER(MEMBER_FLAG, plan, is_auto_restart),
	MEMBER(MEMBER_SIZE, plan, log_max_bytes),
	MEMBER(MEMBER_LIMITS, plan, build_limits),
	MEMBER(MEMBER_LIMITS, plan, release_limits),
	MEMBER(MEMBER_LIMITS, plan, run_limits),
};

struct plan_service *plan_find_service(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (str_eq(p->services[i].name, name))
			return &p->services[i];
	return NULL;
}

bool plan_serves_files(const struct plan *p)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].kind == SERVICE_STATIC)
			return true;
	return false;
}

struct plan_service *plan_routed_service(const struct plan *p)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].is_routed)
			return &p->services[i];
	return NULL;
}

static json_t *object_of(const void *from, const struct member *m, size_t n)
{
	json_t *j = json_object();

	members_write(j, from, m, n);
	return j;
}

static json_t *services_to_json(const struct plan *p)
{
	json_t *all = json_array();

	for (size_t i = 0; i < p->n_services; i++) {
		json_t *j = object_of(&p->services[i], service_members, COUNT(service_members));

		(void) json_object_set_new(
			j, "check", object_of(&p->services[i].check, check_members, COUNT(check_members)));
		(void) json_array_append_new(all, j);
	}
	return all;
}

static json_t *route_to_json(const struct plan_route *route)
{
	json_t *j = object_of(route, route_members, COUNT(route_members)), *statics = json_array();

	for (size_t i = 0; i < route->n_statics; i++)
		(void) json_array_append_new(
			statics, object_of(&route->statics[i], static_members, COUNT(static_members)));
	(void) json_object_set_new(j, "statics", statics);
	(void) json_object_set_new(j, "cache",
				   route->cache.prefixes.n
					   ? object_of(&route->cache, cache_members, COUNT(cache_members))
					   : json_null());
	(void) json_object_set_new(
		j, "acl",
		route->is_cloudflare_only ? object_of(route, acl_members, COUNT(acl_members)) : json_null());
	return j;
}

json_t *plan_to_json(const struct plan *p)
{
	json_t *j = object_of(p, plan_members, COUNT(plan_members));

	(void) json_object_set_new(j, "services", services_to_json(p));
	(void) json_object_set_new(j, "route", route_to_json(&p->route));
	return j;
}

static int service_from_json(struct plan_service *s, const json_t *j, struct err **e)
{
	_cleanup_(freep) char *what = NULL;
	int r = members_read(s, j, "a service", service_members, COUNT(service_members), e);

	if (r < 0)
		return r;
	what = xasprintf("the check of service '%s'", s->name);
	r = members_read(&s->check, json_object_get(j, "check"), what, check_members, COUNT(check_members),
			 e);
	if (r == 0 && (s->kind == SERVICE_CRON) != (s->schedule != NULL))
		r = err_set(e, ERR_REFUSED, "service '%s': exactly those of kind cron have a schedule",
			    s->name);
	return r;
}

static int services_from_json(struct plan *p, const json_t *all, struct err **e)
{
	json_t *at;
	size_t i;
	int r = 0;

	if (!json_is_array(all))
		return err_set(e, ERR_REFUSED, "the plan: 'services' is not an array");
	json_array_foreach(all, i, at)
	{
		struct plan_service *s = GROW(&p->services, &p->n_services);

		r = service_from_json(s, at, e);
		if (r < 0)
			return r;
		if (plan_find_service(p, s->name) != s)
			return err_set(e, ERR_REFUSED, "the plan has the service '%s' twice", s->name);
	}
	return 0;
}

static int route_from_json(struct plan_route *route, const json_t *j, struct err **e)
{
	int r = members_read(route, j, "the route", route_members, COUNT(route_members), e);
	const json_t *statics = json_object_get(j, "statics"), *cache = json_object_get(j, "cache"),
		     *acl = json_object_get(j, "acl");
	json_t *at;
	size_t i;

	if (r == 0 && !json_is_array(statics))
		return err_set(e, ERR_REFUSED, "the route: 'statics' is not an array");
	json_array_foreach(statics, i, at)
	{
		if (r < 0)
			break;
		r = members_read(GROW(&route->statics, &route->n_statics), at, "a static mapping",
				 static_members, COUNT(static_members), e);
	}
	if (r == 0 && cache && !json_is_null(cache))
		r = members_read(&route->cache, cache, "the cache", cache_members, COUNT(cache_members), e);
	if (r == 0 && acl && !json_is_null(acl))
		r = members_read(route, acl, "the access list", acl_members, COUNT(acl_members), e);
	return r;
}

int plan_from_json(struct plan *ret, const json_t *j, struct err **e)
{
	_cleanup_(plan_done) struct plan p = { 0 };
	int r = members_read(&p, j, "the plan", plan_members, COUNT(plan_members), e);

	if (r == 0)
		r = services_from_json(&p, json_object_get(j, "services"), e);
	if (r == 0)
		r = route_from_json(&p.route, json_object_get(j, "route"), e);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct plan){ 0 };
	return 0;
}

int plan_read(struct plan *ret, const char *path, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = NULL;
	int r = json_read_file(path, &j, e);

	if (r < 0)
		return r;
	r = plan_from_json(ret, j, e);
	return r < 0 ? err_wrap(e, r, "%s", path) : 0;
}

int plan_write(const struct plan *p, const char *path, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = plan_to_json(p);

	return json_write_file(path, j, 0600, e);
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n_services; i++) {
		members_done(&p->services[i], service_members, COUNT(service_members));
		members_done(&p->services[i].check, check_members, COUNT(check_members));
	}
	free(p->services);
	for (size_t i = 0; i < p->route.n_statics; i++)
		members_done(&p->route.statics[i], static_members, COUNT(static_members));
	free(p->route.statics);
	members_done(&p->route.cache, cache_members, COUNT(cache_members));
	members_done(&p->route, acl_members, COUNT(acl_members));
	members_done(&p->route, route_members, COUNT(route_members));
	members_done(p, plan_members, COUNT(plan_members));
	*p = (struct plan){ 0 };
}
