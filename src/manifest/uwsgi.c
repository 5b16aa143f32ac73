/*
 * Services that run in uWSGI: what of its settings becomes which directive, as Piku writes them
 * (docs/uwsgi.md has the table). What depends on the start (socket, port) is added by runner/uwsgi.c.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/file.h"
#include "manifest/settings-internal.h"
#include "manifest/uwsgi.h"

enum { INCLUDE_MAX = 1 << 20, DIRECTIVES_MAX = 1000 };

/* As one would write it between blanks: nothing that uWSGI replaces in its files, nothing that ends a line.
 */
static bool is_plain(const char *text, const char *also)
{
	for (; *text; text++)
		if (!(isalnum((unsigned char) *text) && (unsigned char) *text < 0x80) && !strchr(also, *text))
			return false;
	return true;
}

/* Java: CLASS or CLASS:METHOD; Ruby: FILE.ru. Piku ran all else as a command, and so it is here. */
bool uwsgi_serves(enum service_kind kind, const char *command)
{
	switch (kind) {
	case SERVICE_WSGI:
	case SERVICE_PHP:
		return true;
	case SERVICE_JWSGI:
		return *command && is_plain(command, "_.$:");
	case SERVICE_RWSGI:
		return str_ends(command, ".ru") && is_plain(command, "_./-");
	default:
		return false;
	}
}

static void add_number(struct strv *to, const struct settings *s, const char *directive, const char *setting,
		       long min, long max, long def)
{
	strv_addf(to, "%s = %ld", directive, setting_number(s, setting, min, max, def));
}

/* A number that Piku ignored with a word when it was none. 0: unset. */
static long lenient_number(const struct settings *s, const char *name)
{
	const char *text = setting_text(s, name);
	long n = 0;

	if (text && !str_to_long(text, 1, 1 << 30, &n))
		setting_problem(s, SEVERITY_WARNING, name, "is '%s', which is no number: it is ignored",
				text);
	return n;
}

/* uWSGI does not start when the kernel grants less. */
static void add_listen(struct strv *to, const struct settings *s)
{
	_cleanup_(freep) char *text = NULL;
	long want = setting_number(s, "UWSGI_LISTEN", 1, 65535, 16), most = 0;
	size_t n = 0;

	if (file_read("/proc/sys/net/core/somaxconn", 64, &text, &n, NULL) == 0) {
		text[strcspn(text, "\n")] = '\0';
		(void) str_to_long(text, 1, 1 << 30, &most);
	}
	if (most && want > most) {
		setting_problem(s, SEVERITY_WARNING, "UWSGI_LISTEN",
				"is %ld, but net.core.somaxconn of this machine is %ld, which is used", want,
				most);
		want = most;
	}
	strv_addf(to, "listen = %ld", want);
}

static void add_common(struct strv *to, const struct plan *p, const struct plan_service *service,
		       const struct settings *s)
{
	long idle = lenient_number(s, "UWSGI_IDLE");

	STRV_ADD(to, "master = true", "die-on-term = true");
	if (service->kind != SERVICE_PHP) /* it loads nothing before the first request */
		STRV_ADD(to, "need-app = true");
	strv_addf(to, "project = %s", p->app);
	add_number(to, s, "max-requests", "UWSGI_MAX_REQUESTS", 0, 1 << 30, 1024);
	add_listen(to, s);
	add_number(to, s, "processes", "UWSGI_PROCESSES", 1, 1024, 1);
	strv_addf(to, "procname-prefix = %s:%s:", p->app, service->name);
	strv_addf(to, "enable-threads = %s",
		  setting_flag(s, "UWSGI_ENABLE_THREADS", true) ? "true" : "false");
	strv_addf(to, "log-x-forwarded-for = %s",
		  setting_flag(s, "UWSGI_LOG_X_FORWARDED_FOR", false) ? "true" : "false");
	if (idle) /* no die-on-idle: the socket has to stay, and slipway would start it again */
		strv_addf(to, "idle = %ld", idle), STRV_ADD(to, "cheap = True");
}

