/*
 * Node: package.json and what a package manager installs for it. Usually that goes to deps/HASH on copies of
 * package.json and lock file, and src/node_modules is a link; a package that installs parts of itself
 * (scripts, "file:" dependencies, workspaces) is installed where it lies, for each release.
 */
#include "runtime/runtime-internal.h"

#include <assert.h>
#include <jansson.h>

#include "base/file.h"
#include "base/json.h"
#include "base/words.h"

#define RECIPE "node 1"

/* Read by package managers beside package.json. */
static const char *const inputs[] = { "package.json",
				      "package-lock.json",
				      "npm-shrinkwrap.json",
				      "yarn.lock",
				      "pnpm-lock.yaml",
				      "bun.lock",
				      "bun.lockb",
				      ".npmrc",
				      ".yarnrc",
				      NULL };
/* These make a package more than its package.json says. */
static const char *const extensions[] = { ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs",
					  "binding.gyp", NULL };

struct package {
	bool needs_install; /* there is something for a package manager to do */
	bool is_local;      /* installs parts of itself */
	char *manager;      /* "packageManager": "pnpm@9.1.0+sha512..."; NULL: none */
};

static void package_done(struct package *p)
{
	free(p->manager);
}

static bool is_object_with_members(const json_t *o)
{
	return json_is_object(o) && json_object_size(o) > 0;
}

/* "file:lib", "link:../x", "workspace:*", "./lib": not from a registry but from here. */
static bool is_local_version(const char *version)
{
	static const char *const starts[] = { "file:", "link:", "portal:", "workspace:", ".", "/", "~/" };

	for (size_t i = 0; version && i < COUNT(starts); i++)
		if (str_starts(version, starts[i]))
			return true;
	return false;
}

static void look_at_dependencies(struct package *ret, json_t *package)
{
	static const char *const kinds[] = { "dependencies", "devDependencies", "optionalDependencies",
					     "peerDependencies" };
	const char *name;
	json_t *version;

	for (size_t i = 0; i < COUNT(kinds); i++) {
		json_t *list = json_object_get(package, kinds[i]);

		ret->needs_install |= is_object_with_members(list);
		json_object_foreach(list, name, version) ret->is_local |=
			is_local_version(json_string_value(version));
	}
}

static void look_at_scripts(struct package *ret, const json_t *package)
{
	static const char *const kinds[] = { "preinstall", "install", "postinstall",
					     "preprepare", "prepare", "postprepare" };
	const json_t *scripts = json_object_get(package, "scripts");

	for (size_t i = 0; i < COUNT(kinds); i++)
		ret->is_local |= json_object_get(scripts, kinds[i]) != NULL;
}

static int package_read(struct package *ret, const struct runtime_input *in, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(json_releasep) json_t *package = NULL;
	json_error_t at;
	size_t n = 0;
	int r = file_read_beneath(in->dir, "package.json", 4 << 20, &text, &n, e);

	if (r < 0)
		return r;
	package = json_loadb(text, n, 0, &at);
	if (!package)
		return err_set(e, ERR_REFUSED, "package.json:%d:%d: %s", at.line, at.column, at.text);
	if (!json_is_object(package))
		return err_set(e, ERR_REFUSED, "package.json:1:1: expected an object");
	*ret = (struct package){ .manager = xstrdup(
					 json_string_value(json_object_get(package, "packageManager"))) };
	look_at_dependencies(ret, package);
	look_at_scripts(ret, package);
	ret->is_local |= json_object_get(package, "workspaces") != NULL;
	for (size_t i = 0; extensions[i]; i++)
		ret->is_local |= input_has(in, extensions[i]);
	ret->needs_install |= ret->is_local;
	return 0;
}

static char *find_node(const struct runtime_input *in)
{
	char *node = find_program("node", in->tool_path);

	return node ? node : find_program("nodejs", in->tool_path);
}

/* nodeenv fetches the node that NODE_VERSION asks for, and npm with it. */
static bool can_fetch(const struct runtime_input *in)
{
	_cleanup_(freep) char *wanted = input_setting(in, "NODE_VERSION"),
			      *nodeenv = find_program("nodeenv", in->tool_path);

	return wanted && nodeenv;
}

