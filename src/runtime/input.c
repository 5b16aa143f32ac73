/* The app's files, its settings and the host's tools, as the runtimes look at them. */
#include "runtime/runtime-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdint.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/proc.h"

static bool matches_in_top(const struct runtime_input *in, const char *pattern)
{
	_cleanup_(strv_done) struct strv names = { 0 };

	if (dir_list(in->src, &names, NULL) < 0)
		return false;
	for (size_t i = 0; i < names.n; i++)
		if (fnmatch(pattern, names.v[i], FNM_PERIOD) == 0)
			return true;
	return false;
}

bool input_has(const struct runtime_input *in, const char *name)
{
	if (strchr(name, '*'))
		return matches_in_top(in, name);
	_cleanup_(closep) int fd = open_beneath(in->dir, name, O_PATH, 0, NULL);
	return fd >= 0;
}

int input_hash_file(struct hash *h, const struct runtime_input *in, const char *name, struct err **e)
{
	_cleanup_(closep) int fd = -1;
	char buf[65536];
	struct stat st;
	ssize_t n;

	hash_text(h, name);
	fd = open_beneath(in->dir, name, O_RDONLY | O_NONBLOCK, 0, e);
	if (fd == -ENOENT) {
		if (e)
			*e = err_free(*e);
		hash_text(h, NULL);
		return 0;
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "reading %s: %m", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_REFUSED, "%s is not a regular file", name);
	uint64_t size = (uint64_t) st.st_size;
	hash_add(h, &size, sizeof size);
	while ((n = read(fd, buf, sizeof buf)) != 0) {
		if (n < 0 && errno != EINTR)
			return err_set(e, -errno, "reading %s: %m", name);
		if (n > 0)
			hash_add(h, buf, (size_t) n);
	}
	return 0;
}

static bool name_matches(const char *name, const char *pattern)
{
	size_t n = strlen(pattern);

	if (n > 0 && pattern[n - 1] == '*')
		return strncasecmp(name, pattern, n - 1) == 0; /* npm takes npm_config_x too */
	return str_eq(name, pattern);
}

static bool says_where_caches_lie(const char *name)
{
	return str_ends(name, "_CACHE_DIR") || strcasecmp(name, "NPM_CONFIG_CACHE") == 0;
}

void input_hash_settings(struct hash *h, const struct runtime_input *in, const char *const *names)
{
	for (size_t i = 0; in->env && i < in->env->n; i++) {
		const struct env_var *v = &in->env->v[i];

		for (size_t k = 0; names[k]; k++) {
			if (!name_matches(v->name, names[k]) || says_where_caches_lie(v->name))
				continue;
			hash_text(h, v->name);
			hash_text(h, v->value);
			break;
		}
	}
}

char *input_setting(const struct runtime_input *in, const char *name)
{
	const char *value = in->env ? env_get(in->env, name) : NULL;

	if (!value)
		return NULL;
	struct span text = span_trim(value, value + strlen(value));
	return text.n ? span_dup(text) : NULL;
}

char *input_setting_place(const struct runtime_input *in, const char *name)
{
	const char *origin = in->env ? env_origin(in->env, name) : NULL;

	return origin ? xasprintf(" (set in %s)", origin) : xstrdup("");
}

struct hash *deps_hash_new(const char *recipe, const char *deps_parent, const char *exe, const char *version)
{
	struct hash *h = hash_new();

	hash_text(h, recipe);
	hash_text(h, deps_parent);
	hash_text(h, exe);
	hash_text(h, version);
	return h;
}

int input_has_tools(const struct runtime_input *in, const char *found, const struct tool *tools,
		    char **missing)
{
	_cleanup_(strv_done) struct strv programs = { 0 }, packages = { 0 };

	for (; tools->program; tools++) {
		_cleanup_(freep) char *at = find_program(tools->program, in->tool_path);

		if (at)
			continue;
		STRV_ADD(&programs, tools->program);
		if (tools->package && !strv_has(&packages, tools->package))
			STRV_ADD(&packages, tools->package);
	}
	if (programs.n == 0)
		return 1;
	_cleanup_(freep) char *names = strv_join(&programs, ", "), *install = strv_join(&packages, " ");

	*missing = xasprintf("%s found, but these are missing: %s (%s%s)", found, names,
			     packages.n ? "apt-get install " : "Debian has no package for it", install);
	return 0;
}

