/* Composes the arguments of bubblewrap and slipway-enter: what a command of an app sees, and nothing else.
 * See sandbox.h. */
#include "base/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enter.h"
#include "base/file.h"
#include "base/landlock.h"
#include "base/proc.h"

static const char *const level_names[] = { "off", "landlock", "bwrap", "both", "none" };
/* What everybody sees; those of them that are symbolic links (merged /usr) stay links. */
static const char *const system_dirs[] = { "/usr",   "/bin",    "/sbin", "/lib", "/lib32",
					   "/lib64", "/libx32", "/etc",  "/opt" };
static const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

const char *sandbox_level_name(enum sandbox_level level)
{
	return level_names[level];
}

bool sandbox_level_read(enum sandbox_level *ret, const char *name)
{
	for (size_t i = 0; i < SANDBOX_NONE; i++) {
		if (!str_eq(name, level_names[i]))
			continue;
		*ret = (enum sandbox_level) i;
		return true;
	}
	return false;
}

static bool is_within(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool is_within_any(const char *path, const struct strv *dirs)
{
	for (size_t i = 0; i < dirs->n; i++)
		if (is_within(path, dirs->v[i]))
			return true;
	return false;
}

static bool is_system(const char *path)
{
	for (size_t i = 0; i < COUNT(system_dirs); i++)
		if (is_within(path, system_dirs[i]))
			return true;
	return false;
}

static void add_system(struct strv *argv)
{
	for (size_t i = 0; i < COUNT(system_dirs); i++) {
		const char *dir = system_dirs[i];
		char target[PATH_MAX];
		ssize_t n = readlink(dir, target, sizeof target - 1);

		if (n > 0) {
			target[n] = '\0';
			STRV_ADD(argv, "--symlink", target, dir);
		} else if (is_dir(dir)) {
			STRV_ADD(argv, "--ro-bind", dir, dir);
		}
	}
	STRV_ADD(argv, "--ro-bind-try", "/sys/devices/system/cpu", "/sys/devices/system/cpu");
}

static const char *home_dir(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw ? pw->pw_dir : NULL;
}

static void cover(struct strv *argv, const char *path, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		STRV_ADD(argv, "--tmpfs", path, "--remount-ro", path);
	else if (S_ISREG(st->st_mode))
		STRV_ADD(argv, "--ro-bind", "/dev/null", path);
}

static bool is_secret(const struct stat *st)
{
	return !(st->st_mode & S_IROTH) && !(S_ISDIR(st->st_mode) && st->st_mode & S_IXOTH);
}

/* Covers what in the directory is not for everybody to read; looks into the other directories once. */
static void cover_secrets(struct strv *argv, const char *dir, bool is_top)
{
	_cleanup_(strv_done) struct strv names = { 0 };

	(void) dir_list(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(dir, names.v[i]);
		struct stat st;

		if (lstat(path, &st) < 0)
			continue;
		if (is_secret(&st))
			cover(argv, path, &st);
		else if (is_top && S_ISDIR(st.st_mode))
			cover_secrets(argv, path, false);
	}
}

/* Name resolution: /etc/resolv.conf often leads into /run, whose directory is watched for replacements. NULL:
 * it is in /etc. */
static char *resolver(void)
{
	char *real = realpath("/etc/resolv.conf", NULL);

	if (!real || is_system(real)) {
		free(real);
		return NULL;
	}
	char *slash = strrchr(real, '/');
	bool is_deep = strchr(real + 1, '/') != slash; /* /run/systemd/resolve, but never /run itself */

	if (is_deep)
		*slash = '\0';
	return real;
}

static void add_base(struct strv *argv)
{
	_cleanup_(freep) char *resolv = resolver();

	STRV_ADD(argv, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL");
	add_system(argv);
	/* The host's own secrets: an app that runs as root could read them by being their owner. */
	if (geteuid() == 0)
		cover_secrets(argv, "/etc", true);
	if (home_dir() && str_starts(home_dir(), "/opt/"))
		STRV_ADD(argv, "--tmpfs", home_dir());
	/* bwrap 0.8 leaves /proc/sys writable: it asks access(), which answers for the directory, not its
	 * files. */
	STRV_ADD(argv, "--proc", "/proc", "--ro-bind-try", "/proc/sys", "/proc/sys");
	STRV_ADD(argv, "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp", "--perms", "1777", "--tmpfs",
		 "/var/tmp", "--dir", "/run", "--symlink", "../run", "/var/run");
	if (resolv)
		STRV_ADD(argv, "--ro-bind-try", resolv, resolv);
}

/*
 * Shows path where it is called so, and where it really is: programs remember either. Below a system
 * directory only the latter: a link that is visible there leads to it, and bwrap cannot mount through it.
 */
static void show(struct strv *argv, const char *option, const char *path)
{
	_cleanup_(freep) char *real = realpath(path, NULL);
	bool is_link = real && !str_eq(real, path);

	if (!is_link || !is_system(path))
		STRV_ADD(argv, option, path, path);
	if (is_link)
		STRV_ADD(argv, option, real, real);
}

/* bwrap makes the directories on the way to what others may not read so that only root gets through. */
static void show_to(uid_t uid, struct strv *argv, const char *option, const char *path)
{
	_cleanup_(freep) char *real = realpath(path, NULL);
	const char *const all[] = { path, real };

	for (size_t i = 0; uid && i < COUNT(all); i++) {
		const char *slash = all[i] ? strrchr(all[i], '/') : NULL;
		_cleanup_(freep) char *parent =
			slash && slash > all[i] ? xstrndup(all[i], (size_t) (slash - all[i])) : NULL;

		if (parent && !is_system(parent))
			STRV_ADD(argv, "--perms", "0755", "--dir", parent);
	}
	show(argv, option, path);
}

static void hide(struct strv *argv, const char *path, const char *option)
{
	_cleanup_(freep) char *real = realpath(path, NULL);

	STRV_ADD(argv, option, real ? real : path);
	if (real && !str_eq(real, path) && !is_system(path))
		STRV_ADD(argv, option, path);
}

/* Adds the installation that the program at path belongs to: the parent of its bin/, but never a whole home.
 */
static void add_prefix_of(struct strv *prefixes, const char *path)
{
	_cleanup_(freep) char *dir = xstrndup(path, (size_t) (strrchr(path, '/') - path));
	_cleanup_(freep) char *prefix = NULL;

	if (is_system(path) || !*dir)
		return;
	const char *last = strrchr(dir, '/');

	if (!str_eq(last, "/bin") && !str_eq(last, "/sbin") && !str_eq(last, "/shims")) {
		STRV_ADD(prefixes, path);
		return;
	}
	prefix = xstrndup(dir, (size_t) (last - dir));
	if (!*prefix)
		return;
	if (str_eq(prefix, getenv("HOME")) || str_eq(prefix, home_dir()) || str_ends(prefix, "/.local")) {
		STRV_ADD(prefixes, dir);
		strv_addf(prefixes, "%s/lib", prefix);
	} else {
		STRV_ADD(prefixes, prefix);
	}
}

/* Where the first symbolic link in an absolute path leads, the rest of the path appended; NULL: there is
 * none. */
static char *follow_first_link(const char *path)
{
	for (const char *at = path; *at;) {
		const char *end = at + 1 + strcspn(at + 1, "/");
		_cleanup_(freep) char *part = xstrndup(path, (size_t) (end - path));
		char target[PATH_MAX];
		ssize_t n = readlink(part, target, sizeof target - 1);

		if (n > 0) {
			target[n] = '\0';
			return *target == '/' ? xasprintf("%s%s", target, end)
					      : xasprintf("%.*s/%s%s", (int) (at - path), path, target, end);
		}
		at = end;
	}
	return NULL;
}

/* Every place that a program is reached through, link by link: /srv/venv/bin/python, /opt/py/bin/python3 ...
 */
static void find_prefixes(struct strv *prefixes, const char *program)
{
	_cleanup_(freep) char *at = xstrdup(program);

	for (int hops = 0; at && hops < 40; hops++) {
		add_prefix_of(prefixes, at);
		char *next = follow_first_link(at);

		free(at);
		at = next;
	}
}

/* A prefix within a hidden directory is shown after that was hidden, all others before, or they would unhide
 * it. */
static void show_prefixes(struct strv *argv, const struct strv *prefixes, const struct strv *hidden,
			  bool within)
{
	for (size_t i = 0; i < prefixes->n; i++)
		if (is_within_any(prefixes->v[i], hidden) == within)
			show(argv, "--ro-bind-try", prefixes->v[i]);
}

static const char probed[] = "SLIPWAY_BWRAP"; /* what slipwayd found: where it is; "": it does not work */

/* The absolute path of bwrap: what the probe found, or where it usually is. Never looked for where an app
 * says.
 */
static char *bwrap_path(const char *path)
{
	static char *known;
	const char *told = getenv(probed);

	if (told && *told)
		return xstrdup(told);
	if (!known)
		known = find_program("bwrap", path ? path : default_path);
	if (!known)
		known = find_program("bwrap", default_path);
	return xstrdup(known ? known : "/usr/bin/bwrap");
}

/* ---- Landlock: the same, said once more ---- */

/* Where bwrap has made the rest invisible, it is enough to tell what is the app's from what is shown. */
static void grant_in_namespace(struct strv *argv)
{
	static const char *const writable[] = { "/dev", "/proc", "/tmp", "/var/tmp" };

	STRV_ADD(argv, "--list", "/", "--read", "/sys", "--read", "/run");
	for (size_t i = 0; i < COUNT(system_dirs); i++)
		STRV_ADD(argv, "--read", system_dirs[i]);
	for (size_t i = 0; i < COUNT(writable); i++)
		STRV_ADD(argv, "--write", writable[i]);
}

static void add_secrets(struct strv *secrets, const char *dir, bool is_top)
{
	_cleanup_(strv_done) struct strv names = { 0 };

	(void) dir_list(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(dir, names.v[i]);
		struct stat st;

		if (lstat(path, &st) < 0 || S_ISLNK(st.st_mode))
			continue;
		if (is_secret(&st))
			STRV_ADD(secrets, path);
		else if (is_top && S_ISDIR(st.st_mode))
			add_secrets(secrets, path, false);
	}
}

static bool has_within(const char *dir, const struct strv *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		if (is_within(paths->v[i], dir))
			return true;
	return false;
}

/* A grant cannot be taken back further down: around a secret, everything beside it is granted one by one. */
static void grant_around(struct strv *argv, const char *dir, const struct strv *secrets)
{
	_cleanup_(strv_done) struct strv names = { 0 };

	if (is_within_any(dir, secrets))
		return;
	if (!has_within(dir, secrets)) {
		STRV_ADD(argv, "--read", dir);
		return;
	}
	(void) dir_list(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(dir, names.v[i]);
		struct stat st;

		if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode)) /* a link would be followed */
			grant_around(argv, path, secrets);
	}
}

