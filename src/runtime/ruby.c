/* Ruby: a Gemfile, and the gems that Bundler installs for it into deps/HASH. */
#include "runtime/runtime-internal.h"

#include <assert.h>

#include "base/file.h"

#define RECIPE "ruby 1"

/* What a Gemfile reads besides the code of the app. */
static const char *const inputs[] = { "Gemfile",       "Gemfile.lock",   "gems.rb",        "gems.locked",
				      ".ruby-version", ".tool-versions", ".bundle/config", NULL };

static int ruby_detect(const struct runtime_input *in, char **missing)
{
	static const struct tool tools[] = {
		{ "ruby", "ruby" }, { "gem", "ruby" }, { "bundle", "ruby-bundler" }, { NULL, NULL }
	};

	return input_has(in, "Gemfile") ? input_has_tools(in, "Gemfile", tools, missing) : 0;
}

struct ruby {
	char *exe, *version, *prefix;
};

static void ruby_done(struct ruby *r)
{
	free(r->exe);
	free(r->version);
	free(r->prefix);
}

/* Asks Ruby itself: what is found first may be a shim of rbenv or asdf. */
static int ruby_find(struct ruby *ret, const struct runtime_input *in, struct err **e)
{
	static const char question[] = "puts RUBY_DESCRIPTION, RbConfig.ruby, RbConfig::CONFIG['prefix']";
	_cleanup_(freep) char *ruby = find_program("ruby", in->tool_path), *out = NULL;
	const char *argv[] = { ruby, "--disable-gems", "-rrbconfig", "-e", question, NULL };
	_cleanup_(strv_done) struct strv lines = { 0 };
	int r;

	if (!ruby)
		return err_set(e, ERR_MISSING, "there is no ruby here: install it (apt-get install ruby)");
	r = tool_ask(&out, (char *const *) argv, e);
	if (r < 0)
		return r;
	strv_split(&lines, out, "\n");
	if (lines.n != 3)
		return err_set(e, ERR_MISSING, "%s does not work: it did not tell its version", ruby);
	*ret = (struct ruby){ .version = xstrdup(lines.v[0]),
			      .exe = xstrdup(lines.v[1]),
			      .prefix = xstrdup(lines.v[2]) };
	return 0;
}

/*
 * A Gemfile is a program. One that says "gemspec", "path" or reads other files may depend on any file of the
 * app: then every release has a directory of its own.
 */
static int reads_the_app(bool *ret, const struct runtime_input *in, struct err **e)
{
	static const char *const words[] = { "gemspec", "path", "eval_gemfile", "instance_eval",
					     "File",    "Dir",  "IO",           "require_relative" };
	_cleanup_(freep) char *text = NULL;
	int r = file_read_beneath(in->dir, "Gemfile", 1 << 20, &text, NULL, e);

	for (size_t i = 0; r >= 0 && i < COUNT(words); i++)
		*ret |= str_has_word(text, words[i], strlen(words[i]), "");
	return r;
}

static int ruby_hash(struct build *b, const struct runtime_input *in, const struct ruby *ruby,
		     const char *deps_parent, struct err **e)
{
	static const char *const settings[] = { "BUNDLE_*", "GEM_*", "RUBYOPT", "RUBYLIB", NULL };
	_cleanup_(hash_dropp) struct hash *h = deps_hash_new(RECIPE, deps_parent, ruby->exe, ruby->version);
	int r = 0;

	hash_text(h, b->is_per_release ? in->src : NULL);
	input_hash_settings(h, in, settings);
	for (size_t i = 0; r >= 0 && inputs[i]; i++)
		r = input_hash_file(h, in, inputs[i], e);
	if (r >= 0)
		b->hash = hash_end(TAKE(h));
	return r;
}

/*
 * What "bundle config --local" writes lies with the gems, so that every release of the same gems finds it;
 * the repository's own settings are where it begins.
 */
static void set_env(struct build *b, const struct runtime_input *in, const char *deps)
{
	env_set(&b->env, "VIRTUAL_ENV", deps, "ruby");
	env_setf(&b->env, "PATH", "ruby", "%s/bin:$PATH", deps);
	env_setf(&b->env, "BUNDLE_APP_CONFIG", "ruby", "%s/.bundle", deps);
	env_setf(&b->step_env, "BUNDLE_USER_HOME", "ruby", "%s/bundle", in->cache);
	env_set(&b->step_env, "BUNDLE_SILENCE_ROOT_WARNING", "1", "ruby");
	env_setf(&b->step_env, "GEM_SPEC_CACHE", "ruby", "%s/gem-specs", in->cache);
	if (input_has(in, ".bundle/config"))
		STRV_ADD(&b->copies, ".bundle/config=.bundle/config");
}

/* The bundle of that Ruby: the first one on the way may be a shim. */
static char *find_bundle(struct build *b, const struct runtime_input *in, const struct ruby *ruby)
{
	assert(ruby->exe);
	const char *slash = strrchr(ruby->exe, '/');
	_cleanup_(freep) char *dir = xstrndup(ruby->exe, (size_t) (slash ? slash - ruby->exe : 0));
	char *bundle = find_program("bundle", dir);

	return bundle ? bundle : build_tool(b, in, "bundle");
}

static int ruby_fill(struct build *b, const struct runtime_input *in, const char *deps_parent, struct err **e)
{
	_cleanup_(freep) char *deps = NULL, *bundle = NULL;
	_cleanup_(ruby_done) struct ruby ruby = { 0 };
	struct build_step *s;
	int r = ruby_find(&ruby, in, e);

	if (r >= 0)
		bundle = find_bundle(b, in, &ruby);
	if (r >= 0 && !bundle)
		r = err_set(e, ERR_MISSING, "there is no bundle here (apt-get install ruby-bundler)");
	if (r >= 0)
		r = reads_the_app(&b->is_per_release, in, e);
	if (r >= 0)
		r = ruby_hash(b, in, &ruby, deps_parent, e);
	if (r < 0)
		return r;
	deps = path_join(deps_parent, b->hash);
	build_read(b, ruby.prefix);
	set_env(b, in, deps);
	s = build_deps_step(b, in->src, "bundle config set --local path");
	STRV_ADD(&s->argv, bundle, "config", "set", "--local", "path", deps);
	s = build_deps_step(b, in->src, "bundle install");
	STRV_ADD(&s->argv, bundle, "install");
	return 0;
}

static int ruby_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent,
		     struct err **e)
{
	struct build b = { 0 };

	return build_hand_over(ret, &b, ruby_fill(&b, in, deps_parent, e));
}

const struct runtime_ops runtime_ruby = {
	.name = "ruby",
	.label = "Ruby Application",
	.detect = ruby_detect,
	.plan = ruby_plan,
};
