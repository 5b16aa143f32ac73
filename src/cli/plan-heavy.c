/* Compiling a directory, or reading a release's plan, and showing the result. Nothing is changed. */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/printable.h"
#include "cli/cli-internal.h"
#include "cli/plan-heavy.h"
#include "cli/plan.h"
#include "manifest/manifest.h"
#include "plan/environment.h"
#include "plan/name.h"
#include "plan/root.h"
#include "runtime/runtime.h"

/* A directory of code that is no release: what compiling it needs. */
struct code {
	char *path, *app; /* absolute; a name for the app, after the directory's */
	int fd;
	struct env env;
	const struct manifest_ops *manifest;
	struct problems problems;
};

static void code_done(struct code *c)
{
	free(c->path);
	free(c->app);
	closep(&c->fd);
	env_done(&c->env);
	problems_done(&c->problems);
}

/* The directory's name as an app's name, as far as that goes. */
static char *name_for(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = NULL;

	if (app_name_read(&name, slash ? slash + 1 : path, NULL) < 0)
		name = xstrdup("app");
	return name;
}

static int code_open(struct code *c, const char *dir, struct err **e)
{
	c->path = realpath(dir, NULL);
	if (!c->path)
		return err_set(e, -errno, "%s: %m", dir);
	c->fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->fd < 0)
		return err_set(e, -errno, "%s: %m", dir);
	c->app = name_for(c->path);
	c->manifest = manifest_detect(c->fd);
	if (!c->manifest)
		problem_add(&c->problems, SEVERITY_ERROR, manifest_file_names(), 0, 0,
			    "Invalid Procfile: there is none in %s", c->path);
	return 0;
}

/* ERR_REFUSED: see c->problems. */
static int code_compile(struct code *c, const char *root, const struct host *host, struct plan *ret,
			struct err **e)
{
	const char *path = host ? host->tool_path : getenv("PATH");
	struct manifest_input in = { c->app, c->fd, &c->env, NULL, host };
	int r;

	if (!c->manifest)
		return err_set(e, ERR_REFUSED, "there is no %s in %s", manifest_file_names(), c->path);
	r = environment_base(&c->env, root, c->app, c->path, path ? path : "/usr/bin:/bin", e);
	if (r < 0)
		return r;
	if (host)
		env_copy(&c->env, &host->defaults);
	r = c->manifest->read_env(c->fd, &c->env, &c->problems, e);
	return r < 0 ? r : c->manifest->compile(ret, &in, &c->problems, e);
}

/* The place first, as compilers do; warnings say that they are. */
static void print_problem(FILE *to, const struct problem *p)
{
	_cleanup_(freep) char *message = xasprintf("warning: %s", p->message), *text = NULL, *line = NULL;
	struct problem shown = *p;

	if (p->severity == SEVERITY_WARNING)
		shown.message = message;
	text = problem_text(&shown);
	line = printable_line(text);
	(void) fprintf(to, "%s\n", line);
}

void problems_print(FILE *to, const struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		print_problem(to, &problems->v[i]);
}

json_t *problems_to_json(const struct problems *problems, bool with_file)
{
	json_t *all = json_array();

	for (size_t i = 0; i < problems->n; i++) {
		const struct problem *p = &problems->v[i];
		json_t *j = json_object();

		if (with_file)
			json_put_text(j, "file", p->file);
		json_put_num(j, "line", p->line);
		json_put_num(j, "column", p->column);
		json_put_text(j, "severity", p->severity == SEVERITY_WARNING ? "warning" : "error");
		json_put_text(j, "message", p->message);
		(void) json_array_append_new(all, j);
	}
	return all;
}

/* Names the runtime when the tools of this machine allow to tell it. */
static void name_runtime(struct plan *p, struct code *c, const struct host *host)
{
	struct runtime_input in = { c->path, c->fd, &c->env, host->tool_path, p, "" };
	_cleanup_(err_freep) struct err *why = NULL;
	const struct runtime_ops *runtime = NULL;

	if (runtime_detect(&runtime, &in, &c->problems, &why) >= 0) {
		str_set(&p->runtime, runtime->name);
		return;
	}
	_cleanup_(freep) char *text = err_text(why);

	problem_add(&c->problems, SEVERITY_WARNING, NULL, 0, 0, "%s", text);
}

static int plan_of_directory(struct cli *cli, const char *dir, struct plan *ret, struct err **e)
{
	_cleanup_(code_done) struct code c = { .fd = -1 };
	_cleanup_(host_done) struct host host = { 0 };
	int r = cli->root ? 0 : root_find(&cli->root, e);

	if (r >= 0)
		r = host_read(&host, cli->root, e);
	if (r >= 0)
		r = code_open(&c, dir, e);
	if (r < 0)
		return r;
	r = code_compile(&c, cli->root, &host, ret, e);
	if (r >= 0)
		name_runtime(ret, &c, &host);
	problems_print(stderr, &c.problems);
	return r;
}

