/*
 * Runtimes: what is detected, what is planned, what changes the hash, and real builds with the tools of this
 * machine. Stand-ins only for Poetry and uv, whose commands are looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/proc.h"
#include "runtime/runtime.h"

/* ---- an app in a directory of its own ---- */

struct fixture {
	char *dir, *src, *deps, *tools;
	int fd;
	struct env env;
	struct plan plan;
	struct runtime_input in;
};

static void write_file(const char *dir, const char *path, const char *text, mode_t mode)
{
	_cleanup_(freep) char *at = path_join(dir, path), *parent = xstrdup(at);

	*strrchr(parent, '/') = '\0';
	assert_int_equal(dir_make(parent, 0755, NULL), 0);
	assert_int_equal(file_replace(at, text, strlen(text), mode, NULL), 0);
}

static void fixture_init(struct fixture *f)
{
	char template[] = "/tmp/slipway-runtime.XXXXXX";

	*f = (struct fixture){ .dir = xstrdup(mkdtemp(template)) };
	f->src = path_join(f->dir, "releases/v1/src");
	f->deps = path_join(f->dir, "deps");
	f->tools = path_join(f->dir, "tools");
	assert_int_equal(dir_make(f->src, 0755, NULL), 0);
	assert_int_equal(dir_make(f->tools, 0755, NULL), 0);
	f->fd = open(f->src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->in = (struct runtime_input){ f->src, f->fd, &f->env, getenv("PATH"), &f->plan, "/cache" };
}

static void fixture_done(struct fixture *f)
{
	assert_int_equal(tree_remove(f->dir, NULL), 0);
	(void) close(f->fd);
	env_done(&f->env);
	free(f->plan.services);
	free(f->dir);
	free(f->src);
	free(f->deps);
	free(f->tools);
}

/* "NAME" links this machine's, "+NAME" is a stand-in that only tells a version. Then nothing else is found.
 */
static void use_tools(struct fixture *f, const char *names)
{
	_cleanup_(strv_done) struct strv list = { 0 };

	f->in.tool_path = f->tools;
	strv_split(&list, names, " ");
	for (size_t i = 0; i < list.n; i++) {
		if (*list.v[i] == '+') {
			write_file(f->tools, list.v[i] + 1, "#!/bin/sh\necho 1.0\n", 0755);
			continue;
		}
		_cleanup_(freep) char *real = find_program(list.v[i], getenv("PATH"));
		_cleanup_(freep) char *link = path_join(f->tools, list.v[i]);

		assert_int_equal(link_replace(real, link, NULL), 0);
	}
}

/* skip() leaves a test without its cleanup: asked before there is anything to clean up. */
static bool has_tools(const char *names)
{
	_cleanup_(strv_done) struct strv list = { 0 };

	strv_split(&list, names, " ");
	for (size_t i = 0; i < list.n; i++) {
		_cleanup_(freep) char *real =
			*list.v[i] == '+' ? xstrdup("") : find_program(list.v[i], getenv("PATH"));

		if (!real)
			return false;
	}
	return true;
}

/* "web worker release": what the Procfile has. */
static void use_services(struct fixture *f, const char *names)
{
	static const struct {
		const char *name;
		enum service_kind kind;
	} kinds[] = { { "web", SERVICE_WEB },
		      { "static", SERVICE_STATIC },
		      { "cron", SERVICE_CRON },
		      { "php", SERVICE_PHP } };
	_cleanup_(strv_done) struct strv list = { 0 };

	strv_split(&list, names, " ");
	for (size_t i = 0; i < list.n; i++) {
		if (str_eq(list.v[i], "release")) {
			f->plan.release = (char *) "true";
			continue;
		}
		GROW(&f->plan.services, &f->plan.n_services)->kind = SERVICE_WORKER;
		for (size_t k = 0; k < COUNT(kinds); k++)
			if (str_eq(list.v[i], kinds[k].name))
				f->plan.services[f->plan.n_services - 1].kind = kinds[k].kind;
	}
}

struct file {
	const char *path, *text;
};

static void use_files(struct fixture *f, const struct file *files)
{
	for (; files->path; files++)
		write_file(f->src, files->path, files->text, 0644);
}

/* "NAME=value" up to a NULL. */
static void use_settings(struct fixture *f, const char *const *settings)
{
	for (; *settings; settings++) {
		const char *equals = strchr(*settings, '=');
		_cleanup_(freep) char *name = xstrndup(*settings, (size_t) (equals - *settings));

		env_set(&f->env, name, equals + 1, "config");
	}
}

/* ---- what is detected ---- */

static const struct detect_row {
	const char *name;
	const char *files[3], *services, *tools;
	const char *want; /* runtime; NULL: an error */
	int code;
	const char *says; /* error or warning; NULL: no warning */
} detect_rows[] = {
	{ "piku-E01 requirements.txt", { "requirements.txt" }, "web", "python3", "python" },
	{ "piku-E01 package.json", { "package.json" }, "web", "node npm", "node" },
	{ "piku-E01 static", { NULL }, "static", "", "static" },
	{ "piku-E01 web and release", { NULL }, "web release", "", "generic" },
	{ "C7 web alone", { NULL }, "web", "", "generic" },
	{ "C7 a worker alone", { NULL }, "worker", "", "generic" },
	{ "C7 cron alone", { NULL }, "cron", "", "generic" },
	{ "piku-E02 requirements.txt before package.json",
	  { "requirements.txt", "package.json" },
	  "web",
	  "python3 node npm",
	  "python" },
	{ "piku-E03 Poetry before uv", { "pyproject.toml" }, "web", "+poetry +uv python3", "poetry" },
	{ "piku-E03 only uv", { "pyproject.toml" }, "web", "+uv", "uv" },
	{ "piku-E03 neither", { "pyproject.toml" }, "web", "python3", NULL, ERR_MISSING, "poetry or uv" },
	{ "requirements.txt before pyproject.toml",
	  { "requirements.txt", "pyproject.toml" },
	  "web",
	  "+poetry python3",
	  "python" },
	{ "python3 missing", { "requirements.txt" }, "web", "", NULL, ERR_MISSING, "python3" },
	{ "node missing", { "package.json" }, "web", "", NULL, ERR_MISSING, "these are missing: node (" },
	{ "Poetry missing, Node goes on",
	  { "pyproject.toml", "package.json" },
	  "web",
	  "node",
	  "node",
	  0,
	  "poetry or uv" },
	{ "node missing, static goes on", { "package.json" }, "static", "", "static", 0, "missing: node" },
	{ "piku-E01 Gemfile", { "Gemfile" }, "web", "+ruby +gem +bundle", "ruby" },
	{ "piku-E04 bundle missing",
	  { "Gemfile" },
	  "web",
	  "+ruby +gem",
	  NULL,
	  ERR_MISSING,
	  "Gemfile found, but these are missing: bundle (apt-get install ruby-bundler)" },
	{ "piku-E01 go.mod", { "go.mod" }, "web", "+go", "go" },
	{ "piku-E01 Godeps", { "Godeps" }, "web", "+go", "go" },
	{ "piku-E01 *.go", { "main.go" }, "web", "+go", "go" },
	{ "go missing, static goes on",
	  { "go.mod" },
	  "static",
	  "",
	  "static",
	  0,
	  "go.mod found, but these are missing: go (apt-get install golang-go)" },
	{ "go missing", { "main.go" }, "web", "", NULL, ERR_MISSING, "*.go found" },
	{ "piku-E01 pom.xml", { "pom.xml" }, "web", "+java +mvn", "maven" },
	{ "mvn missing",
	  { "pom.xml" },
	  "",
	  "+java",
	  NULL,
	  ERR_MISSING,
	  "pom.xml found, but these are missing: mvn (apt-get install maven)" },
	{ "piku-E01 build.gradle", { "build.gradle" }, "web", "+java +gradle", "gradle" },
	{ "java missing", { "build.gradle" }, "web", "+gradle", NULL, ERR_MISSING, "default-jdk-headless" },
	{ "pom.xml before build.gradle",
	  { "pom.xml", "build.gradle" },
	  "web",
	  "+java +mvn +gradle",
	  "maven" },
	{ "mvn missing, Gradle goes on",
	  { "pom.xml", "build.gradle" },
	  "web",
	  "+java +gradle",
	  "gradle",
	  0,
	  "pom.xml found" },
	{ "build.gradle before go.mod", { "build.gradle", "go.mod" }, "web", "+java +gradle +go", "gradle" },
	{ "go.mod before deps.edn", { "go.mod", "deps.edn" }, "web", "+java +go +clojure", "go" },
	{ "piku-E01 deps.edn", { "deps.edn" }, "web", "+java +clojure", "clojure" },
	{ "clojure missing",
	  { "deps.edn" },
	  "web",
	  "+java",
	  NULL,
	  ERR_MISSING,
	  "these are missing: clojure (Debian has no package for it)" },
	{ "deps.edn before project.clj",
	  { "deps.edn", "project.clj" },
	  "web",
	  "+java +clojure +lein",
	  "clojure" },
	{ "piku-E01 project.clj", { "project.clj" }, "web", "+java +lein", "leiningen" },
	{ "lein missing", { "project.clj" }, "web", "+java", NULL, ERR_MISSING, "apt-get install leiningen" },
	{ "piku-E01 a php service", { NULL }, "php", "+uwsgi_php", "php" },
	{ "piku-E19 uwsgi_php missing", { NULL }, "php", "", NULL, ERR_MISSING, "uwsgi-plugin-php" },
	{ "composer.json", { "composer.json" }, "web", "+php +composer", "php" },
	{ "composer missing",
	  { "composer.json" },
	  "php",
	  "+uwsgi_php +php",
	  NULL,
	  ERR_MISSING,
	  "composer (" },
	{ "C5 Rust before a php service",
	  { "Cargo.toml", "rust-toolchain.toml" },
	  "php",
	  "+cargo +rustc +uwsgi_php",
	  "rust" },
	{ "php before web and release", { NULL }, "php web release", "+uwsgi_php", "php" },
	{ "piku-E05 Gemfile before package.json",
	  { "Gemfile", "package.json" },
	  "web",
	  "node",
	  "node",
	  0,
	  "Gemfile found" },
	{ "package.json before pom.xml", { "package.json", "pom.xml" }, "web", "node", "node" },
	{ "piku-E06 Cargo.toml alone is no Rust app", { "Cargo.toml" }, "web release", "", "generic" },
	{ "piku-E01 Rust", { "Cargo.toml", "rust-toolchain.toml" }, "web", "+cargo +rustc", "rust" },
	{ "rustc missing",
	  { "Cargo.toml", "rust-toolchain.toml" },
	  "web",
	  "+cargo",
	  NULL,
	  ERR_MISSING,
	  "these are missing: rustc" },
	{ "nothing at all", { NULL }, "", "", NULL, ERR_REFUSED, "Could not detect runtime!" },
};

static void detects(void **state)
{
	const struct detect_row *row = *state;
	const struct runtime_ops *found = NULL;
	struct problems problems = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(fixture_done) struct fixture f;
	bool is_json;

	if (!has_tools(row->tools))
		skip();
	fixture_init(&f);
	use_tools(&f, row->tools);
	use_services(&f, row->services);
	for (size_t i = 0; i < COUNT(row->files) && row->files[i]; i++) {
		is_json = str_ends(row->files[i], ".json");
		write_file(f.src, row->files[i], is_json ? "{}" : "", 0644);
	}
	assert_int_equal(runtime_detect(&found, &f.in, &problems, &e), row->code);
	if (row->want) {
		assert_string_equal(found->name, row->want);
		assert_ptr_equal(runtime_find(row->want), found);
		assert_int_equal(problems.n, row->says ? 1 : 0);
	}
	if (row->says)
		assert_non_null(strstr(row->want ? problems.v[0].message : e->msg, row->says));
	problems_done(&problems);
}

/* ---- what is planned ---- */

static void replace_all(char **text, const char *what, const char *by)
{
	struct strb b = STRB(1 << 20);
	const char *at = *text, *hit;

	while ((hit = strstr(at, what))) {
		(void) strb_add(&b, at, (size_t) (hit - at));
		(void) strb_adds(&b, by);
		at = hit + strlen(what);
	}
	(void) strb_adds(&b, at);
	free(*text);
	*text = strb_take(&b);
}

/* The build as text: paths as SRC, DEPS, TOOLS; interpreters by name. To be freed. */
static char *describe(const struct build *b, const struct fixture *f)
{
	struct strb text = STRB(1 << 20);
	char *ret;

	if (b->is_per_release)
		(void) strb_adds(&text, "per release\n");
	for (size_t i = 0; i < b->copies.n; i++)
		(void) strb_addf(&text, "copy %s\n", b->copies.v[i]);
	for (size_t i = 0; i < b->n_deps; i++) {
		_cleanup_(freep) char *argv = strv_join(&b->deps[i].argv, " ");

		(void) strb_addf(&text, "%s$ %s%s\n", b->deps[i].cwd, argv, b->deps[i].may_fail ? " ||" : "");
	}
	for (size_t i = 0; i < b->n_steps; i++) {
		_cleanup_(freep) char *argv = strv_join(&b->steps[i].argv, " ");

		(void) strb_addf(&text, "in %s$ %s\n", b->steps[i].cwd, argv);
	}
	for (size_t i = 0; i < b->env.n; i++)
		(void) strb_addf(&text, "%s=%s\n", b->env.v[i].name, b->env.v[i].value);
	for (size_t i = 0; i < b->step_env.n; i++)
		(void) strb_addf(&text, "for steps: %s=%s\n", b->step_env.v[i].name, b->step_env.v[i].value);
	for (size_t i = 0; i < b->links.n; i++)
		(void) strb_addf(&text, "link %s\n", b->links.v[i]);
	ret = strb_take(&text);
	if (b->hash) {
		_cleanup_(freep) char *deps = path_join(f->deps, b->hash);

		replace_all(&ret, deps, "DEPS");
	}
	replace_all(&ret, f->src, "SRC");
	replace_all(&ret, f->tools, "TOOLS");
	return ret;
}

#define PYTHON "TOOLS/python3"
#define LOCK(v)                                                                                              \
	"{\"name\": \"x\", \"lockfileVersion\": 3, \"requires\": true, \"packages\": {"                      \
	"\"\": {\"dependencies\": {\"is-number\": \">=6\"}},"                                                \
	"\"node_modules/is-number\": {\"version\": \"" v "\"}}}"
#define PACKAGE "{\"dependencies\": {\"is-number\": \">=6\"}}"

static const struct plan_row {
	const char *name, *runtime, *tools;
	struct file files[4];
	const char *settings[3];
	int code;
	const char *says[6]; /* each in the build's text; on failure in the error */
	const char *lacks;
} plan_rows[] = {
	{ "piku-E01 pip",
	  "python",
	  "python3 virtualenv",
	  { { "requirements.txt", "flask\n" } },
	  { NULL },
	  0,
	  { "virtualenv --quiet --python=", "python3 DEPS\n",
	    "SRC$ DEPS/bin/pip install --disable-pip-version-check --no-input -r SRC/requirements.txt\n",
	    "VIRTUAL_ENV=DEPS\nPATH=DEPS/bin:$PATH\nPYTHONUNBUFFERED=1\nPYTHONIOENCODING=UTF_8:replace\n" },
	  "per release" },
	{ "nothing but comments: no pip",
	  "python",
	  "python3 virtualenv",
	  { { "requirements.txt", "# flask\n\n  # more\n" } },
	  { NULL },
	  0,
	  { "virtualenv" },
	  "pip install" },
	{ "without virtualenv",
	  "python",
	  "python3",
	  { { "requirements.txt", "" } },
	  { NULL },
	  0,
	  { " -m venv " } },
	{ "piku-E12 PYTHON_VERSION",
	  "python",
	  "python3.11 virtualenv",
	  { { "requirements.txt", "" } },
	  { "PYTHON_VERSION=3.11" },
	  0,
	  { "/python3.11 DEPS" } },
	{ "PYTHON_VERSION that is not here",
	  "python",
	  "python3",
	  { { "requirements.txt", "" } },
	  { "PYTHON_VERSION=3.2" },
	  ERR_MISSING,
	  { "PYTHON_VERSION is 3.2 (set in config), but no such Python is here" } },
	{ "PYTHON_VERSION that is a path",
	  "python",
	  "python3",
	  { { "requirements.txt", "" } },
	  { "PYTHON_VERSION=/../../x" },
	  ERR_REFUSED,
	  { "expected a number" } },
	{ "-e .", "python", "python3", { { "requirements.txt", "-e .\n" } }, { NULL }, 0, { "per release" } },
	{ "a directory",
	  "python",
	  "python3",
	  { { "requirements.txt", "./lib[x]" } },
	  { NULL },
	  0,
	  { "per release" } },
	{ "a directory by URL",
	  "python",
	  "python3",
	  { { "requirements.txt", "lib @ file:./lib\n" } },
	  { NULL },
	  0,
	  { "per release" } },
	{ "in a file pulled in",
	  "python",
	  "python3",
	  { { "requirements.txt", "-r req/a.txt" }, { "req/a.txt", "--editable=." } },
	  { NULL },
	  0,
	  { "per release" } },
	{ "an editable repository lies in the environment",
	  "python",
	  "python3",
	  { { "requirements.txt", "-e git+https://example.org/x.git#egg=x" } },
	  { NULL },
	  0,
	  { "pip install" },
	  "per release" },
	{ "out of the app",
	  "python",
	  "python3",
	  { { "requirements.txt", "a \\\n b\n-r ../../../x" } },
	  { NULL },
	  ERR_REFUSED,
	  { "requirements.txt:3: '../../../x' leads out of the app's directory" } },
	{ "piku-E01 Poetry, a package",
	  "poetry",
	  "+poetry python3",
	  { { "pyproject.toml", "[tool.poetry]\nname = 'x'\n" } },
	  { NULL },
	  0,
	  { "per release\n", "SRC$ TOOLS/poetry install --no-interaction\n",
	    "POETRY_VIRTUALENVS_IN_PROJECT=1\n", "link .venv=DEPS\n" } },
	{ "Poetry, dependencies only",
	  "poetry",
	  "+poetry python3",
	  { { "pyproject.toml", "[tool.poetry]\npackage-mode = false\n" }, { "poetry.lock", "" } },
	  { NULL },
	  0,
	  { "copy pyproject.toml=pyproject.toml\ncopy poetry.lock=poetry.lock\n",
	    "DEPS$ TOOLS/poetry install" },
	  "per release" },
	{ "Poetry, a directory of the app",
	  "poetry",
	  "+poetry python3",
	  { { "pyproject.toml",
	      "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\nx = { path = 'x' }\n" } },
	  { NULL },
	  0,
	  { "per release\n" } },
	{ "piku-E01 uv, dependencies only",
	  "uv",
	  "+uv python3",
	  { { "pyproject.toml", "[project]\nname = 'x'\nversion = '1'\n" } },
	  { NULL },
	  0,
	  { "copy pyproject.toml=pyproject.toml\n", "DEPS$ TOOLS/uv sync\n",
	    "UV_PROJECT_ENVIRONMENT=DEPS/venv\n", "UV_PYTHON_PREFERENCE=only-system\n",
	    "VIRTUAL_ENV=DEPS/venv\n" },
	  "per release" },
	{ "piku-E14 uv.lock",
	  "uv",
	  "+uv python3",
	  { { "pyproject.toml", "[build-system]\nrequires = []\n" }, { "uv.lock", "version = 1\n" } },
	  { NULL },
	  0,
	  { "per release\n", "SRC$ TOOLS/uv sync --locked ||\nSRC$ TOOLS/uv sync\n" } },
	{ "uv, a version asked for",
	  "uv",
	  "+uv python3",
	  { { "pyproject.toml", "" }, { ".python-version", "# ours\n3.12\n" } },
	  { NULL },
	  0,
	  { "uv sync --python 3.12\n", "UV_PYTHON_PREFERENCE=system\n" } },
	{ "uv, PYTHON_VERSION before .python-version",
	  "uv",
	  "+uv python3",
	  { { "pyproject.toml", "" }, { ".python-version", "3.12\n" } },
	  { "PYTHON_VERSION=3.13" },
	  0,
	  { "uv sync --python 3.13\n" } },
	{ "a broken pyproject.toml",
	  "uv",
	  "+uv",
	  { { "pyproject.toml", "[project]\nname = \n" } },
	  { NULL },
	  ERR_REFUSED,
	  { "pyproject.toml:2:" } },
	{ "piku-E01 Bundler",
	  "ruby",
	  "ruby gem bundle",
	  { { "Gemfile", "source 'https://example.org'\ngem 'rack', require: false\n" } },
	  { NULL },
	  0,
	  { "SRC$ ", "/bundle config set --local path DEPS\n", "/bundle install\n",
	    "VIRTUAL_ENV=DEPS\nPATH=DEPS/bin:$PATH\nBUNDLE_APP_CONFIG=DEPS/.bundle\n",
	    "for steps: BUNDLE_USER_HOME=/cache/bundle\n" },
	  "per release" },
	{ "Bundler, a gem of the app",
	  "ruby",
	  "ruby gem bundle",
	  { { "Gemfile", "gem 'x', path: 'x'\n" } },
	  { NULL },
	  0,
	  { "per release\n" } },
	{ "Bundler's settings in the repository",
	  "ruby",
	  "ruby gem bundle",
	  { { "Gemfile", "" }, { ".bundle/config", "---\nBUNDLE_WITHOUT: test\n" } },
	  { NULL },
	  0,
	  { "copy .bundle/config=.bundle/config\n" } },
	{ "piku-E20 go.mod",
	  "go",
	  "go",
	  { { "go.mod", "module x\n" } },
	  { NULL },
	  0,
	  { "in SRC$ ", "/go mod tidy\n", "GOPATH=DEPS\nGOBIN=SRC/.gobin\nPATH=SRC/.gobin:DEPS/bin:$PATH\n",
	    "GOMODCACHE=/cache/go-mod\nGOCACHE=/cache/go-build\n" },
	  "GO111MODULE" },
	{ "modules in the repository",
	  "go",
	  "go",
	  { { "go.mod", "module x\n" }, { "vendor/modules.txt", "" } },
	  { NULL },
	  0,
	  { "GOPATH=DEPS\n" },
	  "tidy" },
	{ "Go without modules",
	  "go",
	  "go",
	  { { "main.go", "" } },
	  { NULL },
	  0,
	  { "GO111MODULE=auto\n" },
	  "tidy" },
	{ "GOFLAGS of the app are kept",
	  "go",
	  "go",
	  { { "main.go", "" } },
	  { "GOFLAGS=-v" },
	  0,
	  { "for steps: GOFLAGS=-v -modcacherw\n" } },
	{ "piku-E01 godep",
	  "go",
	  "go +godep",
	  { { "Godeps/Godeps.json", "{}" } },
	  { NULL },
	  0,
	  { "per release\n", "in SRC$ TOOLS/godep update ...\n", "GO15VENDOREXPERIMENT=1\n",
	    "for steps: GOROOT=/" } },
	{ "godep missing",
	  "go",
	  "go",
	  { { "Godeps/Godeps.json", "{}" } },
	  { NULL },
	  ERR_MISSING,
	  { "Godeps found, but godep is missing" } },
	{ "godep missing, packages in the repository",
	  "go",
	  "go",
	  { { "Godeps/Godeps.json", "{}" }, { "vendor/x/x.go", "" } },
	  { NULL },
	  0,
	  { "per release\n" } },
	{ "piku-E01 Maven",
	  "maven",
	  "+java +mvn",
	  { { "pom.xml", "" } },
	  { "MAVEN_OPTS=-Xmx1g" },
	  0,
	  { "in SRC$ TOOLS/mvn package --batch-mode",
	    "\nMAVEN_OPTS=-Dmaven.repo.local=/cache/.m2/repository\n",
	    "for steps: MAVEN_OPTS=-Xmx1g -Dmaven.repo.local=/cache/.m2/repository\n" },
	  "clean" },
	{ "Maven, target in the repository",
	  "maven",
	  "+java +mvn",
	  { { "pom.xml", "" }, { "target/x", "" } },
	  { NULL },
	  0,
	  { "in SRC$ TOOLS/mvn clean package " } },
	{ "piku-E01 Gradle",
	  "gradle",
	  "+java +gradle",
	  { { "build.gradle", "" } },
	  { NULL },
	  0,
	  { "in SRC$ TOOLS/gradle build --no-daemon", "GRADLE_USER_HOME=/cache/gradle\n" },
	  "clean" },
	{ "piku-E01 Leiningen",
	  "leiningen",
	  "+java +lein",
	  { { "project.clj", "" } },
	  { NULL },
	  0,
	  { "in SRC$ TOOLS/lein clean\nin SRC$ TOOLS/lein uberjar\n", "LEIN_HOME=$HOME/.lein\n",
	    "LEIN_JVM_OPTS=-Duser.home=/cache" } },
	{ "a clojure that is not the CLI",
	  "clojure",
	  "+java +clojure",
	  { { "deps.edn", "{}" } },
	  { NULL },
	  ERR_MISSING,
	  { "/clojure is not the Clojure CLI" } },
	{ "piku-E01 Cargo",
	  "rust",
	  "+cargo +rustc",
	  { { "Cargo.toml", "" }, { "rust-toolchain.toml", "[toolchain]\nchannel = 'stable'\n" } },
	  { NULL },
	  0,
	  { "in SRC$ TOOLS/cargo build\n", "CARGO_HOME=/cache/cargo\n" } },
	{ "a broken rust-toolchain.toml",
	  "rust",
	  "+cargo +rustc",
	  { { "rust-toolchain.toml", "[toolchain\n" } },
	  { NULL },
	  ERR_REFUSED,
	  { "rust-toolchain.toml:1:" } },
	{ "Composer",
	  "php",
	  "+php +composer",
	  { { "composer.json", "{}" } },
	  { NULL },
	  0,
	  { "in SRC$ TOOLS/composer install --no-interaction --no-progress\n", "COMPOSER_NO_DEV=1\n",
	    "PATH=SRC/vendor/bin:$PATH\n", "for steps: COMPOSER_HOME=/cache/composer\n" } },
	{ "nothing for Composer",
	  "php",
	  "+uwsgi_php",
	  { { "index.php", "" } },
	  { NULL },
	  0,
	  { NULL },
	  "composer" },
	{ "nodeenv",
	  "node",
	  "node npm +nodeenv",
	  { { "package.json", PACKAGE } },
	  { "NODE_VERSION=v2.3.4" },
	  0,
	  { "DEPS$ TOOLS/nodeenv --prebuilt --node=2.3.4 --clean-src --force DEPS\n",
	    "DEPS$ DEPS/bin/npm --package-lock=false install --prefix DEPS",
	    "PATH=DEPS/bin:DEPS/node_modules/.bin:$PATH\n" } },
	{ "nodeenv alone",
	  "node",
	  "+nodeenv",
	  { { "package.json", "{}" } },
	  { "NODE_VERSION=2.3.4" },
	  0,
	  { "nodeenv --prebuilt --node=2.3.4", "PATH=DEPS/bin:" },
	  "npm install" },
	{ "nodeenv wants a full version",
	  "node",
	  "node +nodeenv",
	  { { "package.json", "{}" } },
	  { "NODE_VERSION=2" },
	  ERR_REFUSED,
	  { "NODE_VERSION is 2 (set in config), but the node here is v", "give the full version" } },
	{ "Corepack",
	  "node",
	  "node npm +corepack",
	  { { "package.json",
	      "{\"packageManager\": \"pnpm@9.1.0+sha512.x\", \"dependencies\": {\"a\": \"1\"}}" } },
	  { "NPM_CONFIG_REGISTRY=http://r" },
	  0,
	  { "corepack enable --install-directory DEPS/bin pnpm\n",
	    "DEPS$ DEPS/bin/pnpm install --store-dir=DEPS/.pnpm-store --prefix DEPS\n",
	    "COREPACK_HOME=DEPS/.corepack\n", "COREPACK_NPM_REGISTRY=http://r\n" },
	  "npm --package-lock" },
	{ "a package manager of one's own before Corepack",
	  "node",
	  "node npm +corepack",
	  { { "package.json", "{\"packageManager\": \"pnpm@9.1.0\", \"dependencies\": {\"a\": \"1\"}}" } },
	  { "NODE_PACKAGE_MANAGER=yarn" },
	  0,
	  { "npm install -g --no-audit --no-fund yarn\n" },
	  "corepack" },
	{ "Node without dependencies",
	  "node",
	  "node",
	  { { "package.json", "{\"name\": \"x\"}" } },
	  { NULL },
	  0,
	  { NULL },
	  "npm" },
	{ "piku-E01 npm",
	  "node",
	  "node npm",
	  { { "package.json", PACKAGE } },
	  { NULL },
	  0,
	  { "copy package.json=package.json\n",
	    "/npm --package-lock=false install --prefix DEPS --no-audit --no-fund\n",
	    "NODE_PATH=DEPS/node_modules\nNPM_CONFIG_PREFIX=DEPS\n"
	    "PATH=DEPS/bin:DEPS/node_modules/.bin:$PATH\n",
	    "link node_modules=DEPS/node_modules\n" },
	  "per release" },
	{ "piku-E18 package-lock.json",
	  "node",
	  "node npm",
	  { { "package.json", PACKAGE }, { "package-lock.json", LOCK("6.0.0") } },
	  { NULL },
	  0,
	  { "copy package-lock.json=package-lock.json\n", "/npm ci --no-audit --no-fund ||\n",
	    "/npm --package-lock=false install --prefix DEPS" } },
	{ "piku-E17 pnpm",
	  "node",
	  "node npm",
	  { { "package.json", PACKAGE }, { "pnpm-lock.yaml", "" } },
	  { "NODE_PACKAGE_MANAGER=pnpm --frozen-lockfile" },
	  0,
	  { "copy pnpm-lock.yaml", "/npm install -g --no-audit --no-fund pnpm\n",
	    "DEPS$ DEPS/bin/pnpm --frozen-lockfile install --store-dir=DEPS/.pnpm-store --prefix DEPS\n" } },
	{ "yarn of a version",
	  "node",
	  "node npm",
	  { { "package.json", PACKAGE } },
	  { "NODE_PACKAGE_MANAGER=yarn@1.22" },
	  0,
	  { "npm install -g --no-audit --no-fund yarn@1.22\n", "DEPS$ DEPS/bin/yarn install\n",
	    "YARN_NODE_LINKER=node-modules\n" } },
	{ "npm with options of its own",
	  "node",
	  "node npm",
	  { { "package.json", PACKAGE }, { "package-lock.json", LOCK("6.0.0") } },
	  { "NODE_PACKAGE_MANAGER=npm --legacy-peer-deps" },
	  0,
	  { "/npm --legacy-peer-deps install --prefix DEPS\n" },
	  "npm ci" },
	{ "a package manager that is an option",
	  "node",
	  "node npm",
	  { { "package.json", PACKAGE } },
	  { "NODE_PACKAGE_MANAGER=--prefix=/ x" },
	  ERR_REFUSED,
	  { "expected the name of a package manager" } },
	{ "file: dependencies",
	  "node",
	  "node npm",
	  { { "package.json", "{\"dependencies\": {\"lib\": \"file:lib\"}}" } },
	  { NULL },
	  0,
	  { "per release\n", "SRC$ ", "install --prefix SRC ", "NODE_PATH=SRC/node_modules\n" },
	  "link" },
	{ "install scripts",
	  "node",
	  "node npm",
	  { { "package.json", "{\"scripts\": {\"postinstall\": \"node build.js\"}}" } },
	  { NULL },
	  0,
	  { "per release\n" } },
	{ "D18 NODE_VERSION that is not here",
	  "node",
	  "node",
	  { { "package.json", "{}" } },
	  { "NODE_VERSION=2" },
	  ERR_MISSING,
	  { "NODE_VERSION is 2 (set in config), but the node here is v" } },
	{ "a broken package.json",
	  "node",
	  "node",
	  { { "package.json", "{\n\"name\" 1}" } },
	  { NULL },
	  ERR_REFUSED,
	  { "package.json:2:" } },
};

static void plans(void **state)
{
	const struct plan_row *row = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(build_done) struct build b = { 0 };
	_cleanup_(freep) char *text = NULL;
	_cleanup_(fixture_done) struct fixture f;

	if (!has_tools(row->tools))
		skip();
	fixture_init(&f);
	use_tools(&f, row->tools);
	use_services(&f, "web");
	use_files(&f, row->files);
	use_settings(&f, row->settings);
	int r = runtime_find(row->runtime)->plan(&b, &f.in, f.deps, &e);
	text = r < 0 ? err_text(e) : describe(&b, &f);
	if (r != row->code)
		print_error("%s\n", text);
	assert_int_equal(r, row->code);
	for (size_t i = 0; i < COUNT(row->says) && row->says[i]; i++) {
		if (!strstr(text, row->says[i]))
			print_error("'%s' is not in:\n%s\n", row->says[i], text);
		assert_non_null(strstr(text, row->says[i]));
	}
	if (row->lacks && strstr(text, row->lacks))
		fail_msg("'%s' is in:\n%s\n", row->lacks, text);
}

/* E16 as far as it is of now: the components that are given have to agree. */
static void takes_the_node_that_is_asked_for(void **state UNUSED)
{
	_cleanup_(freep) char *node = find_program("node", getenv("PATH")), *version = NULL;
	_cleanup_(build_done) struct build b = { 0 };
	_cleanup_(fixture_done) struct fixture f;
	const char *argv[] = { node, "-p", "process.versions.node.split('.').slice(0, 2).join('.')", NULL };

	if (!node)
		skip();
	fixture_init(&f);
	use_tools(&f, "node"); /* no nodeenv, which would fetch the last one */
	write_file(f.src, "package.json", "{}", 0644);
	assert_int_equal(proc_run((char *const *) argv, NULL, "/", 60000, &version, NULL), 0);
	version[strcspn(version, "\n")] = '\0';
	env_set(&f.env, "NODE_VERSION", version, "config");
	assert_int_equal(runtime_find("node")->plan(&b, &f.in, f.deps, NULL), 0);
	assert_null(b.hash);
	env_setf(&f.env, "NODE_VERSION", "config", "v%s", version);
	assert_int_equal(runtime_find("node")->plan(&b, &f.in, f.deps, NULL), 0);
	env_setf(&f.env, "NODE_VERSION", "config", "%s0", version);
	assert_int_equal(runtime_find("node")->plan(&b, &f.in, f.deps, NULL), ERR_MISSING);
}

/* ---- what changes the hash ---- */

static const struct hash_row {
	const char *name, *runtime;
	struct file before[4], after[3];
	const char *setting; /* new afterwards; NULL: none */
	bool differs;
} hash_rows[] = {
	{ "piku-E10 nothing new",
	  "python",
	  { { "requirements.txt", "a" } },
	  { { "app.py", "1" } },
	  NULL,
	  false },
	{ "piku-E11 requirements.txt",
	  "python",
	  { { "requirements.txt", "a" } },
	  { { "requirements.txt", "b" } },
	  NULL,
	  true },
	{ "a file pulled in",
	  "python",
	  { { "requirements.txt", "-r a/b.txt" }, { "a/b.txt", "-c c.txt" }, { "a/c.txt", "x==1" } },
	  { { "a/c.txt", "x==2" } },
	  NULL,
	  true },
	{ "a file pulled in appears",
	  "python",
	  { { "requirements.txt", "-rb.txt" } },
	  { { "b.txt", "" } },
	  NULL,
	  true },
	{ "files that pull each other in",
	  "python",
	  { { "requirements.txt", "-r b.txt" }, { "b.txt", "-r requirements.txt" } },
	  { { "c.txt", "" } },
	  NULL,
	  false },
	{ "a local wheel",
	  "python",
	  { { "requirements.txt", "./w/x-1-py3-none-any.whl" }, { "w/x-1-py3-none-any.whl", "1" } },
	  { { "w/x-1-py3-none-any.whl", "2" } },
	  NULL,
	  true },
	{ "a wheel directory",
	  "python",
	  { { "requirements.txt", "-f wheels\nx" }, { "wheels/x-1-py3-none-any.whl", "1" } },
	  { { "wheels/x-2-py3-none-any.whl", "2" } },
	  NULL,
	  true },
	{ "D18 a setting of pip",
	  "python",
	  { { "requirements.txt", "a" } },
	  { { 0 } },
	  "PIP_INDEX_URL=x",
	  true },
	{ "D18 PYTHON_VERSION",
	  "python",
	  { { "requirements.txt", "a" } },
	  { { 0 } },
	  "PYTHON_VERSION=3",
	  true },
	{ "pip's cache", "python", { { "requirements.txt", "a" } }, { { 0 } }, "PIP_CACHE_DIR=/x", false },
	{ "another setting", "python", { { "requirements.txt", "a" } }, { { 0 } }, "COLOUR=red", false },
	{ "a setting that is named",
	  "python",
	  { { "requirements.txt", "${COLOUR}" } },
	  { { 0 } },
	  "COLOUR=red",
	  true },
	{ "package.json",
	  "node",
	  { { "package.json", PACKAGE } },
	  { { "package.json", "{\"dependencies\": {\"a\": \"2\"}}" } },
	  NULL,
	  true },
	{ "package-lock.json",
	  "node",
	  { { "package.json", PACKAGE } },
	  { { "package-lock.json", "" } },
	  NULL,
	  true },
	{ "code", "node", { { "package.json", PACKAGE } }, { { "server.js", "" } }, NULL, false },
	{ "Gemfile", "ruby", { { "Gemfile", "" } }, { { "Gemfile", "# x" } }, NULL, true },
	{ "Gemfile.lock", "ruby", { { "Gemfile", "" } }, { { "Gemfile.lock", "" } }, NULL, true },
	{ "code, Ruby", "ruby", { { "Gemfile", "" } }, { { "app.rb", "" } }, NULL, false },
	{ "a setting of Bundler", "ruby", { { "Gemfile", "" } }, { { 0 } }, "BUNDLE_WITHOUT=test", true },
	{ "code, Go", "go", { { "go.mod", "" } }, { { "main.go", "" } }, NULL, false },
	{ "a setting of Go", "go", { { "go.mod", "" } }, { { 0 } }, "GOFLAGS=-v", true },
	{ "a setting of npm",
	  "node",
	  { { "package.json", PACKAGE } },
	  { { 0 } },
	  "npm_config_omit=dev",
	  true },
	{ "npm's cache", "node", { { "package.json", PACKAGE } }, { { 0 } }, "NPM_CONFIG_CACHE=/x", false },
};

static void hashes(void **state)
{
	const struct hash_row *row = *state;
	_cleanup_(build_done) struct build before = { 0 }, after = { 0 };
	_cleanup_(fixture_done) struct fixture f;

	/* the interpreter: ruby, go, node; python3 is everywhere */
	if (!str_eq(row->runtime, "python") &&
	    !has_tools(str_eq(row->runtime, "node") ? "node npm" : row->runtime))
		skip();
	fixture_init(&f);
	use_files(&f, row->before);
	const struct runtime_ops *ops = runtime_find(row->runtime);
	assert_int_equal(ops->plan(&before, &f.in, f.deps, NULL), 0);
	use_files(&f, row->after);
	if (row->setting)
		use_settings(&f, (const char *const[]){ row->setting, NULL });
	assert_int_equal(ops->plan(&after, &f.in, f.deps, NULL), 0);
	if (row->differs)
		assert_string_not_equal(before.hash, after.hash);
	else
		assert_string_equal(before.hash, after.hash);
}

static void a_release_that_installs_itself_has_its_own(void **state UNUSED)
{
	_cleanup_(build_done) struct build a = { 0 }, b = { 0 };
	_cleanup_(fixture_done) struct fixture first, second;

	fixture_init(&first);
	fixture_init(&second);
	write_file(first.src, "requirements.txt", "-e .", 0644);
	write_file(second.src, "requirements.txt", "-e .", 0644);
	assert_int_equal(runtime_find("python")->plan(&a, &first.in, "/deps", NULL), 0);
	assert_int_equal(runtime_find("python")->plan(&b, &second.in, "/deps", NULL), 0);
	assert_true(a.is_per_release && b.is_per_release);
	assert_string_not_equal(a.hash, b.hash);
}

/* ---- real builds ---- */

/* What deploy/ does with a build: copies, steps, links. */
static void build_env(const struct fixture *f, const struct build *b, struct env *env)
{
	_cleanup_(freep) char *home = path_join(f->dir, "home");

	env_set(env, "HOME", home, "base");
	env_set(env, "PATH", f->in.tool_path, "base");
	for (size_t i = 0; i < b->env.n; i++) {
		_cleanup_(freep) char *value = env_expand(env, b->env.v[i].value);

		env_set(env, b->env.v[i].name, value, "build");
	}
	env_copy(env, &b->step_env);
	env_copy(env, &f->env);
}

/* The exit status of a command in the build's environment; its output in *out. */
static int run_in_build(const struct fixture *f, const struct build *b, char *const *argv, const char *cwd,
			char **out)
{
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(strv_done) struct strv envp = { 0 };

	build_env(f, b, &env);
	env_strings(&env, &envp);
	return proc_run(argv, envp.v, cwd, 300000, out, NULL);
}

static int run_steps(const struct fixture *f, const struct build *b, char **out)
{
	int r = 0;

	for (size_t i = 0; i < b->n_deps; i++) {
		if (i > 0 && b->deps[i - 1].may_fail && r == 0)
			continue;
		free(TAKE(*out));
		r = run_in_build(f, b, b->deps[i].argv.v, b->deps[i].cwd, out);
		if (r != 0 && !b->deps[i].may_fail)
			return r;
	}
	return r;
}

static int build(const struct fixture *f, const struct build *b, char **out)
{
	_cleanup_(freep) char *deps = path_join(f->deps, b->hash);

	assert_int_equal(dir_make(deps, 0755, NULL), 0);
	for (size_t i = 0; i < b->copies.n; i++) {
		const char *equals = strchr(b->copies.v[i], '=');
		_cleanup_(freep) char *from = xstrndup(b->copies.v[i], (size_t) (equals - b->copies.v[i]));
		_cleanup_(freep) char *text = NULL;

		assert_int_equal(file_read_beneath(f->fd, from, 1 << 20, &text, NULL, NULL), 0);
		write_file(deps, equals + 1, text, 0644);
	}
	int r = run_steps(f, b, out);
	for (size_t i = 0; i < b->links.n; i++) {
		const char *equals = strchr(b->links.v[i], '=');
		_cleanup_(freep) char *name = xstrndup(b->links.v[i], (size_t) (equals - b->links.v[i]));

		assert_int_equal(symlinkat(equals + 1, f->fd, name), 0);
	}
	return r;
}

/* A module "tiny" as a wheel, made by Python itself: installing it needs no network. */
static const char wheel_script[] =
	"import zipfile, sys\n"
	"with zipfile.ZipFile(sys.argv[1] + '/tiny-1.0-py3-none-any.whl', 'w') as z:\n"
	"    z.writestr('tiny.py', 'answer = 42\\n')\n"
	"    z.writestr('tiny-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: "
	"1.0\\n')\n"
	"    z.writestr('tiny-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: t\\n'\n"
	"               'Root-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
	"    z.writestr('tiny-1.0.dist-info/RECORD', '')\n";

static void make_wheel(const struct fixture *f)
{
	_cleanup_(freep) char *python = find_program("python3", getenv("PATH"));

	const char *argv[] = { python, "-c", wheel_script, f->src, NULL };
	assert_int_equal(proc_run((char *const *) argv, NULL, "/", 60000, NULL, NULL), 0);
}

static const struct build_row {
	const char *name, *runtime;
	struct file files[4];
	const char *settings[3];
	bool has_wheel, needs_registry, needs_corepack;
	bool fails;
	const char *command[4]; /* run in src afterwards, found on the build's PATH */
	const char *prints;
} build_rows[] = {
	{ "Python without requirements",
	  "python",
	  { { "requirements.txt", "# none\n" } },
	  { NULL },
	  .command = { "python3", "-c",
		       "import sys; print(sys.prefix == __import__('os').environ['VIRTUAL_ENV'])" },
	  .prints = "True" },
	{ "pip installs",
	  "python",
	  { { "requirements.txt", "--no-index\n./tiny-1.0-py3-none-any.whl\n" } },
	  { NULL },
	  .has_wheel = true,
	  .command = { "python3", "-c", "import tiny; print(tiny.answer)" },
	  .prints = "42" },
	{ "pip finds wheels beside",
	  "python",
	  { { "requirements.txt", "--no-index\n--find-links .\ntiny==1.0\n" } },
	  { NULL },
	  .has_wheel = true,
	  .command = { "python3", "-c", "import tiny; print(tiny.answer)" },
	  .prints = "42" },
	{ "piku-E09 pip fails",
	  "python",
	  { { "requirements.txt", "--no-index\nthere-is-no-such-thing\n" } },
	  { NULL },
	  .fails = true,
	  .prints = "there-is-no-such-thing" },
	{ "npm, a package of the app itself",
	  "node",
	  { { "package.json", "{\"dependencies\": {\"lib\": \"file:lib\"}}" },
	    { "lib/package.json", "{\"name\": \"lib\", \"version\": \"1.0.0\"}" },
	    { "lib/index.js", "module.exports = 'from lib'" } },
	  { NULL },
	  .command = { "node", "-p", "require('lib')" },
	  .prints = "from lib" },
	{ "npm, a script of the app itself",
	  "node",
	  { { "package.json", "{\"scripts\": {\"postinstall\": \"node make.js\"}}" },
	    { "make.js", "require('fs').writeFileSync('made.js', 'module.exports = \"made\"')" } },
	  { NULL },
	  .command = { "node", "-p", "require('./made')" },
	  .prints = "made" },
	{ "npm installs",
	  "node",
	  { { "package.json", "{\"dependencies\": {\"is-number\": \"7.0.0\"}}" } },
	  { NULL },
	  .needs_registry = true,
	  .command = { "node", "-p", "require('is-number/package.json').version" },
	  .prints = "7.0.0" },
	{ "piku-E18 npm ci installs what is locked",
	  "node",
	  { { "package.json", PACKAGE }, { "package-lock.json", LOCK("6.0.0") } },
	  { NULL },
	  .needs_registry = true,
	  .command = { "node", "-p", "require('is-number/package.json').version" },
	  .prints = "6.0.0" },
	{ "piku-E18 a lock that does not fit",
	  "node",
	  { { "package.json", "{\"dependencies\": {\"is-number\": \"7.0.0\"}}" },
	    { "package-lock.json", LOCK("6.0.0") } },
	  { NULL },
	  .needs_registry = true,
	  .command = { "node", "-p", "require('is-number/package.json').version" },
	  .prints = "7.0.0" },
	{ "piku-E17 pnpm",
	  "node",
	  { { "package.json", PACKAGE },
	    { "pnpm-lock.yaml",
	      "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      is-number:\n"
	      "        specifier: '>=6'\n        version: 7.0.0\n\npackages:\n\n  is-number@7.0.0:\n    "
	      "resolution: "
	      "{integrity: "
	      "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng="
	      "=}\n"
	      "    engines: {node: '>=0.12.0'}\n\nsnapshots:\n\n  is-number@7.0.0: {}\n" } },
	  { "NODE_PACKAGE_MANAGER=pnpm@9 --frozen-lockfile" },
	  .needs_registry = true,
	  .command = { "node", "-p", "require('is-number/package.json').version" },
	  .prints = "7.0.0" },
	{ "Corepack's pnpm",
	  "node",
	  { { "package.json",
	      "{\"packageManager\": \"pnpm@9.1.0\", \"dependencies\": {\"is-number\": \"7.0.0\"}}" } },
	  { "COREPACK_INTEGRITY_KEYS=0" }, /* a mirror may have no signatures */
	  .needs_registry = true,
	  .needs_corepack = true,
	  .command = { "node", "-p", "require('is-number/package.json').version" },
	  .prints = "7.0.0" },
	{ "yarn",
	  "node",
	  { { "package.json", "{\"dependencies\": {\"is-number\": \"7.0.0\"}}" } },
	  { "NODE_PACKAGE_MANAGER=yarn" },
	  .needs_registry = true,
	  .command = { "node", "-p", "require('is-number/package.json').version" },
	  .prints = "7.0.0" },
};

/* The registry that this machine's npm is told to use: asked once. */
static bool has_registry(void)
{
	static int known = -1;
	_cleanup_(freep) char *npm = find_program("npm", getenv("PATH"));
	const char *argv[] = { npm, "view", "is-number@7.0.0", "version", NULL };

	if (known < 0)
		known = npm && proc_run((char *const *) argv, NULL, "/", 60000, NULL, NULL) == 0;
	return known;
}

/* What npm on this machine is configured to. */
static char *ask_npm(const char *key)
{
	_cleanup_(freep) char *npm = find_program("npm", getenv("PATH"));
	const char *argv[] = { npm, "config", "get", key, NULL };
	char *value = NULL;

	assert_int_equal(npm ? proc_run((char *const *) argv, NULL, "/", 60000, &value, NULL) : -1, 0);
	value[strcspn(value, "\n")] = '\0';
	return value;
}

/* Corepack reads no .npmrc. */
static void tell_corepack_the_registry(struct fixture *f)
{
	_cleanup_(freep) char *url = ask_npm("registry"), *certificates = ask_npm("cafile");

	if (*certificates == '/' && !getenv("NODE_EXTRA_CA_CERTS"))
		env_set(&f->env, "NODE_EXTRA_CA_CERTS", certificates, "test");

	if (str_ends(url, "/"))
		url[strlen(url) - 1] = '\0';
	env_set(&f->env, "COREPACK_NPM_REGISTRY", url, "test");
}

/* npm's own settings of this machine (registry, proxy, certificates): HOME and a prefix hide them. */
static void use_settings_of_machine(struct fixture *f)
{
	const char *home = getenv("HOME"), *given = getenv("NPM_CONFIG_USERCONFIG");
	_cleanup_(freep) char *npmrc = path_join(home ? home : "", ".npmrc");
	_cleanup_(freep) char *cache = path_join(f->dir, "cache");

	env_set(&f->env, "NPM_CONFIG_CACHE", cache, "test");
	env_set(&f->env, "NPM_CONFIG_USERCONFIG", given ? given : npmrc, "test");
	_cleanup_(freep) char *global = ask_npm("globalconfig");
	env_set(&f->env, "NPM_CONFIG_GLOBALCONFIG", global, "test");
	for (char **at = environ; *at; at++) {
		const char *equals = strchr(*at, '=');
		_cleanup_(freep) char *name = xstrndup(*at, (size_t) (equals - *at));

		if (strcasestr(name, "_proxy") || str_starts(name, "npm_config_") ||
		    str_starts(name, "NODE_EXTRA"))
			env_set(&f->env, name, equals + 1, "test");
	}
}

static void builds(void **state)
{
	const struct build_row *row = *state;
	_cleanup_(build_done) struct build b = { 0 };
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(freep) char *out = NULL, *program = NULL;
	_cleanup_(fixture_done) struct fixture f;

	if (!has_tools(str_eq(row->runtime, "node") ? "node npm" : "python3") ||
	    (row->needs_registry && !has_registry()) || (row->needs_corepack && !has_tools("corepack")))
		skip();
	fixture_init(&f);
	use_files(&f, row->files);
	use_settings(&f, row->settings);
	if (row->has_wheel)
		make_wheel(&f);
	if (str_eq(row->runtime, "node"))
		use_settings_of_machine(&f);
	if (row->needs_corepack)
		tell_corepack_the_registry(&f);
	assert_int_equal(runtime_find(row->runtime)->plan(&b, &f.in, f.deps, NULL), 0);
	int r = build(&f, &b, &out);
	if ((r != 0) != row->fails)
		print_error("exit status %d: %s\n", r, out);
	assert_int_equal(r != 0, row->fails);
	if (!row->fails) {
		build_env(&f, &b, &env);
		program = find_program(row->command[0], env_get(&env, "PATH"));
		const char *argv[] = { program, row->command[1], row->command[2], NULL };

		free(TAKE(out));
		assert_int_equal(run_in_build(&f, &b, (char *const *) argv, f.src, &out), 0);
	}
	assert_non_null(strstr(out, row->prints));
}

#define ADD(rows, fn)                                                                                        \
	for (size_t i = 0; i < COUNT(rows); i++)                                                             \
		tests[n++] = (struct CMUnitTest)                                                             \
		{                                                                                            \
			(rows)[i].name, fn, NULL, NULL, (void *) &(rows)[i]                                  \
		}

int main(void)
{
	struct CMUnitTest
		tests[COUNT(detect_rows) + COUNT(plan_rows) + COUNT(hash_rows) + COUNT(build_rows) + 2];
	size_t n = 0;

	ADD(detect_rows, detects);
	ADD(plan_rows, plans);
	tests[n++] = (struct CMUnitTest) cmocka_unit_test(takes_the_node_that_is_asked_for);
	ADD(hash_rows, hashes);
	tests[n++] = (struct CMUnitTest) cmocka_unit_test(a_release_that_installs_itself_has_its_own);
	ADD(build_rows, builds);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