static int node_detect(const struct runtime_input *in, char **missing)
{
	_cleanup_(freep) char *node = NULL, *npm = NULL;
	_cleanup_(package_done) struct package package = { 0 };
	bool needs_npm;

	if (!input_has(in, "package.json"))
		return 0;
	needs_npm = package_read(&package, in, NULL) >= 0 &&
		    package.needs_install; /* node_plan() tells why not */
	node = find_node(in);
	npm = find_program("npm", in->tool_path);
	if ((node && (npm || !needs_npm)) || can_fetch(in))
		return 1;
	*missing = xasprintf("package.json found, but these are missing: %s (apt-get install nodejs%s)",
			     node                ? "npm"
			     : npm || !needs_npm ? "node"
						 : "node, npm",
			     needs_npm ? " npm" : "");
	return 0;
}

struct node {
	char *exe, *version; /* "v20.1.0"; exe NULL: nodeenv fetches that version */
	char *npm;
	char *nodeenv; /* NULL: not needed */
};

static void node_done(struct node *n)
{
	free(n->exe);
	free(n->version);
	free(n->npm);
	free(n->nodeenv);
}

/* Asks node for its version and for where it really is: a shim of nodenv or asdf leads there. */
static int node_find(struct node *ret, const struct runtime_input *in, struct err **e)
{
	_cleanup_(freep) char *node = find_node(in), *out = NULL, *slash = NULL;
	const char *argv[] = { node, "-p", "process.version + '\\n' + process.execPath", NULL };
	_cleanup_(strv_done) struct strv lines = { 0 };
	int r;

	if (!node)
		return err_set(e, ERR_MISSING, "there is no node here: install it (apt-get install nodejs)");
	r = tool_ask(&out, (char *const *) argv, e);
	if (r < 0)
		return r;
	strv_split(&lines, out, "\n");
	if (lines.n != 2)
		return err_set(e, ERR_MISSING, "%s does not work: it did not tell its version", node);
	ret->version = xstrdup(lines.v[0]);
	ret->exe = xstrdup(lines.v[1]);
	slash = xstrndup(lines.v[1], (size_t) (strrchr(lines.v[1], '/') - lines.v[1]));
	ret->npm = find_program("npm", slash);
	if (!ret->npm)
		ret->npm = find_program("npm", in->tool_path);
	return 0;
}

/* A node outside of the system brings its libraries and npm: "/x/node-v20" for "/x/node-v20/bin/node". */
static void read_prefix(struct build *b, const char *exe)
{
	_cleanup_(freep) char *prefix = NULL;
	assert(exe);
	const char *bin = strrchr(exe, '/');

	if (!bin || bin - exe < 5 || strncmp(bin - 4, "/bin", 4) != 0)
		return;
	prefix = xstrndup(exe, (size_t) (bin - 4 - exe));
	build_read(b, prefix);
}

static bool is_full_version(const char *version)
{
	size_t dots = 0;

	version += *version == 'v';
	for (const char *at = version; *at; at++) {
		if (*at == '.')
			dots++;
		else if (*at < '0' || *at > '9')
			return false;
	}
	return dots == 2;
}

/* Of what is installed, or what nodeenv shall fetch: only when the former is not what is asked for. */
static int choose_node(struct node *node, struct build *b, const struct runtime_input *in, struct err **e)
{
	_cleanup_(freep) char *wanted = input_setting(in, "NODE_VERSION"), *nodeenv = NULL,
			      *place = input_setting_place(in, "NODE_VERSION"), *here = NULL;
	_cleanup_(err_freep) struct err *why = NULL;
	int r = node_find(node, in, &why);

	if (r < 0 && !wanted)
		return err_set(e, r, "%s", why->msg);
	if (r >= 0 && (!wanted || version_fits(node->version, wanted)))
		return 0;
	here = r < 0 ? xstrdup("there is none here")
		     : xasprintf("the node here is %s (%s)", node->version, node->exe);
	nodeenv = build_tool(b, in, "nodeenv");
	if (!nodeenv)
		return err_set(e, ERR_MISSING,
			       "NODE_VERSION is %s%s, but %s: install nodeenv, which fetches that version "
			       "(apt-get install nodeenv), or change or unset NODE_VERSION",
			       wanted, place, here);
	if (!is_full_version(wanted))
		return err_set(e, ERR_REFUSED,
			       "NODE_VERSION is %s%s, but %s: to have nodeenv fetch another, give the full "
			       "version, such as 22.3.0",
			       wanted, place, here);
	node_done(node);
	*node = (struct node){ .version = xasprintf("v%s", wanted + (*wanted == 'v')),
			       .nodeenv = TAKE(nodeenv) };
	return 0;
}

