/* Python with requirements.txt: a virtual environment filled by pip. Also the parts that Poetry and uv share.
 */
#include "runtime/runtime-internal.h"

#include "base/file.h"

/* In the hash, so that what an older slipway built another way is built again. */
#define RECIPE "python-pip 1"

static bool is_version_number(const char *s)
{
	return s[0] >= '0' && s[0] <= '9' && s[strspn(s, "0123456789.")] == '\0' && !str_ends(s, ".");
}

/* "3.11.7" may be served by python3.11.7, python3.11 and python3: the closest name first. */
static void interpreter_names(struct strv *ret, const char *wanted)
{
	_cleanup_(freep) char *version = xstrdup(wanted ? wanted : "3");
	char *dot;

	for (;;) {
		strv_addf(ret, "python%s", version);
		dot = strrchr(version, '.');
		if (!dot)
			return;
		*dot = '\0';
	}
}

static int python_ask(struct python *ret, const char *program, struct err **e)
{
	static const char *const question = "import sys, importlib.util as u\n"
					    "print(sys.version.split()[0], sys.executable, sys.base_prefix,"
					    " 'yes' if u.find_spec('ensurepip') else 'no', sep='\\n')";
	/* sys.executable is where a shim of pyenv or asdf leads. */
	const char *argv[] = { program, "-I", "-S", "-c", question, NULL };
	_cleanup_(freep) char *out = NULL;
	_cleanup_(strv_done) struct strv lines = { 0 };
	int r = tool_ask(&out, (char *const *) argv, e);

	if (r < 0)
		return r;
	strv_split(&lines, out, "\n");
	if (lines.n != 4)
		return err_set(e, ERR_MISSING, "%s does not work: it did not tell its version", program);
	python_done(ret);
	*ret = (struct python){ .version = xstrdup(lines.v[0]),
				.exe = xstrdup(lines.v[1]),
				.prefix = xstrdup(lines.v[2]),
				.has_ensurepip = str_eq(lines.v[3], "yes") };
	return 0;
}

int python_find(struct python *ret, const struct runtime_input *in, struct err **e)
{
	_cleanup_(freep) char *wanted = input_setting(in, "PYTHON_VERSION");
	_cleanup_(freep) char *place = input_setting_place(in, "PYTHON_VERSION");
	_cleanup_(strv_done) struct strv names = { 0 };
	_cleanup_(python_done) struct python py = { 0 };

	if (wanted && !is_version_number(wanted))
		return err_set(e, ERR_REFUSED,
			       "PYTHON_VERSION is '%s'%s: expected a number such as 3 or 3.11", wanted,
			       place);
	interpreter_names(&names, wanted);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(freep) char *at = find_program(names.v[i], in->tool_path);
		_cleanup_(err_freep) struct err *broken = NULL;

		if (!at)
			continue;
		if (python_ask(&py, at, &broken) < 0) {
			if (!wanted)
				return err_set(e, ERR_MISSING, "%s", broken->msg);
			continue; /* a shim without that version behind it */
		}
		if (!wanted || version_fits(py.version, wanted)) {
			*ret = py;
			py = (struct python){ 0 };
			return 0;
		}
	}
	if (!wanted)
		return err_set(e, ERR_MISSING,
			       "there is no python3 here: install it (apt-get install python3)");
	return err_set(e, ERR_MISSING,
		       "PYTHON_VERSION is %s%s, but no such Python is here%s%s: install python%s or change "
		       "the setting",
		       wanted, place, py.version ? ", only " : "", py.version ? py.version : "", wanted);
}

void python_done(struct python *p)
{
	free(p->exe);
	free(p->version);
	free(p->prefix);
	*p = (struct python){ 0 };
}

/* virtualenv needs a tenth of the time that the venv module does. */
static char *find_virtualenv(struct build *b, const struct runtime_input *in)
{
	_cleanup_(freep) char *found = find_program("virtualenv", in->tool_path), *tool = NULL;
	size_t known = b->read.n;

	if (!found)
		return NULL;
	tool = build_tool(b, in, "virtualenv");
	/* one file alone outside of the system: a shim, or "pip install --user" */
	if (tool && b->read.n > known && !is_dir(b->read.v[b->read.n - 1]))
		return NULL;
	return TAKE(tool);
}

