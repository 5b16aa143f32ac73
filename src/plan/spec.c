/* The spec of a release and its file, which holds secrets: 0600. */
#include "plan/spec.h"

#include "base/file.h"
#include "base/json.h"
#include "plan/members-internal.h"
#include "plan/root.h"

static const struct member spec_members[] = {
	MEMBER(MEMBER_TEXT, spec, app),
	MEMBER(MEMBER_LONG, spec, version),
	MEMBER(MEMBER_TEXT, spec, cwd),
	{ "env", MEMBER_OTHER, 0, NULL, 0 },
	{ "sandbox", MEMBER_OTHER, 0, NULL, 0 },
	MEMBER(MEMBER_SIZE, spec, log_max_bytes),
	MEMBER(MEMBER_ADDED_UNSIGNED, spec, web_group),
	{ "services", MEMBER_OTHER, 0, NULL, 0 },
	MEMBER(MEMBER_LIMITS, spec, build_limits),
	MEMBER(MEMBER_LIMITS, spec, release_limits),
	MEMBER(MEMBER_LIMITS, spec, run_limits),
};

static const struct member service_members[] = {
	MEMBER(MEMBER_TEXT, spec_service, name),
	MEMBER(MEMBER_TEXT, spec_service, command),
	MEMBER(MEMBER_TEXT, spec_service, stop_signal),
	MEMBER(MEMBER_UNSIGNED, spec_service, stop_timeout_ms),
	MEMBER(MEMBER_LIMITS, spec_service, limits),
	MEMBER(MEMBER_ADDED_TEXTS, spec_service, uwsgi),
};

static char *spec_path(const char *root, const char *app, long version)
{
	_cleanup_(freep) char *dir = root_release(root, app, version);

	return path_join(dir, "spec.json");
}

static int spec_from_json(struct spec *s, const json_t *j, struct err **e)
{
	int r = members_read(s, j, "the spec", spec_members, COUNT(spec_members), e);
	const json_t *services = json_object_get(j, "services"), *env = json_object_get(j, "env");
	json_t *at;
	size_t i;

	if (r < 0)
		return r;
	if (!json_is_array(services) || !json_is_array(env) || !json_is_object(json_object_get(j, "sandbox")))
		return err_set(e, ERR_REFUSED, "the spec: 'services', 'env' or 'sandbox' has the wrong type");
	json_to_env(env, &s->env);
	if (s->env.n != json_array_size(env))
		return err_set(e, ERR_REFUSED,
			       "the spec: 'env' has an entry without name or value, or one twice");
	sandbox_from_json(json_object_get(j, "sandbox"), &s->sandbox);
	json_array_foreach(services, i, at)
	{
		r = members_read(GROW(&s->services, &s->n_services), at, "a service", service_members,
				 COUNT(service_members), e);
		if (r < 0)
			return r;
	}
	return 0;
}

int spec_read(struct spec *ret, const char *root, const char *app, long version, struct err **e)
{
	_cleanup_(freep) char *path = spec_path(root, app, version);
	_cleanup_(json_releasep) json_t *j = NULL;
	_cleanup_(spec_done) struct spec s = { 0 };
	int r = json_read_file(path, &j, e);

	if (r < 0)
		return r;
	r = spec_from_json(&s, j, e);
	if (r == 0 && (s.version != version || !str_eq(s.app, app)))
		r = err_set(e, ERR_REFUSED, "it is of %s v%ld", s.app, s.version);
	if (r < 0)
		return err_wrap(e, r, "%s", path);
	*ret = s;
	s = (struct spec){ 0 };
	return 0;
}

int spec_write(const struct spec *s, const char *root, struct err **e)
{
	_cleanup_(freep) char *path = spec_path(root, s->app, s->version);
	_cleanup_(json_releasep) json_t *j = json_object();
	json_t *services = json_array();

	members_write(j, s, spec_members, COUNT(spec_members));
	for (size_t i = 0; i < s->n_services; i++) {
		json_t *one = json_object();

		members_write(one, &s->services[i], service_members, COUNT(service_members));
		(void) json_array_append_new(services, one);
	}
	(void) json_object_set_new(j, "env", json_from_env(&s->env));
	(void) json_object_set_new(j, "sandbox", sandbox_to_json(&s->sandbox));
	(void) json_object_set_new(j, "services", services);
	return json_write_file(path, j, 0600, e);
}

struct spec_service *spec_find_service(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->n_services; i++)
		if (str_eq(s->services[i].name, name))
			return &s->services[i];
	return NULL;
}

void spec_done(struct spec *s)
{
	for (size_t i = 0; i < s->n_services; i++)
		members_done(&s->services[i], service_members, COUNT(service_members));
	free(s->services);
	env_done(&s->env);
	sandbox_done(&s->sandbox);
	members_done(s, spec_members, COUNT(spec_members));
	*s = (struct spec){ 0 };
}
