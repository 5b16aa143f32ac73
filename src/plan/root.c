/*
 * The layout of the root directory. Modes: a web server (another user) has to reach the code and the data
 * that the router serves as files, by names it knows: these directories may be traversed but not listed
 * (0711). All else is the owner's alone. Keys in certs/ are read by nginx's master, which is root or the
 * owner: 0700 suffices.
 */
#include "plan/root.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "base/file.h"

static const struct {
	const char *name;
	mode_t mode;
} directories[] = {
	{ "releases", 0711 }, /* nginx serves releases/APP/vN/src */
	{ "apps", 0711 },     /* links to it */
	{ "data", 0711 },     /* shared paths and uploads that nginx serves */
	{ "cache", 0711 },    /* nginx's cache belongs to its workers */
	{ "nginx", 0755 },    /* what an nginx that is not ours includes */
	{ "acme", 0711 },     /* challenges, served by nginx */
	{ "logs", 0750 },     /* a group may be let in to read */
	{ "certs", 0700 },
	{ "repos", 0700 },
	{ "config", 0700 }, /* settings are secrets */
	{ "envs", 0700 },   /* LIVE_ENV */
	{ "uwsgi", 0711 },  /* sockets that nginx connects to */
	{ "uwsgi-available", 0700 },
	{ "uwsgi-enabled", 0700 },
	{ "plugins", 0700 },
	{ "backups", 0700 },
	{ "builds", 0700 },
	{ "run", 0700 }, /* sockets, the token */
	{ "run/fifo", 0700 },
};

static char *home_directory(struct err **e)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home && *home == '/')
		return xstrdup(home);
	pw = getpwuid(getuid());
	if (pw && pw->pw_dir && *pw->pw_dir == '/')
		return xstrdup(pw->pw_dir);
	err_set(e, ERR_MISSING,
		"cannot tell where the root directory is: user %u has no home directory; "
		"set SLIPWAY_ROOT",
		(unsigned) getuid());
	return NULL;
}

/* path, absolute and without slashes at its end. */
static char *absolute(const char *path)
{
	char *s = NULL;

	if (*path == '/') {
		s = xstrdup(path);
	} else {
		_cleanup_(freep) char *cwd = realpath(".", NULL);

		s = xasprintf("%s/%s", cwd ? cwd : "", path);
	}
	for (size_t n = strlen(s); n > 1 && s[n - 1] == '/'; n--)
		s[n - 1] = '\0';
	return s;
}

int root_find(char **ret, struct err **e)
{
	static const char *const names[] = { "SLIPWAY_ROOT", "PIKU_ROOT" };
	_cleanup_(freep) char *home = NULL;

	for (size_t i = 0; i < COUNT(names); i++) {
		const char *set = getenv(names[i]);

		if (set && *set) {
			*ret = absolute(set);
			return 0;
		}
	}
	home = home_directory(e);
	if (!home)
		return ERR_MISSING;
	*ret = path_join(home, ".slipway");
	return 0;
}

/* A directory of secrets that came from elsewhere (a Piku root) is closed to others. */
static int close_to_others(const char *path, mode_t mode, struct err **e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(e, -errno, "looking at %s: %m", path);
	if ((mode & 07) != 0 || (st.st_mode & 07) == 0)
		return 0;
	return chmod(path, st.st_mode & 07770) < 0 ? err_set(e, -errno, "closing %s to others: %m", path) : 0;
}

static int make_one(const char *path, mode_t mode, struct strv *made, struct err **e)
{
	bool is_new = !is_dir(path);
	int r = dir_make(path, mode, e);

	if (r < 0)
		return r;
	if (is_new && chmod(path, mode) < 0) /* whatever the umask is */
		return err_set(e, -errno, "making %s: %m", path);
	if (is_new && made)
		STRV_ADD(made, path);
	return is_new ? 0 : close_to_others(path, mode, e);
}

int root_make(const char *root, struct strv *made, struct err **e)
{
	int r = make_one(root, 0711, made, e);

	for (size_t i = 0; r >= 0 && i < COUNT(directories); i++) {
		_cleanup_(freep) char *path = path_join(root, directories[i].name);

		r = make_one(path, directories[i].mode, made, e);
	}
	return r;
}

bool root_has_releases(const char *root)
{
	_cleanup_(freep) char *path = path_join(root, "releases");
	_cleanup_(strv_done) struct strv apps = { 0 };
	bool found = false;

	(void) dir_list(path, &apps, NULL);
	for (size_t i = 0; !found && i < apps.n; i++) {
		_cleanup_(freep) char *app = path_join(path, apps.v[i]);
		_cleanup_(strv_done) struct strv releases = { 0 };

		found = is_dir(app) && dir_list(app, &releases, NULL) >= 0 && releases.n > 0;
	}
	return found;
}

static void check_one(const char *path, mode_t mode, struct strv *faults)
{
	struct stat st;

	if (stat(path, &st) < 0)
		strv_addf(faults, "%s: %s", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		strv_addf(faults, "%s is no directory", path);
	else if (st.st_uid != geteuid())
		strv_addf(faults, "%s belongs to user %u", path, (unsigned) st.st_uid);
	else if (st.st_mode & 022)
		strv_addf(faults, "%s can be written to by others (mode %03o)", path, st.st_mode & 0777U);
	else if (!(mode & 07) && st.st_mode & 07)
		strv_addf(faults, "%s is open to others (mode %03o)", path, st.st_mode & 0777U);
	else if ((st.st_mode & mode & 0701) != (mode & 0701))
		strv_addf(faults, "%s is closed to the web server (mode %03o, not %03o)", path,
			  st.st_mode & 0777U, (unsigned) mode);
}

void root_check(const char *root, struct strv *faults)
{
	check_one(root, 0711, faults);
	for (size_t i = 0; i < COUNT(directories); i++) {
		_cleanup_(freep) char *path = path_join(root, directories[i].name);

		check_one(path, directories[i].mode, faults);
	}
}

char *root_path(const char *root, const char *fmt, ...)
{
	_cleanup_(freep) char *below = NULL;
	va_list args;

	va_start(args, fmt);
	below = xvasprintf(fmt, args);
	va_end(args);
	return path_join(root, below);
}

char *root_release(const char *root, const char *app, long version)
{
	return root_path(root, "releases/%s/v%ld", app, version);
}

char *root_repo(const char *root, const char *app)
{
	return root_path(root, "repos/%s", app);
}

char *root_deploy_log(const char *root, const char *app, long deployment)
{
	return root_path(root, "logs/%s/deploy-%ld.log", app, deployment);
}

char *root_log(const char *root, const char *app, const char *service, unsigned ordinal)
{
	return root_path(root, "logs/%s/%s.%u.log", app, service, ordinal);
}

char *root_socket(const char *root)
{
	return root_path(root, "run/slipwayd.sock");
}

char *root_store(const char *root)
{
	return root_path(root, "state.db");
}

char *root_fifo(const char *root, const char *app, const char *service, unsigned ordinal)
{
	return root_path(root, "run/fifo/%s:%s.%u", app, service, ordinal);
}

char *root_settings(const char *root, const char *app)
{
	return root_path(root, "config/%s/ENV", app);
}

char *root_scaling(const char *root, const char *app)
{
	return root_path(root, "config/%s/SCALING", app);
}

char *root_cgroup(const char *root)
{
	return root_path(root, "run/cgroup.json");
}

char *root_uwsgi(const char *root, unsigned port)
{
	return root_path(root, "uwsgi/%u", port);
}

char *root_uwsgi_socket(const char *root, unsigned port)
{
	return root_path(root, "uwsgi/%u/sock", port);
}
