/* Python with pyproject.toml: Poetry where it is installed, else uv. */
#include "runtime/runtime-internal.h"

#include "base/file.h"

static const struct toml_node *toml_at(const struct toml_node *table, const char *a, const char *b)
{
	const struct toml_node *at = table && table->kind == TOML_TABLE ? toml_get(table, a) : NULL;

	return at && b ? toml_at(at, b, NULL) : at;
}

/* Does anything below name a directory of the project: { path = "lib" }, workspace = true, "lib @ file:lib"?
 */
static bool names_a_directory(const struct toml_node *at)
{
	if (!at)
		return false;
	if (at->kind == TOML_TEXT && (str_eq(at->key, "path") || strstr(at->text, "file:")))
		return true;
	if (str_eq(at->key, "workspace"))
		return true;
	for (size_t i = 0; i < at->n_children; i++)
		if (names_a_directory(at->child[i]))
			return true;
	return false;
}

static bool has_local_parts(const struct toml_node *project, const char *tool)
{
	return names_a_directory(toml_at(project, "tool", tool)) ||
	       names_a_directory(toml_at(project, "project", NULL)) ||
	       names_a_directory(toml_at(project, "dependency-groups", NULL));
}

static bool flag_of(const struct toml_node *table, const char *name, bool otherwise)
{
	const struct toml_node *flag = toml_at(table, name, NULL);

	return flag && flag->kind == TOML_BOOL ? flag->flag : otherwise;
}

/* Lets a tool work in the deps directory on copies, so that the dependencies outlive the release. */
static void copy_inputs(struct build *b, const struct runtime_input *in, const char *const *files)
{
	for (size_t i = 0; files[i]; i++)
		if (input_has(in, files[i]))
			strv_addf(&b->copies, "%s=%s", files[i], files[i]);
}

static int hash_inputs(struct hash *h, const struct runtime_input *in, const char *const *files,
		       const char *const *settings, struct err **e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && files[i]; i++)
		r = input_hash_file(h, in, files[i], e);
	input_hash_settings(h, in, settings);
	return r;
}

/* ---- Poetry ---- */

static const char *const poetry_files[] = { "pyproject.toml", "poetry.lock", "poetry.toml", NULL };

static int poetry_detect(const struct runtime_input *in, char **missing UNUSED)
{
	_cleanup_(freep) char *poetry = find_program("poetry", in->tool_path);

	return poetry && input_has(in, "pyproject.toml"); /* that it is missing is told by uv_detect() */
}

static int poetry_hash(struct build *b, const struct runtime_input *in, const struct python *py,
		       const char *deps_parent, struct err **e)
{
	static const char *const settings[] = { "PYTHON_VERSION", "POETRY_*", "PIP_*", NULL };
	_cleanup_(hash_dropp) struct hash *h =
		deps_hash_new("python-poetry 1", deps_parent, py->exe, py->version);
	int r;

	hash_text(h, b->is_per_release ? in->src : NULL);
	r = hash_inputs(h, in, poetry_files, settings, e);
	if (r >= 0)
		b->hash = hash_end(TAKE(h));
	return r;
}

static int poetry_fill(struct build *b, const struct runtime_input *in, const char *deps_parent,
		       struct err **e)
{
	_cleanup_(toml_freep) struct toml_node *project = NULL;
	_cleanup_(python_done) struct python py = { 0 };
	_cleanup_(freep) char *deps = NULL;
	int r = input_read_toml(&project, in, "pyproject.toml", e);

	if (r >= 0)
		r = python_find(&py, in, e);
	if (r < 0)
		return r;
	b->is_per_release = flag_of(toml_at(project, "tool", "poetry"), "package-mode", true) ||
			    has_local_parts(project, "poetry");
	r = poetry_hash(b, in, &py, deps_parent, e);
	if (r < 0)
		return r;
	deps = path_join(deps_parent, b->hash);
	STRV_ADD(&b->notices, "Starting EXPERIMENTAL poetry deployment");
	/* Poetry installs into the environment that VIRTUAL_ENV names, if there is one. */
	r = python_add_venv(b, in, &py, deps, false, e);
	if (r < 0)
		return r;
	if (!b->is_per_release)
		copy_inputs(b, in, poetry_files);
	struct build_step *s = build_deps_step(b, b->is_per_release ? in->src : deps, "poetry install");
	strv_push(&s->argv, build_tool(b, in, "poetry"));
	STRV_ADD(&s->argv, "install", "--no-interaction");
	python_set_env(b, deps);
	python_set_caches(b, in);
	env_set(&b->env, "POETRY_VIRTUALENVS_IN_PROJECT", "1", "python");
	strv_addf(&b->links, ".venv=%s", deps);
	return 0;
}

static int poetry_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent,
		       struct err **e)
{
	struct build b = { 0 };

	return build_hand_over(ret, &b, poetry_fill(&b, in, deps_parent, e));
}

const struct runtime_ops runtime_poetry = {
	.name = "poetry",
	.label = "Python",
	.detect = poetry_detect,
	.plan = poetry_plan,
};

/* ---- uv ---- */

static const char *const uv_files[] = { "pyproject.toml", "uv.lock", "uv.toml", ".python-version", NULL };