/* Each version is fetched into a directory of its own: one that runs is never written over (Piku: P26). */
static void add_nodeenv(struct build *b, struct node *node, const char *deps)
{
	_cleanup_(freep) char *title = xasprintf("nodeenv: fetching node %s", node->version);
	struct build_step *s = build_deps_step(b, deps, title);

	STRV_ADD(&s->argv, node->nodeenv, "--prebuilt");
	strv_addf(&s->argv, "--node=%s", node->version + 1);
	STRV_ADD(&s->argv, "--clean-src", "--force", deps);
	free(node->npm);
	node->npm = path_join(deps, "bin/npm");
}

static int node_hash(struct build *b, const struct runtime_input *in, const struct node *node,
		     const char *deps_parent, struct err **e)
{
	static const char *const settings[] = { "NODE_VERSION", "NODE_ENV", "NODE_PACKAGE_MANAGER",
						"NPM_CONFIG_*", "YARN_*",   "PNPM_*",
						"BUN_*",        NULL };
	_cleanup_(hash_dropp) struct hash *h = deps_hash_new(RECIPE, deps_parent, node->exe, node->version);
	int r = 0;

	hash_text(h, node->nodeenv);
	hash_text(h, b->is_per_release ? in->src : NULL);
	input_hash_settings(h, in, settings);
	for (size_t i = 0; r >= 0 && inputs[i]; i++)
		r = input_hash_file(h, in, inputs[i], e);
	if (r >= 0)
		b->hash = hash_end(TAKE(h));
	return r;
}

/* Where the packages go: home is deps/HASH, or src when the package is installed where it lies. */
struct target {
	const char *deps, *home;
	const char *npm;
	const char *corepack; /* NULL: not here */
};

static void add_npm_install(struct build *b, const struct target *to, const char *title)
{
	struct build_step *s = build_deps_step(b, to->home, title);

	STRV_ADD(&s->argv, to->npm, "--package-lock=false", "install", "--prefix", to->home, "--no-audit",
		 "--no-fund");
}

static void add_npm(struct build *b, const struct runtime_input *in, const struct target *to)
{
	const char *lock = input_has(in, "npm-shrinkwrap.json") ? "npm-shrinkwrap.json" : "package-lock.json";
	_cleanup_(freep) char *warning = NULL;
	struct build_step *s;

	if (!input_has(in, lock)) {
		add_npm_install(b, to, "npm install");
		return;
	}
	s = build_deps_step(b, to->home, "npm ci");
	STRV_ADD(&s->argv, to->npm, "ci", "--no-audit", "--no-fund");
	s->may_fail = true;
	warning = xasprintf("%s could not be used (see above): npm install without it", lock);
	add_npm_install(b, to, warning);
}

/* "pnpm@9" is the package, pnpm the program; NULL when it is none. To be freed. */
static char *manager_program(const char *word)
{
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-_.");

	if (n == 0 || *word == '-' || *word == '.' || (word[n] != '\0' && word[n] != '@'))
		return NULL;
	return xstrndup(word, n);
}

/* Yarn knows no --prefix and works where it is; pnpm's store would lie in HOME, which a build does not write
 * to. */
static void add_manager_options(struct build_step *s, const char *program, const struct target *to)
{
	if (str_eq(program, "pnpm"))
		strv_addf(&s->argv, "--store-dir=%s/.pnpm-store", to->deps);
	if (!str_eq(program, "yarn") && !str_eq(program, "bun"))
		STRV_ADD(&s->argv, "--prefix", to->home);
}

