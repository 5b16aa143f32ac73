/* plan: manifest + settings -> plan.json; freezes the settings; reserves ports; validates without a side
 * effect. */
#include <errno.h>

#include "base/crash-point.h"
#include "base/file.h"
#include "base/json.h"
#include "check/check.h"
#include "deploy/deploy-internal.h"
#include "manifest/manifest.h"
#include "plan/environment.h"
#include "runner/uwsgi.h"
#include "plan/root.h"
#include "store/release.h"

static int read_scaling(struct deploy *d, char **ret, struct err **e)
{
	_cleanup_(freep) char *path = root_scaling(d->root, d->row.app);

	return file_exists(path) ? file_read(path, 1 << 20, ret, NULL, e) : 0;
}

static int compile(struct deploy *d, const struct env *env, struct err **e)
{
	const struct manifest_ops *manifest = manifest_detect(d->src_fd);
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(freep) char *scaling = NULL;
	int r = read_scaling(d, &scaling, e);

	if (r < 0)
		return r;
	if (!manifest)
		return err_set(e, ERR_REFUSED,
			       "Invalid Procfile for app '%s': there is no %s in its top directory",
			       d->row.app, manifest_file_names());
	struct manifest_input in = { d->row.app, d->src_fd, env, scaling, &d->host };

	r = manifest->compile(&d->plan, &in, &problems, e);
	say_problems(&problems);
	return r;
}

/* Who deploys may come in past the access list, until somebody else does. */
static void find_deployer(struct deploy *d)
{
	_cleanup_(json_releasep) json_t *args = json_loads(d->row.args ? d->row.args : "{}", 0, NULL);
	const char *client = json_text(args, "client");

	if (d->plan.route.is_cloudflare_only)
		str_set(&d->plan.route.deployer, client       ? client
						 : d->has_old ? d->old_plan.route.deployer
							      : NULL);
}

static int find_runtime(struct deploy *d, const struct env *env, struct err **e)
{
	_cleanup_(freep) char *parent = root_path(d->root, "envs/%s/deps", d->row.app),
			      *cache = root_path(d->root, "cache/%s", d->row.app);
	struct runtime_input in = { d->src, d->src_fd, env, d->host.tool_path, &d->plan, cache };
	_cleanup_(problems_done) struct problems problems = { 0 };
	int r = runtime_detect(&d->runtime, &in, &problems, e);

	say_problems(&problems);
	if (r < 0)
		return r;
	say("%s app detected.", d->runtime->label);
	str_set(&d->plan.runtime, d->runtime->name);
	r = d->runtime->plan(&d->build, &in, parent, e);
	for (size_t i = 0; i < d->build.notices.n; i++)
		say_warning("%s", d->build.notices.v[i]);
	if (r >= 0 && d->build.hash)
		d->deps = path_join(parent, d->build.hash);
	return r < 0 ? r
		     : store_release_set_runtime(&d->store, d->row.app, d->version, d->runtime->name,
						 plan_serves_files(&d->plan), e);
}

/* The copy of the settings that this release was made with; later steps and rollbacks read only the spec. */
static int freeze_settings(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *from = root_settings(d->root, d->row.app), *text = NULL;
	_cleanup_(freep) char *to = path_join(d->dir, "settings");
	int r = file_exists(from) ? file_read(from, 4 << 20, &text, NULL, e) : 0;

	/* stage syncs the release whole */
	return r < 0 ? r : file_replace_unsynced(to, text ? text : "", text ? strlen(text) : 0, 0600, e);
}

/* From the operator only: whatever is installed where these programs lie is shown to the app. */
static void add_tools(struct strv *to, const char *path)
{
	_cleanup_(strv_done) struct strv dirs = { 0 };

	strv_split(&dirs, path ? path : "", ":");
	for (size_t i = 0; i < dirs.n; i++)
		if (*dirs.v[i] == '/' && !strchr(dirs.v[i], '$') && !strv_has(to, dirs.v[i]))
			STRV_ADD(to, dirs.v[i]);
}

static int read_level(const struct deploy *d, const char *wish, enum sandbox_level *ret, struct err **e)
{
	if (!wish || str_eq(wish, "on"))
		wish = d->host.sandbox_level;
	if (sandbox_level_read(ret, wish))
		return 0;
	return err_set(e, ERR_REFUSED, "SANDBOX is '%s'; expected on, both, bwrap, landlock or off", wish);
}

static void add_paths(struct strv *to, const char *text)
{
	if (text)
		strv_split(to, text, ": \t");
}