static int uv_detect(const struct runtime_input *in, char **missing)
{
	_cleanup_(freep) char *uv = NULL;

	if (!input_has(in, "pyproject.toml"))
		return 0;
	uv = find_program("uv", in->tool_path);
	if (uv)
		return 1;
	*missing =
		xstrdup("pyproject.toml found, but these are missing: poetry or uv (one of them is enough: "
			"apt-get install python3-poetry, or pipx install uv)");
	return 0;
}

/* What the app asks for: PYTHON_VERSION, else the first word of .python-version; NULL: nothing. To be freed.
 */
static char *uv_python_wanted(const struct runtime_input *in)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(strv_done) struct strv lines = { 0 };
	char *wanted = input_setting(in, "PYTHON_VERSION");

	if (wanted || file_read_beneath(in->dir, ".python-version", 4096, &text, NULL, NULL) < 0)
		return wanted;
	strv_split(&lines, text, "\r\n");
	for (size_t i = 0; i < lines.n; i++) {
		struct span line = span_trim(lines.v[i], lines.v[i] + strlen(lines.v[i]));

		if (line.n > 0 && *line.s != '#')
			return span_dup(line);
	}
	return NULL;
}

static int uv_hash(struct build *b, const struct runtime_input *in, const char *uv, const char *deps_parent,
		   struct err **e)
{
	static const char *const settings[] = { "PYTHON_VERSION", "UV_*", NULL };
	const char *argv[] = { uv, "--version", NULL };
	_cleanup_(hash_dropp) struct hash *h = hash_new();
	_cleanup_(python_done) struct python py = { 0 };
	_cleanup_(freep) char *version = NULL;
	int r = tool_ask(&version, (char *const *) argv, e);

	if (r < 0)
		return r;
	(void) python_find(&py, in, NULL); /* none here: uv brings one */
	hash_text(h, "python-uv 1");
	hash_text(h, deps_parent);
	hash_text(h, version);
	hash_text(h, py.exe);
	hash_text(h, py.version);
	hash_text(h, b->is_per_release ? in->src : NULL);
	if (py.prefix)
		build_read(b, py.prefix);
	r = hash_inputs(h, in, uv_files, settings, e);
	if (r >= 0)
		b->hash = hash_end(TAKE(h));
	return r;
}

static void add_sync(struct build *b, const char *uv, const char *cwd, const char *python, bool is_locked)
{
	struct build_step *s = build_deps_step(b, cwd, "Running uv sync");

	STRV_ADD(&s->argv, uv, "sync");
	if (python)
		STRV_ADD(&s->argv, "--python", python);
	if (!is_locked)
		return;
	STRV_ADD(&s->argv, "--locked"); /* so that the file stays as it is */
	s->may_fail = true;
	add_sync(b, uv, cwd, python, false);
	str_set(&b->deps[b->n_deps - 1].title,
		"uv.lock could not be used (see above): Running uv sync to resolve anew");
}

static void uv_set_env(struct build *b, const char *deps, const char *venv, bool wants_version)
{
	python_set_env(b, venv);
	env_set(&b->env, "UV_PROJECT_ENVIRONMENT", venv, "python");
	env_set(&b->env, "UV_PYTHON_PREFERENCE", wants_version ? "system" : "only-system", "python");
	env_setf(&b->env, "UV_PYTHON_INSTALL_DIR", "python", "%s/python", deps);
}

static int uv_fill(struct build *b, const struct runtime_input *in, const char *deps_parent, struct err **e)
{
	_cleanup_(toml_freep) struct toml_node *project = NULL;
	_cleanup_(freep) char *uv = build_tool(b, in, "uv"), *wanted = uv_python_wanted(in), *deps = NULL,
			      *venv = NULL;
	int r = input_read_toml(&project, in, "pyproject.toml", e);

	if (r < 0)
		return r;
	/* As uv decides it: a project with a build system is installed itself, unless it says otherwise. */
	b->is_per_release = flag_of(toml_at(project, "tool", "uv"), "package",
				    toml_at(project, "build-system", NULL) != NULL) ||
			    has_local_parts(project, "uv");
	r = uv_hash(b, in, uv, deps_parent, e);
	if (r < 0)
		return r;
	deps = path_join(deps_parent, b->hash);
	venv = path_join(deps, "venv"); /* uv wants an empty directory, and the copies lie beside it */
	STRV_ADD(&b->notices, "Starting EXPERIMENTAL uv deployment");
	if (wanted)
		strv_addf(&b->notices, "Using Python version: %s", wanted);
	if (!b->is_per_release)
		copy_inputs(b, in, uv_files);
	add_sync(b, uv, b->is_per_release ? in->src : deps, wanted, input_has(in, "uv.lock"));
	uv_set_env(b, deps, venv, wanted != NULL);
	return 0;
}

static int uv_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent, struct err **e)
{
	struct build b = { 0 };

	return build_hand_over(ret, &b, uv_fill(&b, in, deps_parent, e));
}

const struct runtime_ops runtime_uv = {
	.name = "uv",
	.label = "Python (uv)",
	.detect = uv_detect,
	.plan = uv_plan,
};