int input_read_toml(struct toml_node **ret, const struct runtime_input *in, const char *name, struct err **e)
{
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(freep) char *text = NULL;
	size_t n = 0;
	int r = file_read_beneath(in->dir, name, 1 << 20, &text, &n, e);

	if (r < 0)
		return r;
	r = toml_parse(ret, text, n, name, &problems, e);
	if (r == ERR_REFUSED && problems.n > 0) {
		_cleanup_(freep) char *what = problem_text(&problems.v[0]);

		if (e)
			*e = err_free(*e);
		(void) err_set(e, r, "%s", what);
	}
	return r;
}

bool version_fits(const char *version, const char *wanted)
{
	version += *version == 'v';
	wanted += *wanted == 'v';
	if (!str_starts(version, wanted))
		return false;
	char next = version[strlen(wanted)];
	return next == '\0' || next == '.';
}

int tool_ask(char **ret, char *const *argv, struct err **e)
{
	_cleanup_(freep) char *out = NULL;
	int r = proc_run(argv, NULL, "/", 30000, &out, e); /* not in src: shims read .tool-versions there */

	if (r < 0)
		return r;
	struct span text = span_trim(out, out + strlen(out));
	if (r > 0)
		return err_set(e, ERR_MISSING, "%s does not work: it exited with %d: %.*s", argv[0], r,
			       (int) (text.n < 400 ? text.n : 400), text.s);
	*ret = span_dup(text);
	return 0;
}

bool path_is_of_system(const char *path)
{
	static const char *const dirs[] = { "/usr", "/bin", "/sbin", "/lib", "/lib64" };

	for (size_t i = 0; i < COUNT(dirs); i++) {
		size_t n = strlen(dirs[i]);

		if (strncmp(path, dirs[i], n) == 0 && (path[n] == '/' || path[n] == '\0'))
			return true;
	}
	return false;
}

void build_read(struct build *b, const char *path)
{
	if (!path_is_of_system(path) && !strv_has(&b->read, path))
		STRV_ADD(&b->read, path);
}

/* "/x/venv" for "/x/venv/bin/tool" when that is a virtual environment (pipx, Poetry's installer); to be
 * freed. */
static char *venv_around(const char *program)
{
	const char *slash = strrchr(program, '/');

	if (!slash || slash - program < 4 || strncmp(slash - 4, "/bin", 4) != 0)
		return NULL;
	_cleanup_(freep) char *dir = xstrndup(program, (size_t) (slash - 4 - program));
	_cleanup_(freep) char *mark = path_join(dir, "pyvenv.cfg");
	return file_exists(mark) ? TAKE(dir) : NULL;
}

char *build_tool(struct build *b, const struct runtime_input *in, const char *name)
{
	_cleanup_(freep) char *found = find_program(name, in->tool_path), *venv = NULL;
	char real[PATH_MAX];

	if (!found || path_is_of_system(found))
		return TAKE(found);
	if (!realpath(found, real))
		return NULL;
	venv = venv_around(real);
	build_read(b, venv ? venv : real);
	return xstrdup(real);
}

struct build_step *build_deps_step(struct build *b, const char *cwd, const char *title)
{
	struct build_step *s = GROW(&b->deps, &b->n_deps);

	s->cwd = xstrdup(cwd);
	s->title = xstrdup(title);
	return s;
}

struct build_step *build_src_step(struct build *b, const struct runtime_input *in, const char *title)
{
	struct build_step *s = GROW(&b->steps, &b->n_steps);

	s->cwd = xstrdup(in->src);
	s->title = xstrdup(title);
	return s;
}

void build_cache(struct build *b, const struct runtime_input *in, const char *name, const char *dir)
{
	env_setf(&b->env, name, "runtime", "%s/%s", in->cache, dir);
}

void build_add_option(struct build *b, const struct runtime_input *in, const char *name, const char *option)
{
	_cleanup_(freep) char *own = input_setting(in, name);

	env_set(&b->env, name, option, "runtime");
	env_setf(&b->step_env, name, "runtime", "%s%s%s", own ? own : "", own ? " " : "", option);
}

int build_hand_over(struct build *ret, struct build *b, int r)
{
	if (r < 0)
		build_done(b);
	else
		*ret = *b;
	return r;
}
