/*
 * Go: modules, and as in Piku a GOPATH of the app's own and godep for older code. Nothing is compiled here:
 * the app does that in its release command, or runs "go run".
 */
#include "runtime/runtime-internal.h"

#include "base/file.h"

#define RECIPE "go 1"

static int go_detect(const struct runtime_input *in, char **missing)
{
	static const char *const markers[] = { "Godeps", "go.mod", "*.go" };
	static const struct tool tools[] = { { "go", "golang-go" }, { NULL, NULL } };

	for (size_t i = 0; i < COUNT(markers); i++)
		if (input_has(in, markers[i]))
			return input_has_tools(in, markers[i], tools, missing);
	return 0;
}

struct go {
	char *exe, *version, *root; /* root: GOROOT */
};

static void go_done(struct go *g)
{
	free(g->exe);
	free(g->version);
	free(g->root);
}

static int go_find(struct go *ret, struct build *b, const struct runtime_input *in, struct err **e)
{
	_cleanup_(freep) char *go = build_tool(b, in, "go"), *out = NULL;
	const char *argv[] = { go, "env", "GOVERSION", "GOROOT", NULL };
	_cleanup_(strv_done) struct strv lines = { 0 };
	int r;

	if (!go)
		return err_set(e, ERR_MISSING, "there is no go here: install it (apt-get install golang-go)");
	r = tool_ask(&out, (char *const *) argv, e);
	if (r < 0)
		return r;
	strv_split(&lines, out, "\n");
	if (lines.n != 2)
		return err_set(e, ERR_MISSING, "%s does not work: it did not tell its version", go);
	*ret = (struct go){ TAKE(go), xstrdup(lines.v[0]), xstrdup(lines.v[1]) };
	build_read(b, ret->root);
	return 0;
}

static void go_hash(struct build *b, const struct runtime_input *in, const struct go *go,
		    const char *deps_parent)
{
	static const char *const settings[] = { "GO*", "CGO_*", NULL };
	struct hash *h = deps_hash_new(RECIPE, deps_parent, go->exe, go->version);

	hash_text(h, b->is_per_release ? in->src : NULL);
	input_hash_settings(h, in, settings);
	b->hash = hash_end(h);
}

/* The module cache has to stay removable: Go makes its directories read-only otherwise. */
static void set_env(struct build *b, const struct runtime_input *in, const char *deps)
{
	env_set(&b->env, "GOPATH", deps, "go");
	env_setf(&b->env, "GOBIN", "go", "%s/.gobin", in->src);
	env_setf(&b->env, "PATH", "go", "%s/.gobin:%s/bin:$PATH", in->src, deps);
	build_cache(b, in, "GOMODCACHE", "go-mod");
	build_cache(b, in, "GOCACHE", "go-build");
	build_add_option(b, in, "GOFLAGS", "-modcacherw");
	if (!input_has(in, "go.mod"))
		env_set(&b->env, "GO111MODULE", "auto", "go"); /* packages are looked for in GOPATH then */
}

/* Piku's ready-made tree of packages: slipway's user keeps it in ~/gopath. */
static void add_gopath(struct build *b, const char *deps)
{
	_cleanup_(freep) char *ready = path_join(getenv("HOME") ? getenv("HOME") : "/", "gopath"),
			      *from = path_join(ready, ".");
	struct build_step *s;

	if (!is_dir(ready))
		return;
	build_read(b, ready);
	s = build_deps_step(b, deps, "copying ~/gopath");
	STRV_ADD(&s->argv, "/bin/cp", "-a", from, deps);
}

static int add_godep(struct build *b, const struct runtime_input *in, const struct go *go, struct err **e)
{
	_cleanup_(freep) char *godep = build_tool(b, in, "godep");
	struct build_step *s;

	if (!godep && !input_has(in, "vendor") && !input_has(in, "Godeps/_workspace"))
		return err_set(
			e, ERR_MISSING,
			"Godeps found, but godep is missing: install it (Debian has no package for it), "
			"or keep the packages in the repository ('godep save')");
	if (!godep) {
		STRV_ADD(&b->notices,
			 "godep is missing: the packages in the repository are used as they are");
		return 0;
	}
	env_set(&b->env, "GO15VENDOREXPERIMENT", "1", "go");
	env_set(&b->step_env, "GOROOT", go->root, "go");
	s = build_src_step(b, in, "godep update ...");
	STRV_ADD(&s->argv, godep, "update", "...");
	return 0;
}

static void add_tidy(struct build *b, const struct runtime_input *in, const struct go *go)
{
	if (input_has(in, "vendor/modules.txt")) {
		STRV_ADD(&b->notices, "The modules in vendor/ are used: no 'go mod tidy'");
		return;
	}
	struct build_step *s = build_src_step(b, in, "go mod tidy");

	STRV_ADD(&s->argv, go->exe, "mod", "tidy");
}

static int go_fill(struct build *b, const struct runtime_input *in, const char *deps_parent, struct err **e)
{
	_cleanup_(freep) char *deps = NULL;
	_cleanup_(go_done) struct go go = { 0 };
	int r = go_find(&go, b, in, e);

	if (r < 0)
		return r;
	b->is_per_release = input_has(in, "Godeps"); /* godep works on the app's own files */
	go_hash(b, in, &go, deps_parent);
	deps = path_join(deps_parent, b->hash);
	set_env(b, in, deps);
	add_gopath(b, deps);
	if (input_has(in, "Godeps"))
		r = add_godep(b, in, &go, e);
	if (r >= 0 && input_has(in, "go.mod"))
		add_tidy(b, in, &go);
	return r;
}

static int go_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent, struct err **e)
{
	struct build b = { 0 };

	return build_hand_over(ret, &b, go_fill(&b, in, deps_parent, e));
}

const struct runtime_ops runtime_go = {
	.name = "go",
	.label = "Go",
	.detect = go_detect,
	.plan = go_plan,
};
