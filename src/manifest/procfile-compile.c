/* A Procfile with its settings becomes a plan; everything that is wrong about them is said at once. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <strings.h>

#include "base/file.h"
#include "manifest/cron.h"
#include "manifest/procfile.h"
#include "manifest/settings-internal.h"
#include "manifest/uwsgi.h"
#include "plan/name.h"

static const char file_name[] = "Procfile";

static bool detect(int dir)
{
	return faccessat(dir, file_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The checks of settings that all services share. */
static struct plan_check read_check(const struct settings *s, enum service_kind kind)
{
	const char *path = setting_text(s, "CHECK_PATH");
	struct plan_check check = { .kind = CHECK_PROCESS };

	check.timeout_ms = (unsigned) setting_number(s, "CHECK_TIMEOUT", 1, 3600, 30) * 1000;
	check.uptime_ms = (unsigned) setting_number(s, "CHECK_UPTIME", 0, 600000, 1000);
	if (kind != SERVICE_WEB)
		return check;
	check.kind = path ? CHECK_HTTP : CHECK_TCP;
	check.path = xstrdup(path);
	for (const char *c = path; c && *c; c++)
		if (*path != '/' || (unsigned char) *c <= ' ' || (unsigned char) *c >= 0x7f) {
			setting_problem(s, SEVERITY_ERROR, "CHECK_PATH",
					"is '%s': expected the path of a URL, like /up", path);
			break;
		}
	return check;
}

/* "SIGTERM", "term", "TERM" as "TERM"; borrowed. */
static const char *read_stop_signal(const struct settings *s)
{
	static const char *const names[] = { "TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH", "KILL" };
	const char *text = setting_text(s, "STOP_SIGNAL");
	const char *bare = text && strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;

	for (size_t i = 0; text && i < COUNT(names); i++)
		if (strcasecmp(bare, names[i]) == 0)
			return names[i];
	if (text)
		setting_problem(s, SEVERITY_ERROR, "STOP_SIGNAL",
				"is '%s': expected TERM, INT, QUIT, HUP, USR1, USR2, WINCH or KILL", text);
	return "TERM";
}

static void read_schedule(struct plan_service *s, const struct procfile_entry *entry,
			  struct problems *problems)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *warning = NULL, *whole = TAKE(s->command);
	const char *command = whole;
	struct cron times;
	int column = 1;

	if (cron_parse(&times, whole, &command, &column, &warning, &e) < 0)
		problem_add(problems, SEVERITY_ERROR, file_name, entry->line, entry->column + column - 1,
			    "'%s': %s", s->name, e->msg);
	if (warning)
		problem_add(problems, SEVERITY_WARNING, file_name, entry->line, entry->column, "'%s': %s",
			    s->name, warning);
	s->schedule = span_dup(span_trim(whole, command));
	s->command = xstrdup(command);
}

static void read_static(struct plan *p, const struct procfile_entry *entry, struct problems *problems)
{
	_cleanup_(freep) char *bad = NULL;
	const char *why = statics_add(&p->route, entry->command, true, &bad);

	if (why)
		problem_add(problems, SEVERITY_ERROR, file_name, entry->line, entry->column, "'%s': %s", bad,
			    why);
}

static bool is_http(enum service_kind kind)
{
	return service_is_kept(kind) && kind != SERVICE_WORKER;
}

static void add_service(struct plan *p, const struct procfile_entry *entry, enum service_kind kind,
			const struct settings *settings)
{
	struct plan_service *s = GROW(&p->services, &p->n_services);

	*s = (struct plan_service){
		.name = xstrdup(entry->name),
		.kind = kind,
		.command = xstrdup(entry->command),
		.line = entry->line,
		.instances = 1,
		.is_routed = is_http(kind),
		.stop_signal = xstrdup("TERM"),
	};
	if (kind == SERVICE_CRON)
		read_schedule(s, entry, settings->problems);
	else if (kind == SERVICE_STATIC)
		read_static(p, entry, settings->problems);
	else if (!*entry->command)
		problem_add(settings->problems, SEVERITY_ERROR, file_name, entry->line, entry->column,
			    "'%s' has no command: expected '%s: COMMAND'", entry->name, entry->name);
}

static void add_entries(struct plan *p, const struct procfile *procfile, const struct settings *settings)
{
	for (size_t i = 0; i < procfile->n; i++) {
		const struct procfile_entry *entry = &procfile->v[i];
		char **hook = str_eq(entry->name, "release") ? &p->release : &p->preflight;
		enum service_kind kind;

		if (procfile_kind(entry->name, &kind))
			add_service(p, entry, kind, settings);
		else if (*entry->command)
			str_set(hook, entry->command);
	}
	if (procfile->n && p->n_services == 0)
		problem_add(settings->problems, SEVERITY_ERROR, file_name, 0, 0,
			    "Invalid Procfile: there is nothing to run in it (expected lines like 'web: "
			    "COMMAND')");
}

