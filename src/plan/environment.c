/* What slipway itself puts into an app's environment: see environment.h. */
#include "plan/environment.h"

#include <pwd.h>

#include "plan/root.h"

char *environment_user(uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);

	return pw ? xstrdup(pw->pw_name) : xasprintf("%u", (unsigned) uid);
}

/* Ours. */
static char *user_name(void)
{
	const char *user = getenv("USER");

	return user && *user ? xstrdup(user) : environment_user(getuid());
}

void environment_set_user(struct env *env, uid_t uid)
{
	static const char *const names[] = { "USER", "LOGNAME" };
	_cleanup_(freep) char *ours = user_name(), *name = environment_user(uid);

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(env_get(env, names[i]), ours))
			env_set(env, names[i], name, "base");
}

int environment_base(struct env *ret, const char *root, const char *app, const char *src,
		     const char *tool_path, struct err **e)
{
	_cleanup_(freep) char *user = user_name(), *logs = root_path(root, "logs");
	_cleanup_(freep) char *data = root_path(root, "data/%s", app),
			      *home = root_path(root, "data/%s/home", app);
	const struct {
		const char *name, *value;
	} base[] = {
		{ "APP", app },        { "LOG_ROOT", logs }, { "DATA_ROOT", data },
		{ "HOME", home },      { "USER", user },     { "LOGNAME", user },
		{ "PATH", tool_path }, { "PWD", src },       { "LANG", "C.UTF-8" },
	};

	if (!tool_path || !*tool_path)
		return err_set(e, ERR_MISSING, "no PATH to give to %s: set [build] path in config.toml", app);
	for (size_t i = 0; i < COUNT(base); i++)
		env_set(ret, base[i].name, base[i].value, "base");
	return 0;
}

static void drop_internal(struct env *env)
{
	for (size_t i = env->n; i-- > 0;) {
		_cleanup_(freep) char *name = xstrdup(env->v[i].name);

		if (str_starts(name, "PIKU_INTERNAL_"))
			env_unset(env, name);
	}
}

static void give_default(struct env *env, const char *name, const char *value)
{
	const char *set = env_get(env, name);

	if (value && (!set || !*set))
		env_set(env, name, value, "slipway");
}

static bool is_served(const struct plan *p)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].is_routed || p->services[i].kind == SERVICE_STATIC)
			return true;
	return false;
}

void environment_finish(struct env *env, const struct plan *p)
{
	const char *names = env_get(env, "NGINX_SERVER_NAME");

	drop_internal(env);
	if (names && *names) {
		_cleanup_(strv_done) struct strv hosts = { 0 };
		_cleanup_(freep) char *origin = xstrdup(env_origin(env, "NGINX_SERVER_NAME")), *blanks = NULL;

		strv_split(&hosts, names, ", \t");
		blanks = strv_join(&hosts, " ");
		env_set(env, "NGINX_SERVER_NAME", blanks, origin);
	}
	if (!is_served(p))
		return;
	give_default(env, "NGINX_IPV4_ADDRESS", p->route.ipv4_address);
	if (p->route.has_ipv6)
		give_default(env, "NGINX_IPV6_ADDRESS", p->route.ipv6_address);
	give_default(env, "BIND_ADDRESS", p->bind_address);
}