static void add_real(struct strv *to, const char *path)
{
	char *real = path ? realpath(path, NULL) : NULL;

	if (real)
		strv_push(to, real);
}

static void grant_on_host(const struct sandbox *s, struct strv *argv)
{
	static const char *const devices[] = { "/dev/null",   "/dev/zero",    "/dev/full",
					       "/dev/random", "/dev/urandom", "/dev/tty" };
	_cleanup_(strv_done) struct strv secrets = { 0 };
	_cleanup_(freep) char *resolv = resolver();

	for (size_t i = 0; i < s->hide.n; i++)
		add_real(&secrets, s->hide.v[i]);
	if (home_dir() && str_starts(home_dir(), "/opt/"))
		add_real(&secrets, home_dir());
	if (geteuid() == 0) /* for others their modes do */
		add_secrets(&secrets, "/etc", true);
	for (size_t i = 0; i < COUNT(system_dirs); i++) {
		struct stat st;

		if (lstat(system_dirs[i], &st) == 0 && S_ISDIR(st.st_mode))
			grant_around(argv, system_dirs[i], &secrets);
	}
	STRV_ADD(argv, "--list", "/etc", "--read", "/proc", "--read", "/sys/devices/system/cpu");
	for (size_t i = 0; i < COUNT(devices); i++)
		STRV_ADD(argv, "--use", devices[i]);
	if (resolv)
		STRV_ADD(argv, "--read", resolv);
}