/* From version 2: without this there is no node_modules. */
static void set_yarn_env(struct build *b, const char *program, const struct target *to)
{
	if (!str_eq(program, "yarn"))
		return;
	env_set(&b->env, "YARN_NODE_LINKER", "node-modules", "node");
	env_setf(&b->env, "YARN_GLOBAL_FOLDER", "node", "%s/.yarn-global", to->deps);
}

static int add_manager(struct build *b, const struct runtime_input *in, const struct target *to,
		       const char *command, struct err **e)
{
	_cleanup_(freep) char *place = input_setting_place(in, "NODE_PACKAGE_MANAGER"), *program = NULL,
			      *title = NULL;
	_cleanup_(strv_done) struct strv words = { 0 };
	struct build_step *s;
	int r = words_split(&words, command, NULL, e);

	if (r < 0)
		return err_wrap(e, r, "NODE_PACKAGE_MANAGER%s", place);
	program = words.n ? manager_program(words.v[0]) : NULL;
	if (!program)
		return err_set(
			e, ERR_REFUSED,
			"NODE_PACKAGE_MANAGER is '%s'%s: expected the name of a package manager, such as "
			"'yarn', 'pnpm@9 --frozen-lockfile'",
			command, place);
	if (!str_eq(words.v[0], "npm")) {
		title = xasprintf("npm install -g %s", words.v[0]);
		s = build_deps_step(b, to->deps, title);
		STRV_ADD(&s->argv, to->npm, "install", "-g", "--no-audit", "--no-fund", words.v[0]);
		free(title);
	}
	title = xasprintf("%s install", program);
	s = build_deps_step(b, to->home, title);
	if (str_eq(words.v[0], "npm"))
		STRV_ADD(&s->argv, to->npm);
	else
		strv_addf(&s->argv, "%s/bin/%s", to->deps, program);
	strv_add(&s->argv, (const char *const *) words.v + 1);
	STRV_ADD(&s->argv, "install");
	add_manager_options(s, program, to);
	set_yarn_env(b, program, to);
	return 0;
}

/*
 * The package manager that package.json itself names. Corepack puts it into deps/bin, where the app finds it
 * too, and fetches the version that is named.
 */
static void add_corepack(struct build *b, const struct runtime_input *in, const struct target *to,
			 const char *program)
{
	_cleanup_(freep) char *bin = path_join(to->deps, "bin"), *title = xasprintf("%s install", program),
			      *registry = input_setting(in, "NPM_CONFIG_REGISTRY");
	struct build_step *s = build_deps_step(b, to->deps, "corepack enable");

	STRV_ADD(&s->argv, "/bin/mkdir", "-p", bin);
	s = build_deps_step(b, to->deps, title);
	str_set(&s->title, "corepack enable");
	STRV_ADD(&s->argv, to->corepack, "enable", "--install-directory", bin, program);
	s = build_deps_step(b, to->home, title);
	strv_addf(&s->argv, "%s/%s", bin, program);
	STRV_ADD(&s->argv, "install");
	add_manager_options(s, program, to);
	set_yarn_env(b, program, to);
	env_setf(&b->env, "COREPACK_HOME", "node", "%s/.corepack", to->deps);
	env_set(&b->env, "COREPACK_ENABLE_DOWNLOAD_PROMPT", "0", "node");
	if (registry)
		env_set(&b->env, "COREPACK_NPM_REGISTRY", registry, "node");
}

/* "pnpm" for "pnpm@9.1.0+sha512..." when it is one that Corepack knows, else NULL. To be freed. */
static char *corepack_program(const char *manager)
{
	static const char *const known[] = { "yarn", "pnpm" };

	for (size_t i = 0; manager && i < COUNT(known); i++) {
		size_t n = strlen(known[i]);

		if (str_starts(manager, known[i]) && manager[n] == '@')
			return xstrdup(known[i]);
	}
	return NULL;
}

