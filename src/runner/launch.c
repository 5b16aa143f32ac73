/* One way into a release: its environment, its directory, its sandbox, then the command. */
#include "runner/launch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/cgroup.h"
#include "base/file.h"
#include "base/words.h"
#include "plan/environment.h"
#include "plan/root.h"
#include "runner/uwsgi.h"

/* The program that a command line begins with; NULL: none is found. */
static char *program_of(const struct launch *l, const struct env *env)
{
	_cleanup_(strv_done) struct strv words = { 0 };

	assert(l->command || l->argv);
	if (!l->command)
		return xstrdup(l->argv[0]);
	if (words_split(&words, l->command, NULL, NULL) < 0 || words.n == 0)
		return NULL;
	return find_program(words.v[0], env_get(env, "PATH"));
}

/*
 * The same, when the sandbox may show its installation. Only what lies right in one of the operator's
 * directories of tools counts: commands, PATH and links are the repository's to write, and could lead to
 * any directory of this user.
 */
static char *tool_of(const struct launch *l, const struct env *env)
{
	char *program = program_of(l, env), *slash = program ? strrchr(program, '/') : NULL;
	_cleanup_(freep) char *dir = slash ? xstrndup(program, (size_t) (slash - program)) : NULL;

	if (dir && strv_has(&l->spec->sandbox.tools, dir))
		return program;
	free(program);
	return NULL;
}

/* What the dynamic linker and the C library of a set-user-id program would not believe either. */
static bool is_unsafe(const char *variable)
{
	static const char *const names[] = {
		"GCONV_PATH=",
		"GETCONF_DIR=",
		"GLIBC_TUNABLES=",
		"HOSTALIASES=",
		"LOCALDOMAIN=",
		"LOCPATH=",
		"NIS_PATH=",
		"NLSPATH=",
		"RES_OPTIONS=",
		"RESOLV_HOST_CONF=",
		"RESOLV_ADD_TRIM_DOMAINS=",
		"TMPDIR=",
		"TZDIR=",
		"LD_",
		"MALLOC_",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_starts(variable, names[i]))
			return true;
	return false;
}

/* What makes a sandbox is started outside of it: an app's LD_PRELOAD is set only inside. */
static void hold_back(struct strv *envp, struct strv *held)
{
	struct strv kept = { 0 };

	for (size_t i = 0; i < envp->n; i++)
		STRV_ADD(is_unsafe(envp->v[i]) ? held : &kept, envp->v[i]);
	strv_done(envp);
	*envp = kept;
}

static void add_strv(struct strv *to, const struct strv *from)
{
	if (from->n)
		strv_add(to, (const char *const *) from->v);
}

/* dash drops variables whose names are no identifiers (spring.profiles); bash hands them on. */
static const char *shell_for(const struct env *env)
{
	for (size_t i = 0; i < env->n; i++)
		if (!env_name_is_identifier(env->v[i].name) && file_exists("/bin/bash"))
			return "/bin/bash";
	return "/bin/sh";
}

static void add_command(const struct launch *l, const struct env *env, struct strv *argv)
{
	if (l->command)
		STRV_ADD(argv, shell_for(env), "-c", l->command);
	else
		strv_add(argv, (const char *const *) l->argv);
}

static void compose(const struct launch *l, bool has_cwd, struct strv *argv, struct strv *envp)
{
	_cleanup_(sandbox_done) struct sandbox box = { 0 };
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(strv_done) struct strv held = { 0 };
	_cleanup_(freep) char *program = NULL;
	const char *cwd = l->cwd ? l->cwd : l->spec->cwd;
	bool is_limited, is_boxed;
	size_t n;

	env_copy(&env, &l->spec->env);
	env_copy(&env, &l->extra);
	if (l->uid)
		environment_set_user(&env, l->uid);
	env_strings(&env, envp);
	if (envp->n == 0)
		strv_push(envp, xstrdup("PATH=/usr/local/bin:/usr/bin:/bin"));
	sandbox_copy(&box, &l->spec->sandbox);
	box.level = sandbox_in_force(&box, NULL);
	box.uid = l->uid;
	box.ends_with_us = !has_cwd; /* a step of a deployment must not go on when that was killed */
	add_strv(&box.read, &l->read);
	add_strv(&box.write, &l->write);
	program = tool_of(l, &env);
	if (l->limits) /* in front, where nothing of the app's is loaded yet */
		limits_prefix(l->limits, &l->means, argv);
	is_limited = argv->n > 0;
	n = argv->n;
	if (box.level & SANDBOX_BOTH || is_limited || l->uid)
		hold_back(envp, &held);
	sandbox_prefix(&box, cwd, program, &held, argv);
	is_boxed = argv->n > n;
	if (!is_boxed && (is_limited || !has_cwd)) {
		STRV_ADD(argv, "/usr/bin/env");
		if (!has_cwd)
			strv_addf(argv, "--chdir=%s", cwd);
		STRV_ADD(argv, "--");
		add_strv(argv, &held);
	}
	add_command(l, &env, argv);
}

void launch_limit(struct launch *l, const char *root, const struct limits *limits)
{
	_cleanup_(freep) char *path = root_cgroup(root);
	_cleanup_(cgroup_tree_done) struct cgroup_tree tree = { 0 };

	(void) cgroup_tree_read(&tree, path, NULL);
	l->limits = limits;
	for (enum limit i = 0; i < LIMIT_COUNT; i++)
		l->means.cgroup[i] = tree.has[i];
	l->means.has_own_user = l->uid != 0;
}