static void read_address_and_port(struct plan *p, const struct settings *s)
{
	const char *address = setting_text(s, "BIND_ADDRESS");
	unsigned char any[sizeof(struct in6_addr)];

	p->fixed_port = (unsigned) setting_number(s, "PORT", 1, 65535, 0);
	p->bind_address = xstrdup(address ? address : "127.0.0.1");
	if (address && !str_eq(address, "localhost") && inet_pton(AF_INET, address, any) != 1 &&
	    inet_pton(AF_INET6, address, any) != 1)
		setting_problem(s, SEVERITY_ERROR, "BIND_ADDRESS", "is '%s': expected an IP address",
				address);
}

static void read_parallel(struct plan *p, const struct settings *s)
{
	_cleanup_(strv_done) struct strv names = { 0 };

	strv_split(&names, setting_text(s, "PARALLEL") ? setting_text(s, "PARALLEL") : "", ", \t");
	for (size_t i = 0; i < p->n_services; i++)
		p->services[i].is_parallel = p->services[i].is_routed && p->fixed_port == 0;
	for (size_t i = 0; i < names.n; i++) {
		struct plan_service *service = plan_find_service(p, names.v[i]);

		if (service)
			service->is_parallel = true;
		else
			setting_problem(s, SEVERITY_ERROR, "PARALLEL",
					"names '%s', but there is no such service", names.v[i]);
	}
}

/* Is one of the two the other or inside of it? */
static bool overlaps(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), shorter = n < m ? n : m;

	return strncmp(a, b, shorter) == 0 && (n == m || (n < m ? b : a)[shorter] == '/');
}

static void read_shared_paths(struct plan *p, const struct settings *s)
{
	static const char name[] = "SHARED_PATHS";
	_cleanup_(strv_done) struct strv all = { 0 };

	strv_split(&all, setting_text(s, name) ? setting_text(s, name) : "", ", \t");
	for (size_t i = 0; i < all.n; i++) {
		_cleanup_(freep) char *path = path_below(all.v[i]);
		const char *taken = NULL;

		if (!path || overlaps(path, ".git")) {
			setting_problem(s, SEVERITY_ERROR, name,
					"has '%s': expected paths below the app's directory, without '..'",
					all.v[i]);
			continue;
		}
		for (size_t k = 0; k < p->shared_paths.n; k++)
			if (overlaps(path, p->shared_paths.v[k]))
				taken = p->shared_paths.v[k];
		if (!taken)
			STRV_ADD(&p->shared_paths, path);
		else if (!str_eq(taken, path))
			setting_problem(s, SEVERITY_ERROR, name, "has '%s' and '%s', one inside of the other",
					taken, path);
	}
}

/* Which apps there are is not known here: deploy/order.c. */
static void check_start_after(const struct plan *p, const struct settings *s)
{
	static const char name[] = "START_AFTER";
	_cleanup_(strv_done) struct strv names = { 0 };

	strv_split(&names, setting_text(s, name) ? setting_text(s, name) : "", ", \t");
	for (size_t i = 0; i < names.n; i++)
		if (!app_name_is_legal(names.v[i]))
			setting_problem(s, SEVERITY_ERROR, name, "has '%s', which is no name of an app",
					names.v[i]);
		else if (str_eq(names.v[i], p->app))
			setting_problem(s, SEVERITY_ERROR, name, "names '%s', the app itself", p->app);
}

static void read_branch(struct plan *p, const struct settings *s)
{
	const char *branch = setting_text(s, "DEPLOY_BRANCH");

	if (!branch)
		return;
	str_set(&p->deploy_branch,
		str_starts(branch, "refs/heads/") ? branch + strlen("refs/heads/") : branch);
	if (!*p->deploy_branch || strpbrk(branch, " \t~^:?*[\\") || strstr(branch, ".."))
		setting_problem(s, SEVERITY_ERROR, "DEPLOY_BRANCH", "is '%s': expected the name of a branch",
				branch);
}

static void read_limits(struct plan *p, const struct host *host, const struct settings *s)
{
	const char *log_setting = setting_text(s, "LOG_MAX_SIZE") ? "LOG_MAX_SIZE" : "UWSGI_LOG_MAXSIZE";

	p->keep_releases =
		(unsigned) setting_number(s, "KEEP_RELEASES", 0, 1000, host ? host->keep_releases : 5);
	p->drain_timeout_ms = (unsigned) setting_number(s, "DRAIN_TIMEOUT", 0, 3600, 30) * 1000;
	p->build_timeout_ms = (unsigned) setting_number(s, "BUILD_TIMEOUT", 1, 86400, 1800) * 1000;
	p->release_timeout_ms = (unsigned) setting_number(s, "RELEASE_TIMEOUT", 1, 86400, 1800) * 1000;
	p->log_max_bytes = (size_t) setting_number(s, log_setting, 1024, 1L << 40, 1048576);
	p->is_auto_restart = setting_flag(s, "PIKU_AUTO_RESTART", true);
}