static int plan_of_app(struct cli *cli, const char *text, struct plan *ret, struct err **e)
{
	_cleanup_(freep) char *name = xstrdup(text), *dir = NULL, *path = NULL;
	int r = cli_open_app(cli, &name, e);

	if (r < 0)
		return r;
	if (cli->app.live_version == 0)
		return err_set(e, ERR_FAILED,
			       "%s has no live release yet; for a directory: slipway plan ./DIR", name);
	dir = root_release(cli->root, name, (long) cli->app.live_version);
	path = path_join(dir, "plan.json");
	return plan_read(ret, path, e);
}

static char *check_text(const struct plan_service *s)
{
	switch (s->check.kind) {
	case CHECK_HTTP:
		return xasprintf("http %s", s->check.path);
	case CHECK_TCP:
		return xstrdup("tcp");
	case CHECK_UWSGI:
		return s->check.path ? xasprintf("uwsgi %s", s->check.path) : xstrdup("uwsgi");
	case CHECK_PROCESS:
		break;
	}
	return xstrdup(s->kind == SERVICE_STATIC ? "-" : "process");
}

static void print_services(const struct plan *p)
{
	_cleanup_(columns_done) struct columns table = { .n_columns = 5 };

	COLUMNS_ROW(&table, "SERVICE", "KIND", "INSTANCES", "CHECK", "COMMAND");
	for (size_t i = 0; i < p->n_services; i++) {
		const struct plan_service *s = &p->services[i];
		_cleanup_(freep) char *count = xasprintf("%u", s->instances), *check = check_text(s);

		COLUMNS_ROW(&table, s->name, service_kind_name(s->kind),
			    s->kind == SERVICE_STATIC ? "-" : count, check, s->command);
	}
	columns_print(&table);
}

static void print_line(const char *label, const char *value)
{
	_cleanup_(freep) char *line = value ? printable_line(value) : NULL;

	if (line && *line)
		printf("%-10s %s\n", label, line);
}

static void print_plan(const struct plan *p)
{
	_cleanup_(freep) char *hosts = strv_join(&p->route.hosts, " "),
			      *shared = strv_join(&p->shared_paths, " ");
	_cleanup_(freep) char *port = p->fixed_port ? xasprintf("%u (fixed)", p->fixed_port) : NULL;

	print_line("app", p->app);
	print_line("manifest", p->manifest);
	print_line("runtime", p->runtime ? p->runtime : "unknown");
	print_line("runner", p->runner);
	print_line("router", p->router);
	print_line("hosts", hosts);
	print_line("port", port);
	print_line("shared", shared);
	for (size_t i = 0; i < p->route.n_statics; i++)
		printf("%-10s %s from %s\n", "static", p->route.statics[i].url, p->route.statics[i].path);
	print_line("preflight", p->preflight);
	print_line("release", p->release);
	printf("\n");
	print_services(p);
}

int plan_run(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(plan_done) struct plan p = { 0 };
	bool is_directory = strchr(argv[0], '/') || str_eq(argv[0], ".") || str_eq(argv[0], "..");
	int r;

	if (is_directory && cli->who.is_remote)
		return err_set(e, ERR_PERMISSION,
			       "directories are planned on the machine itself only: name an app");
	r = is_directory ? plan_of_directory(cli, argv[0], &p, e) : plan_of_app(cli, argv[0], &p, e);
	if (r < 0)
		return r;
	if (cli->is_json) {
		_cleanup_(json_releasep) json_t *j = plan_to_json(&p);

		json_print(j);
	} else {
		print_plan(&p);
	}
	return 0;
}

static void print_verdict_json(const char *dir, bool is_valid, size_t n_services,
			       const struct problems *problems)
{
	_cleanup_(json_releasep) json_t *j = json_object();

	json_put_text(j, "directory", dir);
	json_put_flag(j, "valid", is_valid);
	json_put_num(j, "services", (int64_t) n_services);
	(void) json_object_set_new(j, "problems", problems_to_json(problems, true));
	json_print(j);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

int validate_run(struct cli *cli, char **argv, struct err **e)
{
	const char *dir = argv[0] ? argv[0] : ".";
	_cleanup_(code_done) struct code c = { .fd = -1 };
	_cleanup_(plan_done) struct plan p = { 0 };
	int r = code_open(&c, dir, e);

	if (r < 0)
		return r;
	r = code_compile(&c, "/root-directory", NULL, &p, e); /* no one looks below it */
	size_t warnings = problems_count(&c.problems, SEVERITY_WARNING), errors = c.problems.n - warnings;
	bool is_valid = errors == 0 && (warnings == 0 || !cli_option(cli, "strict"));

	if (r < 0 && errors == 0)
		return r; /* it could not be read */
	if (cli->is_json)
		print_verdict_json(dir, is_valid, p.n_services, &c.problems);
	else
		problems_print(stdout, &c.problems);
	if (!is_valid)
		return err_set(e, ERR_REFUSED, "%s is not valid: %zu error%s, %zu warning%s", dir, errors,
			       plural(errors), warnings, plural(warnings));
	if (!cli->is_json)
		printf("%s is valid: %zu service%s\n", dir, p.n_services, plural(p.n_services));
	return 0;
}