/* The major version of PYTHON_VERSION; 3 when it is unset. */
static int python_major(const struct settings *s)
{
	const char *text = setting_text(s, "PYTHON_VERSION");

	return text && *text != '3' ? 2 : 3;
}

static void add_python(struct strv *to, const struct settings *s)
{
	long tasks = lenient_number(s, "UWSGI_ASYNCIO");

	if (python_major(s) != 3)
		setting_problem(s, SEVERITY_ERROR, "PYTHON_VERSION",
				"asks for Python 2, for which Debian has no uWSGI any more");
	if (setting_text(s, "UWSGI_GEVENT"))
		setting_problem(s, SEVERITY_WARNING, "UWSGI_GEVENT",
				"has no effect: it is for Python 2 only; there is UWSGI_ASYNCIO");
	STRV_ADD(to, "plugin = python3");
	if (!tasks) {
		add_number(to, s, "threads", "UWSGI_THREADS", 1, 1024, 4);
		return;
	}
	STRV_ADD(to, "plugin = greenlet_python3", "plugin = asyncio_python3", "greenlet = true",
		 "loop = asyncio", "socket-timeout = 30");
	strv_addf(to, "async = %ld", tasks);
}

static void add_php(struct strv *to, const char *command)
{
	struct span dir = span_of(command);

	while (dir.n && *dir.s == '/')
		dir = (struct span){ dir.s + 1, dir.n - 1 };
	while (dir.n && dir.s[dir.n - 1] == '/')
		dir.n--;
	_cleanup_(freep) char *path =
		dir.n ? xasprintf("$(PWD)/%.*s", (int) dir.n, dir.s) : xstrdup("$(PWD)");

	STRV_ADD(to, "plugin = http", "plugin = php", "http-socket-modifier1 = 14");
	strv_addf(to, "check-static = %s", path);
	STRV_ADD(to, "static-skip-ext = .php", "static-skip-ext = .inc", "static-index = index.html");
	strv_addf(to, "php-docroot = %s", path);
	STRV_ADD(to, "php-index = index.php", "php-allowed-ext = .php");
}

static void add_kind(struct strv *to, const struct plan_service *service, const struct settings *s)
{
	if (service->kind == SERVICE_PHP) {
		add_php(to, service->command);
		return;
	}
	add_python(to, s);
	strv_addf(to, "module = %s", service->command);
}