static void add_landlock(const struct sandbox *s, const struct strv *prefixes, struct strv *argv)
{
	bool is_in_namespace = s->level & SANDBOX_BWRAP;

	if (!is_in_namespace && !s->uid) /* a user has none */
		STRV_ADD(argv, "--drop", "all");
	if (!is_in_namespace && s->tmp)
		STRV_ADD(argv, "--tmp", s->tmp);
	STRV_ADD(argv, "--landlock");
	strv_addf(argv, "%u", sandbox_abi(s));
	if (is_in_namespace)
		grant_in_namespace(argv);
	else
		grant_on_host(s, argv);
	for (size_t i = 0; i < prefixes->n; i++)
		STRV_ADD(argv, "--read", prefixes->v[i]);
	for (size_t i = 0; i < s->read.n; i++)
		STRV_ADD(argv, "--read", s->read.v[i]);
	for (size_t i = 0; i < s->write.n; i++)
		STRV_ADD(argv, "--write", s->write.v[i]);
}

/* ---- both ---- */

/* `slipway` beside us, which becomes slipway-enter; to be freed. */
static char *enter_program(void)
{
	const char *given =
		secure_getenv("SLIPWAY_PROGRAM"); /* for programs that lie elsewhere: unit tests */
	_cleanup_(freep) char *dir = exe_dir();

	return given ? xstrdup(given) : path_join(dir, "slipway");
}

