/* PHP: what Composer installs for composer.json, in src for every release, because its autoloader leads
 * there. */
#include "runtime/runtime-internal.h"

static bool has_php_service(const struct plan *p)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].kind == SERVICE_PHP)
			return true;
	return false;
}

/* Piku's mark is the service; an app that serves itself ("web: php -S ...") is told by its composer.json. */
static int php_detect(const struct runtime_input *in, char **missing)
{
	static const struct tool uwsgi = { "uwsgi_php", "uwsgi-plugin-php" }, php = { "php", "php-cli" },
				 composer = { "composer", "composer" };
	bool is_served = has_php_service(in->plan), has_packages = input_has(in, "composer.json");
	struct tool tools[4] = { { NULL, NULL } };
	size_t n = 0;

	if (!is_served && !has_packages)
		return 0;
	if (is_served)
		tools[n++] = uwsgi;
	if (has_packages) {
		tools[n++] = php;
		tools[n] = composer;
	}
	return input_has_tools(in, is_served ? "a 'php' service" : "composer.json", tools, missing);
}

static int php_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent UNUSED,
		    struct err **e UNUSED)
{
	struct build_step *s;

	*ret = (struct build){ 0 };
	if (!input_has(in, "composer.json"))
		return 0;
	env_set(&ret->env, "COMPOSER_NO_DEV", "1", "php");
	env_setf(&ret->env, "PATH", "php", "%s/vendor/bin:$PATH", in->src);
	env_setf(&ret->step_env, "COMPOSER_HOME", "php", "%s/composer", in->cache);
	env_setf(&ret->step_env, "COMPOSER_CACHE_DIR", "php", "%s/composer/cache", in->cache);
	env_set(&ret->step_env, "COMPOSER_ALLOW_SUPERUSER", "1", "php"); /* it is in a sandbox */
	s = build_src_step(ret, in, "composer install");
	strv_push(&s->argv, build_tool(ret, in, "composer"));
	STRV_ADD(&s->argv, "install", "--no-interaction", "--no-progress");
	return 0;
}

const struct runtime_ops runtime_php = {
	.name = "php",
	.label = "PHP",
	.detect = php_detect,
	.plan = php_plan,
};