static int compose_sandbox(struct deploy *d, struct err **e)
{
	struct sandbox *s = &d->spec.sandbox;
	int r = read_level(d, env_get(&d->operator_env, "SANDBOX"), &s->level, e);

	if (r < 0)
		return r;
	s->landlock_abi = d->host.landlock_abi;
	STRV_ADD(&s->hide, d->root); /* it may lie in /opt, which apps see */
	add_tools(&s->tools, d->host.tool_path);
	add_tools(&s->tools, env_get(&d->operator_env, "PATH"));

	for (size_t i = 0; i < d->build.read.n; i++)
		STRV_ADD(&s->read, d->build.read.v[i]);
	add_paths(&s->read, d->host.sandbox_read);
	add_paths(&s->read, env_get(&d->operator_env, "SANDBOX_READ"));
	if (d->deps)
		STRV_ADD(&s->read, d->deps);
	strv_push(&s->write, xstrdup(d->src));
	strv_push(&s->write, root_path(d->root, "data/%s", d->row.app));
	strv_push(&s->write, root_path(d->root, "cache/%s", d->row.app));
	s->tmp = root_path(d->root, "cache/%s/tmp", d->row.app);
	return 0;
}

static int compose_spec(struct deploy *d, struct err **e)
{
	_cleanup_(problems_done) struct problems problems = { 0 };
	int r;

	spec_done(&d->spec);
	d->spec = (struct spec){ .app = xstrdup(d->row.app),
				 .version = d->version,
				 .cwd = xstrdup(d->src),
				 .log_max_bytes = d->plan.log_max_bytes,
				 .web_group = (unsigned) router_group(&d->host),
				 .build_limits = d->plan.build_limits,
				 .release_limits = d->plan.release_limits,
				 .run_limits = d->plan.run_limits };
	r = environment_compose(d, &d->spec.env, &d->build.env, &problems, e);
	if (r < 0)
		return r;
	environment_finish(&d->spec.env, &d->plan);
	for (size_t i = 0; i < d->plan.n_services; i++) {
		const struct plan_service *s = &d->plan.services[i];

		if (s->kind == SERVICE_STATIC)
			continue;
		struct spec_service *to = GROW(&d->spec.services, &d->spec.n_services);

		*to = (struct spec_service){ .name = xstrdup(s->name),
					     .command = xstrdup(s->command),
					     .stop_signal = xstrdup(s->stop_signal),
					     .stop_timeout_ms = s->stop_timeout_ms,
					     .limits = s->limits };
		if (s->uwsgi.n)
			strv_add(&to->uwsgi, (const char *const *) s->uwsgi.v);
	}
	return compose_sandbox(d, e);
}

static int validate(struct deploy *d, struct err **e)
{
	const struct runner_ops *runner = runner_find(d->plan.runner);
	const struct router_ops *router = router_find(d->plan.router);
	struct generation g = deploy_generation(d, d->version, d->generation);
	struct router_app a = {
		.root = d->root, .host = &d->host, .plan = &d->plan, .src = d->src, .env = &d->spec.env
	};
	_cleanup_(strv_done) struct strv notes = { 0 };
	int r;

	a.notes = &notes;
	if (!runner || !router)
		return err_set(e, ERR_REFUSED, "there is no %s '%s'", runner ? "router" : "runner",
			       runner ? d->plan.router : d->plan.runner);
	r = runner->probe ? runner->probe(&g, e) : 0;
	if (r >= 0)
		r = uwsgi_probe(&d->plan, d->root, e);
	if (r >= 0 && router->validate)
		r = router->validate(&a, e);
	for (size_t i = 0; i < notes.n; i++)
		say_warning("%s", notes.v[i]);
	return r < 0 ? r : order_check(d, e);
}

static void summarize(const struct deploy *d)
{
	struct strb line = STRB(4096);

	for (size_t i = 0; i < d->plan.n_services; i++)
		(void) strb_addf(&line, "%s%s=%u", i ? ", " : "", d->plan.services[i].name,
				 d->plan.services[i].instances);
	say_detail("services: %s; sandbox: %s", line.s ? line.s : "none",
		   sandbox_level_name(sandbox_in_force(&d->spec.sandbox, d->host.tool_path)));
	strb_done(&line);
	if (d->plan.fixed_port && d->has_old)
		say_detail("PORT=%u is fixed: the old instance stops before the new one starts, which costs "
			   "a moment",
			   d->plan.fixed_port);
}

int step_plan(struct deploy *d, struct err **e)
{
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(freep) char *path = path_join(d->dir, "plan.json");
	_cleanup_(env_done) struct env env = { 0 };
	int r = environment_compose(d, &env, NULL, &problems, e);

	say_problems(&problems); /* a bad line of ENV is said and skipped, as in Piku (spec 7.1) */
	if (r >= 0)
		r = compile(d, &env, e);
	find_deployer(d);
	if (r >= 0)
		r = find_runtime(d, &env, e);
	if (r >= 0)
		r = compose_spec(d, e);
	if (r >= 0)
		r = freeze_settings(d, e);
	if (r >= 0)
		r = validate(d, e);
	if (r >= 0)
		r = targets_plan(d, e);
	crash_point("plan.middle");
	if (r >= 0)
		r = plan_write(&d->plan, path, e);
	if (r >= 0)
		r = spec_write(&d->spec, d->root, e);
	if (r < 0)
		return r;
	d->is_activated = d->plan.is_auto_restart || !d->row.from_deployment;
	summarize(d);
	return 0;
}