static const char enter_in_namespace[] = "/run/" ENTER_NAME;

/* Namespaces are made as root, whatever directories are in the way of the user; what becomes the user may go
 * through these too, and gives up all rights with that. */
static void add_user(struct strv *argv)
{
	STRV_ADD(argv, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP",
		 "--cap-add", "CAP_DAC_READ_SEARCH", "--perms", "1777", "--tmpfs", "/dev/shm");
}

static void add_bwrap(const struct sandbox *s, const char *cwd, const struct strv *prefixes,
		      struct strv *argv)
{
	_cleanup_(freep) char *enter = enter_program();

	strv_push(argv, bwrap_path(NULL));
	if (s->ends_with_us)
		STRV_ADD(argv, "--die-with-parent");
	add_base(argv);
	STRV_ADD(argv, "--ro-bind", enter, enter_in_namespace);
	show_prefixes(argv, prefixes, &s->hide, false);
	for (size_t i = 0; i < s->hide.n; i++)
		hide(argv, s->hide.v[i], "--tmpfs");
	show_prefixes(argv, prefixes, &s->hide, true);
	for (size_t i = 0; i < s->read.n; i++)
		show_to(s->uid, argv, "--ro-bind-try", s->read.v[i]);
	for (size_t i = 0; i < s->write.n; i++)
		show_to(s->uid, argv, "--bind-try", s->write.v[i]);
	for (size_t i = 0; i < s->hide.n; i++)
		hide(argv, s->hide.v[i], "--remount-ro");
	STRV_ADD(argv, "--remount-ro", "/");
	if (s->uid)
		add_user(argv);
	if (cwd)
		STRV_ADD(argv, "--chdir", cwd);
	/* bwrap's monitor inherits ignored signals from the launcher, so that TERM to the group leaves it
	 * alive to hand on the exit status; the command itself gets them with their default action back. */
	STRV_ADD(argv, "--", enter_in_namespace, "--signals", "default");
}

static void add_enter(const struct sandbox *s, const char *cwd, struct strv *argv)
{
	strv_push(argv, enter_program());
	STRV_ADD(argv, ENTER_NAME);
	if (s->ends_with_us) {
		STRV_ADD(argv, "--parent");
		strv_addf(argv, "%d", (int) getpid());
	}
	if (cwd)
		STRV_ADD(argv, "--chdir", cwd);
}

void sandbox_prefix(const struct sandbox *s, const char *cwd, const char *program, const struct strv *held,
		    struct strv *argv)
{
	_cleanup_(strv_done) struct strv prefixes = { 0 };

	if (!(s->level & SANDBOX_BOTH) && !s->uid)
		return;
	if (program)
		find_prefixes(&prefixes, program);
	if (s->level & SANDBOX_BWRAP)
		add_bwrap(s, cwd, &prefixes, argv);
	else
		add_enter(s, cwd, argv);
	if (s->uid) {
		STRV_ADD(argv, "--user");
		strv_addf(argv, "%u", (unsigned) s->uid);
	}
	if (s->level & SANDBOX_LANDLOCK)
		add_landlock(s, &prefixes, argv);
	for (size_t i = 0; held && i < held->n; i++)
		STRV_ADD(argv, "--set", held->v[i]);
	STRV_ADD(argv, "--");
}