static void read_service_settings(struct plan *p, const struct settings *s)
{
	const char *stop_signal = read_stop_signal(s);
	long stop_timeout = setting_number(s, "STOP_TIMEOUT", 0, 3600, 10);
	struct plan_check web = read_check(s, SERVICE_WEB);

	for (size_t i = 0; i < p->n_services; i++) {
		struct plan_service *service = &p->services[i];

		service->check = web;
		service->check.path = service->is_routed ? xstrdup(web.path) : NULL;
		if (!service->is_routed)
			service->check.kind = CHECK_PROCESS;
		else if (service_has_socket(service))
			service->check.kind = CHECK_UWSGI;
		str_set(&service->stop_signal, stop_signal);
		service->stop_timeout_ms = (unsigned) stop_timeout * 1000;
	}
	free(web.path);
}

static bool is_served(const struct plan *p)
{
	return plan_routed_service(p) || p->route.n_statics;
}

/* Only said here; what counts when a schedule is due is read from the release's environment. */
static void check_schedules(const struct plan *p, const struct settings *s)
{
	struct cron_policy policy;

	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].kind == SERVICE_CRON) {
			cron_policy_read(&policy, s->env, s->problems);
			return;
		}
}

static void read_settings(struct plan *p, const struct manifest_input *in, const struct settings *s)
{
	uwsgi_compile(p, in, file_name, s);
	read_service_settings(p, s);
	read_address_and_port(p, s);
	read_parallel(p, s);
	read_shared_paths(p, s);
	check_start_after(p, s);
	read_branch(p, s);
	read_limits(p, in->host, s);
	limits_compile(p, in, s);
	check_schedules(p, s);
	if (is_served(p)) {
		route_compile(p, in, s);
		str_set(&p->router, in->host && in->host->router ? in->host->router : "nginx");
	}
}

/* Instances that all listen on the one fixed port cannot be. */
static void refuse_shared_port(const struct plan *p, const struct settings *s)
{
	const struct plan_service *web = plan_routed_service(p);

	if (web && p->fixed_port && web->instances > 1 && !web->is_parallel)
		setting_problem(
			s, SEVERITY_ERROR, "PORT",
			"is fixed to %u, but %u instances of '%s' are wanted: unset PORT, or scale to 1, or "
			"set PARALLEL=%s when the app listens with SO_REUSEPORT",
			p->fixed_port, web->instances, web->name, web->name);
}

static int refuse(const struct problems *problems, size_t from, size_t n_errors, struct err **e)
{
	for (size_t i = from; i < problems->n; i++) {
		if (problems->v[i].severity != SEVERITY_ERROR)
			continue;
		_cleanup_(freep) char *text = problem_text(&problems->v[i]);

		if (n_errors == 1)
			return err_set(e, ERR_REFUSED, "%s", text);
		return err_set(e, ERR_REFUSED, "%s (and %zu more)", text, n_errors - 1);
	}
	return ERR_REFUSED;
}

static int read_procfile(struct procfile *ret, int dir, struct problems *problems, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	size_t n;
	int r = file_read_beneath(dir, file_name, PROCFILE_MAX_BYTES, &text, &n, e);

	if (r < 0)
		return r;
	procfile_parse(ret, text, n, file_name, problems);
	return 0;
}

static int compile(struct plan *ret, const struct manifest_input *in, struct problems *problems,
		   struct err **e)
{
	_cleanup_(procfile_done) struct procfile procfile = { 0 };
	const struct settings settings = { in->env, problems };
	size_t first = problems->n, before = problems_count(problems, SEVERITY_ERROR), n_errors;
	int r;

	*ret = (struct plan){
		.app = xstrdup(in->app),
		.manifest = xstrdup("procfile"),
		.runner = xstrdup("native"),
		.router = xstrdup("none"),
	};
	r = read_procfile(&procfile, in->dir, problems, e);
	if (r < 0)
		return r;
	add_entries(ret, &procfile, &settings);
	read_settings(ret, in, &settings);
	if (in->scaling)
		scaling_apply(ret, in->scaling, "SCALING", problems);
	refuse_shared_port(ret, &settings);
	n_errors = problems_count(problems, SEVERITY_ERROR) - before;
	return n_errors ? refuse(problems, first, n_errors, e) : 0;
}

static int read_env(int dir, struct env *env, struct problems *problems, struct err **e)
{
	_cleanup_(err_freep) struct err *why = NULL;
	_cleanup_(freep) char *text = NULL;
	size_t n;
	int r = file_read_beneath(dir, "ENV", 1 << 20, &text, &n, &why);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(e, r, "%s", why->msg);
	env_parse(env, text, n, "ENV", NULL, true, problems);
	return 0;
}

const struct manifest_ops manifest_procfile = {
	.name = "procfile",
	.detect = detect,
	.compile = compile,
	.read_env = read_env,
};