void launch_compose(const struct launch *l, struct strv *argv, struct strv *envp)
{
	compose(l, false, argv, envp);
}

int launch_exec(const struct launch *l, struct err **e)
{
	_cleanup_(strv_done) struct strv argv = { 0 }, envp = { 0 };
	const char *cwd = l->cwd ? l->cwd : l->spec->cwd;

	compose(l, true, &argv, &envp);
	if (chdir(cwd) < 0)
		return err_set(e, -errno, "entering %s: %m", cwd);
	(void) execve(argv.v[0], argv.v, envp.v);
	return err_set(e, -errno, "executing %s: %m", argv.v[0]);
}

bool launch_gate(void)
{
	_cleanup_(closep) int null = -1;
	struct stat st;
	ssize_t n;
	char byte;

	if (fstat(STDIN_FILENO, &st) < 0 || !S_ISFIFO(st.st_mode))
		return true;
	do
		n = read(STDIN_FILENO, &byte, 1);
	while (n < 0 && errno == EINTR);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return dup2(null, STDIN_FILENO) == STDIN_FILENO && n == 1;
}

/*
 * As much room as the kernel grants, so that an app does not block while the log keeper restarts. An
 * unprivileged user's pipes share a budget (pipe-user-pages-soft), beyond which new ones shrink to nothing:
 * take less of it.
 */
static void enlarge(int fifo)
{
	int size = geteuid() == 0 ? 1 << 20 : 1 << 18;

	while (size > 1 << 16 && fcntl(fifo, F_SETPIPE_SZ, size) < 0)
		size /= 2;
}

/* Standard output and error become the log. It is open for both ends here, so writing never gets a broken
 * pipe. */
static int open_log(const char *path, struct err **e)
{
	_cleanup_(closep) int fifo = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fifo < 0 || fstat(fifo, &st) < 0)
		return err_set(e, -errno, "opening the log %s: %m", path);
	if (!S_ISFIFO(st.st_mode))
		return err_set(e, ERR_REFUSED, "%s is no FIFO", path);
	enlarge(fifo);
	if (dup2(fifo, STDOUT_FILENO) < 0 || dup2(fifo, STDERR_FILENO) < 0)
		return err_set(e, -errno, "opening the log %s: %m", path);
	return 0;
}

/* bwrap's monitor has to outlive the signals that stop the app; the sandbox's prefix restores them for the
 * app. */
static void ignore_stop_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };

	for (size_t i = 0; i < COUNT(signals); i++)
		(void) signal(signals[i], SIG_IGN);
}

static void add_assigned(struct env *extra, char **argv, long version, long port)
{
	if (port > 0)
		env_setf(extra, "PORT", "slipway", "%ld", port);
	env_set(extra, "PROC_TYPE", argv[3], "slipway");
	env_set(extra, "SLIPWAY_INSTANCE", argv[4], "slipway");
	env_setf(extra, "SLIPWAY_RELEASE", "slipway", "v%ld", version);
}

static int become(char **argv, long version, long port, long uid, struct err **e)
{
	_cleanup_(spec_done) struct spec spec = { 0 };
	_cleanup_(env_done) struct env extra = { 0 };
	int r = spec_read(&spec, argv[0], argv[1], version, e);

	if (r < 0)
		return r;
	const struct spec_service *service = spec_find_service(&spec, argv[3]);

	if (!service)
		return err_set(e, ERR_NOT_FOUND, "%s v%ld has no service '%s'", argv[1], version, argv[3]);
	add_assigned(&extra, argv, version, port);
	if (sandbox_in_force(&spec.sandbox, NULL) & SANDBOX_BWRAP)
		ignore_stop_signals();
	struct launch launch = {
		.spec = &spec, .command = service->command, .extra = extra, .uid = (uid_t) uid
	};
	_cleanup_(strv_done) struct strv program = { 0 }, shown = { 0 };
	_cleanup_(freep) char *dir = NULL;

	if (service->uwsgi.n) {
		r = uwsgi_prepare(&spec, service, argv[0], (unsigned) port, launch.uid, &program, &dir, e);
		if (r < 0)
			return r;
		STRV_ADD(&shown, dir);
		launch.command = NULL;
		launch.argv = program.v;
		launch.write = shown;
	}
	launch_limit(&launch, argv[0], &service->limits);
	return launch_exec(&launch, e);
}

static void report(struct err *e)
{
	_cleanup_(freep) char *text = err_text(e), *line = xasprintf("slipway: cannot start: %s\n", text);

	(void) write_all(STDERR_FILENO, line, strlen(line));
}

int launch_instance(char **argv, struct err **e)
{
	_cleanup_(freep) char *fifo = NULL;
	long version, ordinal, port, uid;
	size_t n = 0;

	while (argv[n])
		n++;
	if (n != 7 || !str_to_long(argv[2], 1, LONG_MAX, &version) ||
	    !str_to_long(argv[4], 1, INT_MAX, &ordinal) || !str_to_long(argv[5], 0, 65535, &port) ||
	    !str_to_long(argv[6], 0, INT_MAX, &uid))
		return err_set(e, ERR_USAGE,
			       "usage: slipwayd instance ROOT APP VERSION SERVICE ORDINAL PORT UID");
	fifo = root_fifo(argv[0], argv[1], argv[3], (unsigned) ordinal);
	int r = open_log(fifo, e);

	if (r < 0)
		return r;
	if (!launch_gate())
		return 0;
	_cleanup_(err_freep) struct err *why = NULL;

	r = become(argv, version, port, uid, &why);
	report(why);
	return r == -ENOENT || r == ERR_NOT_FOUND ? 127 : 126;
}