/* ---- what works here ---- */

static bool bwrap_works(const char *path)
{
	const char *told = getenv(probed);
	_cleanup_(strv_done) struct strv argv = { 0 };
	_cleanup_(freep) char *found = NULL;
	struct sandbox all = { .level = SANDBOX_BWRAP };
	static int known = -1;

	if (told)
		return *told != '\0';
	if (known < 0) {
		found = bwrap_path(path);
		sandbox_prefix(&all, "/", NULL, NULL, &argv);
		STRV_ADD(&argv, "/bin/true");
		known = file_exists(found) && proc_run(argv.v, NULL, "/", 10000, NULL, NULL) == 0;
	}
	return known;
}

void sandbox_tell_children(const char *path)
{
	(void) unsetenv(probed);
	bool works = bwrap_works(path);
	_cleanup_(freep) char *found = works ? bwrap_path(path) : xstrdup("");

	(void) setenv(probed, found, 1);
}

unsigned sandbox_abi(const struct sandbox *s)
{
	unsigned abi = landlock_abi();

	return s->landlock_abi && s->landlock_abi < abi ? s->landlock_abi : abi;
}

enum sandbox_level sandbox_in_force(const struct sandbox *s, const char *path)
{
	unsigned abi = sandbox_abi(s), can = (abi ? SANDBOX_LANDLOCK : 0);

	if (s->level == SANDBOX_OFF)
		return SANDBOX_OFF;
	if ((s->level != SANDBOX_LANDLOCK || !can) && bwrap_works(path))
		can |= SANDBOX_BWRAP;
	/* It cannot allow what every installer does, and is not worth that beneath bwrap. */
	if (can & SANDBOX_BWRAP && abi < LANDLOCK_ABI_REFER)
		can &= ~(unsigned) SANDBOX_LANDLOCK;
	unsigned level = can & s->level & SANDBOX_BOTH;

	return level ? (enum sandbox_level) level : can ? (enum sandbox_level) can : SANDBOX_NONE;
}

void sandbox_copy(struct sandbox *to, const struct sandbox *from)
{
	*to = (struct sandbox){ .level = from->level,
				.landlock_abi = from->landlock_abi,
				.tmp = xstrdup(from->tmp) };
	if (from->read.n)
		strv_add(&to->read, (const char *const *) from->read.v);
	if (from->write.n)
		strv_add(&to->write, (const char *const *) from->write.v);
	if (from->hide.n)
		strv_add(&to->hide, (const char *const *) from->hide.v);
	if (from->tools.n)
		strv_add(&to->tools, (const char *const *) from->tools.v);
}

json_t *sandbox_to_json(const struct sandbox *s)
{
	json_t *j = json_object();

	json_put_text(j, "level", sandbox_level_name(s->level));
	json_put_num(j, "landlock_abi", s->landlock_abi);
	if (s->tmp)
		json_put_text(j, "tmp", s->tmp);
	json_put_strv(j, "read", &s->read);
	json_put_strv(j, "write", &s->write);
	json_put_strv(j, "hide", &s->hide);
	json_put_strv(j, "tools", &s->tools);
	return j;
}

void sandbox_from_json(const json_t *j, struct sandbox *s)
{
	int64_t abi = json_num(j, "landlock_abi", 0);

	*s = (struct sandbox){ .level = SANDBOX_BOTH }; /* what cannot be read opens nothing */
	(void) sandbox_level_read(&s->level, json_text(j, "level"));
	s->landlock_abi = abi > 0 && abi < UINT_MAX ? (unsigned) abi : 0;
	s->tmp = xstrdup(json_text(j, "tmp"));
	json_get_strv(j, "read", &s->read);
	json_get_strv(j, "write", &s->write);
	json_get_strv(j, "hide", &s->hide);
	json_get_strv(j, "tools", &s->tools);
}

void sandbox_done(struct sandbox *s)
{
	strv_done(&s->read);
	strv_done(&s->write);
	strv_done(&s->hide);
	strv_done(&s->tools);
	free(TAKE(s->tmp));
}
