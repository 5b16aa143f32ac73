/* build: the preflight command, dependencies into deps/HASH (once per hash), build commands. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/crash-point.h"
#include "base/file.h"
#include "deploy/deploy-internal.h"
#include "plan/root.h"

/* Written last, so that a directory without it is known to be incomplete. */
static char *stamp_of(const char *deps)
{
	return path_join(deps, ".slipway-complete");
}

/* 0711 is for nginx: what an app puts into data/APP/shared may be served as a static file. */
static int make_dirs(struct deploy *d, struct err **e)
{
	static const struct {
		const char *parent, *rest;
		mode_t mode;
	} dirs[] = {
		{ "data", "", 0711 },      { "data", "/shared", 0711 }, { "data", "/home", 0700 },
		{ "cache", "", 0711 },     { "logs", "", 0750 },        { "envs", "", 0700 },
		{ "envs", "/deps", 0700 }, { "config", "", 0700 },
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < COUNT(dirs); i++) {
		_cleanup_(freep) char *path =
			root_path(d->root, "%s/%s%s", dirs[i].parent, d->row.app, dirs[i].rest);

		r = dir_make(path, dirs[i].mode, e);
	}
	return r;
}

/* Piku's names for the operator's files (design.md: Files). */
static int link_settings(struct deploy *d, struct err **e)
{
	static const char *const names[] = { "ENV", "SCALING" };

	for (size_t i = 0; i < COUNT(names); i++) {
		_cleanup_(freep) char *path = root_path(d->root, "envs/%s/%s", d->row.app, names[i]);
		_cleanup_(freep) char *target = xasprintf("../../config/%s/%s", d->row.app, names[i]);

		if (access(path, F_OK) < 0 && link_replace(target, path, e) < 0)
			return -EIO;
	}
	return 0;
}

static int copy_inputs(struct deploy *d, struct err **e)
{
	for (size_t i = 0; i < d->build.copies.n; i++) {
		_cleanup_(strv_done) struct strv pair = { 0 };
		_cleanup_(freep) char *text = NULL;
		size_t n;

		strv_split(&pair, d->build.copies.v[i], "=");
		if (pair.n != 2)
			continue;
		_cleanup_(freep) char *to = path_join(d->deps, pair.v[1]), *dir = xstrdup(to);
		int r = file_read_beneath(d->src_fd, pair.v[0], 64 << 20, &text, &n, e);
		*strrchr(dir, '/') = '\0';
		if (r >= 0)
			r = dir_make(dir, 0755, e);
		if (r >= 0)
			r = file_replace(to, text, n, 0644, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The runtime says where its tools keep what (step_env); this is for all others. */
static void set_caches(struct deploy *d, struct env *env)
{
	_cleanup_(freep) char *cache = root_path(d->root, "cache/%s", d->row.app);

	env_set(env, "XDG_CACHE_HOME", cache, "slipway");
	env_copy(env, &d->build.step_env);
}

static int run_steps(struct deploy *d, const struct build_step *steps, size_t n, struct err **e)
{
	_cleanup_(env_done) struct env caches = { 0 };
	bool has_failed = false;

	set_caches(d, &caches);
	for (size_t i = 0; i < n; i++) {
		const struct build_step *s = &steps[i];
		_cleanup_(err_freep) struct err *why = NULL;
		struct command_run c = { .what = s->title,
					 .argv = s->argv.v,
					 .extra = &caches,
					 .cwd = s->cwd,
					 .timeout_ms = d->plan.build_timeout_ms,
					 .limits = &d->spec.build_limits };
		bool is_fallback = i > 0 && steps[i - 1].may_fail;

		if (is_fallback && !has_failed)
			continue;
		say("%s", s->title);
		if (d->deps)
			STRV_ADD(&c.write, d->deps);
		int r = command_run(d, &c, s->may_fail ? &why : e);
		strv_done(&c.write);
		has_failed = r < 0;
		if (r < 0 && !s->may_fail)
			return r;
		if (r < 0)
			say_warning("%s", why->msg);
	}
	return 0;
}

static int install(struct deploy *d, struct err **e)
{
	_cleanup_(freep) char *stamp = d->deps ? stamp_of(d->deps) : NULL;
	int r;

	if (!d->deps)
		return 0;
	if (file_exists(stamp)) {
		say_detail("dependencies are unchanged");
		return 0;
	}
	r = tree_remove(d->deps, e);
	if (r >= 0)
		r = dir_make(d->deps, 0755, e);
	if (r >= 0)
		r = user_own_dir(d, d->deps, e);
	if (r >= 0)
		r = copy_inputs(d, e);
	if (r >= 0)
		r = run_steps(d, d->build.deps, d->build.n_deps, e);
	if (r >= 0)
		r = file_replace(stamp, "", 0, 0644, e);
	if (r < 0)
		(void) tree_remove(d->deps, NULL);
	return r;
}

static int link_into_src(struct deploy *d, struct err **e)
{
	for (size_t i = 0; i < d->build.links.n; i++) {
		const char *equals = strchr(d->build.links.v[i], '=');

		if (!equals)
			continue;
		_cleanup_(freep) char *name =
			xstrndup(d->build.links.v[i], (size_t) (equals - d->build.links.v[i]));
		if (faccessat(d->src_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			say_detail("%s is in the repository: it is used as it is", name);
			continue;
		}
		if (symlinkat(equals + 1, d->src_fd, name) < 0)
			return err_set(e, -errno, "linking %s: %m", name);
	}
	return 0;
}

int step_build(struct deploy *d, struct err **e)
{
	int r = make_dirs(d, e);

	if (r >= 0)
		r = link_settings(d, e);
	if (r >= 0)
		r = user_prepare(d, e);
	if (r >= 0)
		r = shared_snapshot(d, false, e);
	crash_point("build.middle");
	if (r >= 0 && d->plan.preflight) {
		struct command_run c = { .what = "preflight command",
					 .command = d->plan.preflight,
					 .timeout_ms = d->plan.build_timeout_ms,
					 .limits = &d->spec.build_limits };

		say("Running preflight.");
		r = command_run(d, &c, e);
	}
	if (r >= 0)
		r = install(d, e);
	if (r >= 0)
		r = link_into_src(d, e);
	if (r >= 0)
		r = run_steps(d, d->build.steps, d->build.n_steps, e);
	return r;
}