void python_set_caches(struct build *b, const struct runtime_input *in)
{
	env_setf(&b->step_env, "PIP_CACHE_DIR", "python", "%s/pip", in->cache);
}

int python_add_venv(struct build *b, const struct runtime_input *in, const struct python *py,
		    const char *deps, bool needs_pip, struct err **e)
{
	_cleanup_(freep) char *virtualenv = find_virtualenv(b, in);
	_cleanup_(freep) char *title = xasprintf("creating the virtual environment (Python %s)", py->version);
	struct build_step *s;

	if (!virtualenv && needs_pip && !py->has_ensurepip)
		return err_set(e, ERR_MISSING,
			       "neither virtualenv nor Python's own venv is here for %s: install one "
			       "(apt-get install "
			       "python3-virtualenv, or python3-venv)",
			       py->exe);
	build_read(b, py->prefix);
	s = build_deps_step(b, deps, title);
	if (virtualenv) {
		STRV_ADD(&s->argv, virtualenv, "--quiet");
		strv_addf(&s->argv, "--python=%s", py->exe);
	} else {
		STRV_ADD(&s->argv, py->exe, "-m", "venv");
		if (!py->has_ensurepip)
			STRV_ADD(&s->argv, "--without-pip");
	}
	STRV_ADD(&s->argv, deps);
	return 0;
}

void python_set_env(struct build *b, const char *venv)
{
	env_set(&b->env, "VIRTUAL_ENV", venv, "python");
	env_setf(&b->env, "PATH", "python", "%s/bin:$PATH", venv);
	env_set(&b->env, "PYTHONUNBUFFERED", "1", "python");
	env_set(&b->env, "PYTHONIOENCODING", "UTF_8:replace", "python");
}

static int pip_detect(const struct runtime_input *in, char **missing)
{
	_cleanup_(freep) char *version = input_setting(in, "PYTHON_VERSION");
	_cleanup_(freep) char *python = NULL;

	if (!input_has(in, "requirements.txt"))
		return 0;
	python = find_program("python3", in->tool_path);
	if (python || version) /* a version that is not there is told by pip_plan() */
		return 1;
	*missing = xstrdup("requirements.txt found, but these are missing: python3 (apt-get install python3 "
			   "python3-venv)");
	return 0;
}

static int pip_hash(struct build *b, struct requirements *req, const struct runtime_input *in,
		    const struct python *py, const char *deps_parent, struct err **e)
{
	static const char *const settings[] = { "PYTHON_VERSION", "PIP_*", NULL };
	_cleanup_(hash_dropp) struct hash *h = deps_hash_new(RECIPE, deps_parent, py->exe, py->version);
	int r;

	input_hash_settings(h, in, settings);
	r = requirements_read(req, h, in, "requirements.txt", e);
	if (r < 0)
		return r;
	hash_text(h, req->is_local ? in->src : NULL);
	b->hash = hash_end(TAKE(h));
	return 0;
}

static int pip_fill(struct build *b, const struct runtime_input *in, const char *deps_parent, struct err **e)
{
	_cleanup_(python_done) struct python py = { 0 };
	_cleanup_(freep) char *deps = NULL;
	struct requirements req = { 0 };
	int r = python_find(&py, in, e);

	if (r >= 0)
		r = pip_hash(b, &req, in, &py, deps_parent, e);
	if (r < 0)
		return r;
	b->is_per_release = req.is_local;
	deps = path_join(deps_parent, b->hash);
	python_set_env(b, deps);
	python_set_caches(b, in);
	r = python_add_venv(b, in, &py, deps, !req.is_empty, e);
	if (r < 0 || req.is_empty)
		return r;
	/* In src, as people run it: pip takes paths in the file from there. */
	struct build_step *s = build_deps_step(b, in->src, "installing requirements.txt");
	strv_addf(&s->argv, "%s/bin/pip", deps);
	STRV_ADD(&s->argv, "install", "--disable-pip-version-check", "--no-input", "-r");
	strv_addf(&s->argv, "%s/requirements.txt", in->src);
	return 0;
}

static int pip_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent,
		    struct err **e)
{
	struct build b = { 0 };

	return build_hand_over(ret, &b, pip_fill(&b, in, deps_parent, e));
}

const struct runtime_ops runtime_python = {
	.name = "python",
	.label = "Python",
	.detect = pip_detect,
	.plan = pip_plan,
};