/* What would take the app out of slipway's hands. */
static bool is_forbidden(struct span key)
{
	static const char *const names[] = {
		"daemonize", "daemonize2", "emperor", "zerg-server", "uid", "gid"
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (span_eq(key, names[i]))
			return true;
	return false;
}

/* One line of an ini file, added as it stands: its values are uWSGI's to read. Returns what is wrong. */
static const char *add_line(struct strv *to, struct span line)
{
	const char *end = line.s + line.n, *equals = memchr(line.s, '=', line.n);
	struct span key = span_trim(line.s, equals ? equals : end);

	if (!equals || key.n == 0)
		return "expected KEY = VALUE";
	if (is_forbidden(key))
		return "this would take the app out of slipway's hands";
	struct span value = span_trim(equals + 1, end);

	strv_addf(to, "%.*s = %.*s", (int) key.n, key.s, (int) value.n, value.s);
	return to->n > DIRECTIVES_MAX ? "these are too many directives" : NULL;
}

static void read_include(struct strv *to, const char *file, char *text, struct problems *problems)
{
	bool is_ours = true; /* Piku's files had no header */
	int number = 0;

	for (char *at = text, *next; at; at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		struct span line = span_trim(at, at + strlen(at));

		number++;
		if (line.n == 0 || *line.s == '#' || *line.s == ';')
			continue;
		if (*line.s == '[') {
			is_ours = span_eq(line, "[uwsgi]");
			continue;
		}
		const char *why = is_ours ? add_line(to, line) : NULL;
		if (why)
			problem_add(problems, SEVERITY_ERROR, file, number, 1, "'%.*s': %s", (int) line.n,
				    line.s, why);
	}
}

static void add_include(struct strv *to, int dir, const struct settings *s)
{
	static const char name[] = "UWSGI_INCLUDE_FILE";
	const char *file = setting_text(s, name);
	_cleanup_(freep) char *path = file ? path_below(file) : NULL, *text = NULL;
	_cleanup_(err_freep) struct err *e = NULL;
	size_t n = 0;

	if (!file)
		return;
	if (!path)
		setting_problem(s, SEVERITY_ERROR, name,
				"is '%s': expected a file below the app's directory, without '..'", file);
	else if (file_read_beneath(dir, path, INCLUDE_MAX, &text, &n, &e) < 0)
		setting_problem(s, SEVERITY_ERROR, name, "names '%s', which cannot be read: %s", path,
				e->msg);
	else if (strlen(text) != n)
		setting_problem(s, SEVERITY_ERROR, name, "names '%s', which is no text", path);
	else
		read_include(to, path, text, s->problems);
}

static bool check_command(const struct plan_service *service, const char *file, struct problems *problems)
{
	const char *fault = NULL;

	if (service->kind == SERVICE_WSGI && !is_plain(service->command, "_.:/()-"))
		fault = "expected MODULE:CALLABLE, such as 'wsgi: blog.app:application'";
	if (service->kind == SERVICE_PHP &&
	    (!is_plain(service->command, "_./-") || strstr(service->command, "..")))
		fault = "expected the directory with the PHP files, such as 'php: public'";
	/* Their plugins have modifiers of their own, which router and check do not send yet. */
	if (service->kind == SERVICE_JWSGI || service->kind == SERVICE_RWSGI)
		fault = "not run in uWSGI by this version yet: give a command that listens on "
			"$BIND_ADDRESS:$PORT";
	if (fault)
		problem_add(problems, SEVERITY_ERROR, file, service->line, 1, "'%s: %s': %s", service->name,
			    service->command, fault);
	return !fault;
}

/* What is HTTP for the second of them would reach nobody. */
static void check_only_one(const struct plan *p, const char *file, struct problems *problems)
{
	const struct plan_service *first = plan_routed_service(p);

	for (size_t i = 0; first && i < p->n_services; i++)
		if (p->services[i].is_routed && &p->services[i] != first)
			problem_add(problems, SEVERITY_ERROR, file, p->services[i].line, 1,
				    "'%s' and '%s' both serve HTTP, which goes to one service of an app only",
				    first->name, p->services[i].name);
}

void uwsgi_compile(struct plan *p, const struct manifest_input *in, const char *file,
		   const struct settings *s)
{
	bool has_any = false;

	check_only_one(p, file, s->problems);
	for (size_t i = 0; i < p->n_services; i++) {
		struct plan_service *service = &p->services[i];

		if (!uwsgi_serves(service->kind, service->command) || !*service->command)
			continue;
		has_any = true;
		if (!check_command(service, file, s->problems))
			continue;
		add_common(&service->uwsgi, p, service, s);
		STRV_ADD(&service->uwsgi, "plugin = ping"); /* for the check */
		add_kind(&service->uwsgi, service, s);
		STRV_ADD(&service->uwsgi,
			 "log-format = %%(addr) - %%(user) [%%(ltime)] \"%%(method) %%(uri) %%(proto)\" "
			 "%%(status) %%(size) \"%%(referer)\" \"%%(uagent)\" %%(msecs)ms");
		add_include(&service->uwsgi, in->dir, s);
	}
	if (!has_any && setting_text(s, "UWSGI_INCLUDE_FILE"))
		setting_problem(s, SEVERITY_WARNING, "UWSGI_INCLUDE_FILE",
				"has no effect: no service of this app runs in uWSGI");
	if (!has_any && setting_text(s, "UWSGI_IDLE"))
		setting_problem(s, SEVERITY_WARNING, "UWSGI_IDLE",
				"has no effect: no service of this app runs in uWSGI");
}
