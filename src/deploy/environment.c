/* An app's environment: base < host defaults < runtime < the repository's ENV < the operator's < what is
 * assigned. */
#include "plan/environment.h"

#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "manifest/manifest.h"
#include "plan/root.h"

/* The operator's settings, twice: on top of env, and alone (only they may switch the sandbox off). */
static int read_operator(struct deploy *d, struct env *env, struct problems *problems, struct err **e)
{
	_cleanup_(freep) char *path = root_settings(d->root, d->row.app), *text = NULL;
	size_t n;

	if (!file_exists(path))
		return 0;
	int r = file_read(path, 4 << 20, &text, &n, e);
	if (r < 0)
		return r;
	env_done(&d->operator_env);
	env_parse(&d->operator_env, text, n, path, NULL, false, NULL);
	env_parse(env, text, n, path, "config", true, problems);
	return 0;
}

int environment_compose(struct deploy *d, struct env *ret, const struct env *runtime,
			struct problems *problems, struct err **e)
{
	const struct manifest_ops *manifest = manifest_detect(d->src_fd);
	int r = environment_base(ret, d->root, d->row.app, d->src, d->host.tool_path, e);

	if (r < 0)
		return r;
	env_copy(ret, &d->host.defaults);
	for (size_t i = 0; runtime && i < runtime->n; i++) {
		_cleanup_(freep) char *value = env_expand(ret, runtime->v[i].value);

		env_set(ret, runtime->v[i].name, value ? value : runtime->v[i].value,
			runtime->v[i].origin ? runtime->v[i].origin : "runtime");
	}
	if (manifest && manifest->read_env)
		r = manifest->read_env(d->src_fd, ret, problems, e);
	if (r >= 0)
		r = read_operator(d, ret, problems, e);
	return r;
}

/* LIVE_ENV as Piku writes it: one KEY=value a line, in merge order (spec 7.3). */
int environment_write_live(const struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *path = root_path(d->root, "envs/%s/LIVE_ENV", d->row.app);
	const struct plan_service *web = plan_routed_service(&d->plan);
	struct strb text = STRB(16 << 20);

	for (size_t i = 0; i < d->spec.env.n; i++)
		(void) strb_addf(&text, "%s=%s\n", d->spec.env.v[i].name, d->spec.env.v[i].value);
	if (web && !env_get(&d->spec.env, "PORT"))
		for (size_t i = 0; i < d->n_targets; i++)
			if (d->targets[i].service == web && d->targets[i].ordinal == 1)
				(void) strb_addf(&text, "PORT=%u\n", d->targets[i].port);
	_cleanup_(freep) char *live = strb_take(&text);

	return file_replace(path, live, strlen(live), 0600, e);
}