static void set_env(struct build *b, const struct target *to)
{
	env_set(&b->env, "VIRTUAL_ENV", to->deps, "node");
	env_setf(&b->env, "NODE_PATH", "node", "%s/node_modules", to->home);
	env_set(&b->env, "NPM_CONFIG_PREFIX", to->deps, "node");
	env_setf(&b->env, "PATH", "node", "%s/bin:%s/node_modules/.bin:$PATH", to->deps, to->home);
}

static int add_install(struct build *b, const struct runtime_input *in, const struct target *to,
		       const struct package *package, struct err **e)
{
	_cleanup_(freep) char *manager = input_setting(in, "NODE_PACKAGE_MANAGER"),
			      *named = corepack_program(package->manager);
	int r = 0;

	set_env(b, to);
	env_setf(&b->step_env, "NPM_CONFIG_CACHE", "node", "%s/npm", in->cache);
	if (manager)
		r = add_manager(b, in, to, manager, e);
	else if (named && to->corepack)
		add_corepack(b, in, to, named);
	else
		add_npm(b, in, to);
	if (!manager && named && !to->corepack)
		strv_addf(&b->notices,
			  "package.json names %s, but corepack is not here: npm is used (npm install -g "
			  "corepack, "
			  "or set NODE_PACKAGE_MANAGER)",
			  named);
	if (r < 0 || b->is_per_release)
		return r;
	for (size_t i = 0; inputs[i]; i++)
		if (input_has(in, inputs[i]))
			strv_addf(&b->copies, "%s=%s", inputs[i], inputs[i]);
	strv_addf(&b->links, "node_modules=%s/node_modules", to->deps);
	return 0;
}

/* Asking node takes 40 ms: spared where the answer changes nothing. */
static bool nothing_to_ask(const struct runtime_input *in)
{
	_cleanup_(freep) char *wanted = input_setting(in, "NODE_VERSION"), *node = find_node(in);

	return !wanted && node && path_is_of_system(node);
}

/* Beside the node that is used, as nodeenv brings it, or anywhere. */
static char *find_corepack(const struct runtime_input *in, const struct node *node)
{
	const char *slash = node->exe ? strrchr(node->exe, '/') : NULL;
	_cleanup_(freep) char *dir = slash ? xstrndup(node->exe, (size_t) (slash - node->exe)) : NULL;
	char *beside = dir ? find_program("corepack", dir) : NULL;

	return beside ? beside : find_program("corepack", in->tool_path);
}

static int node_install(struct build *b, const struct runtime_input *in, struct node *node,
			const struct package *package, const char *deps_parent, struct err **e)
{
	_cleanup_(freep) char *deps = NULL, *corepack = find_corepack(in, node);
	int r;

	b->is_per_release = package->is_local;
	r = node_hash(b, in, node, deps_parent, e);
	if (r < 0)
		return r;
	deps = path_join(deps_parent, b->hash);
	if (node->nodeenv)
		add_nodeenv(b, node, deps);

	struct target to = { deps, b->is_per_release ? in->src : deps, node->npm, corepack };
	if (package->needs_install)
		return add_install(b, in, &to, package, e);
	set_env(b, &to);
	return 0;
}

static int node_fill(struct build *b, const struct runtime_input *in, const char *deps_parent, struct err **e)
{
	_cleanup_(node_done) struct node node = { 0 };
	_cleanup_(package_done) struct package package = { 0 };
	int r = package_read(&package, in, e);

	if (r >= 0 && !package.needs_install && nothing_to_ask(in))
		return 0;
	if (r >= 0)
		r = choose_node(&node, b, in, e);
	if (r < 0)
		return r;
	if (node.exe)
		read_prefix(b, node.exe);
	if (!package.needs_install && !node.nodeenv)
		return 0;
	if (!node.npm && !node.nodeenv)
		return err_set(e, ERR_MISSING,
			       "package.json asks for packages, but npm is not here (apt-get install npm)");
	return node_install(b, in, &node, &package, deps_parent, e);
}

static int node_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent,
		     struct err **e)
{
	struct build b = { 0 };

	return build_hand_over(ret, &b, node_fill(&b, in, deps_parent, e));
}

const struct runtime_ops runtime_node = {
	.name = "node",
	.label = "Node",
	.detect = node_detect,
	.plan = node_plan,
};
