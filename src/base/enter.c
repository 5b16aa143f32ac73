/* slipway-enter: see enter.h. It is on the way of every start: nothing here that takes time or memory. */
#include "base/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/landlock.h"
#include "base/str.h"

struct enter {
	int ruleset; /* of Landlock; -1: none */
	unsigned abi;
	uid_t uid;       /* whom to become; 0: nobody else */
	const char *tmp; /* TMPDIR, where /tmp is closed; NULL: it is not */
	bool ends_with_parent;
};

char **enter_args(char **argv)
{
	if (!argv[0])
		return NULL;
	const char *slash = strrchr(argv[0], '/');

	if (str_eq(slash ? slash + 1 : argv[0], ENTER_NAME))
		return argv + 1;
	return str_eq(argv[1], ENTER_NAME) ? argv + 2 : NULL;
}

static int set_parent(struct enter *n, const char *pid, struct err **e)
{
	long parent;

	if (!str_to_long(pid, 0, INT_MAX, &parent))
		return err_set(e, ERR_USAGE, "'%s' is no process", pid);
	n->ends_with_parent = true;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set(e, -errno, "binding it to its parent: %m");
	return parent && getppid() != parent ? err_set(e, -ESRCH, "who started it is gone") : 0;
}

static int set_signals(struct enter *n UNUSED, const char *what UNUSED, struct err **e UNUSED)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };

	for (size_t i = 0; i < COUNT(signals); i++)
		(void) signal(signals[i], SIG_DFL);
	return 0;
}

static int set_directory(struct enter *n UNUSED, const char *dir, struct err **e)
{
	return chdir(dir) < 0 ? err_set(e, -errno, "entering %s: %m", dir) : 0;
}

static int set_tmp(struct enter *n, const char *dir, struct err **e)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "making %s: %m", dir);
	/* what is there may be the app's doing: nothing but a directory is given away */
	_cleanup_(closep) int fd = n->uid ? open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (n->uid && (fd < 0 || fchown(fd, n->uid, (gid_t) n->uid) < 0))
		return err_set(e, -errno, "giving %s to its user: %m", dir);
	n->tmp = dir;
	return setenv("TMPDIR", dir, 1) < 0 ? err_set(e, -errno, "TMPDIR: %m") : 0;
}

static int set_variable(struct enter *n UNUSED, const char *text, struct err **e)
{
	return putenv((char *) text) != 0 ? err_set(e, -errno, "the environment: %m") : 0;
}

/* Root without them is an owner of files and no more; no_new_privs keeps the next execve from bringing them
 * back. */
static int drop_capabilities(struct enter *n UNUSED, const char *what UNUSED, struct err **e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	(void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	if (syscall(SYS_capset, &head, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, -errno, "giving up privileges: %m");
	return 0;
}

static int set_user(struct enter *n, const char *text, struct err **e)
{
	long uid;

	if (!str_to_long(text, 1, INT_MAX, &uid))
		return err_set(e, ERR_USAGE, "'%s' is no user", text);
	n->uid = (uid_t) uid;
	return 0;
}

/* Last of all: as root it may go wherever what it is to see lies. */
static int become_user(struct enter *n, struct err **e)
{
	gid_t gid = (gid_t) n->uid;

	for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(n->uid, n->uid, n->uid) < 0)
		return err_set(e, -errno, "becoming user %u: %m", (unsigned) n->uid);
	if (n->ends_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) /* lost with the user */
		return err_set(e, -errno, "binding it to its parent: %m");
	return drop_capabilities(n, NULL, e);
}

static int begin_landlock(struct enter *n, const char *abi, struct err **e)
{
	long version;

	if (!str_to_long(abi, 1, 1000, &version))
		return err_set(e, ERR_USAGE, "'%s' is no version of Landlock", abi);
	n->abi = (unsigned) version;
	n->ruleset = landlock_open(n->abi, e);
	return n->ruleset < 0 ? n->ruleset : 0;
}

static int list(struct enter *n, const char *path, struct err **e)
{
	return landlock_allow(n->ruleset, n->abi, path, LANDLOCK_LIST, e);
}

static int read_only(struct enter *n, const char *path, struct err **e)
{
	return landlock_allow(n->ruleset, n->abi, path, LANDLOCK_READ, e);
}

static int use(struct enter *n, const char *path, struct err **e)
{
	return landlock_allow(n->ruleset, n->abi, path, LANDLOCK_USE, e);
}

static int read_write(struct enter *n, const char *path, struct err **e)
{
	return landlock_allow(n->ruleset, n->abi, path, LANDLOCK_WRITE, e);
}

static const struct {
	const char *word;
	int (*follow)(struct enter *n, const char *value, struct err **e);
} options[] = {
	{ "--chdir", set_directory },
	{ "--drop", drop_capabilities },
	{ "--landlock", begin_landlock },
	{ "--list", list },
	{ "--parent", set_parent },
	{ "--read", read_only },
	{ "--set", set_variable },
	{ "--signals", set_signals },
	{ "--tmp", set_tmp },
	{ "--use", use },
	{ "--user", set_user },
	{ "--write", read_write },
};

static int follow(struct enter *n, char **argv, struct err **e)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (str_eq(argv[0], options[i].word) && argv[1])
			return options[i].follow(n, argv[1], e);
	return err_set(e, ERR_USAGE, "it is called by slipway only (%s)", argv[0]);
}

static int restrict_itself(const struct enter *n, struct err **e)
{
	if (n->ruleset < 0)
		return 0;
	for (int fd = 0; fd < 3; fd++)
		landlock_allow_fd(n->ruleset, n->abi, fd);
	return landlock_enforce(n->ruleset, e);
}

/*
 * PHP's opcache makes its lock in /tmp, whatever TMPDIR says, and ends the server when it cannot: one more
 * file of settings tells it. This is done with the app's own rights, as what is there may be its doing; it is
 * always the same text, so nobody reads half of it.
 */
static void direct_php(const char *tmp)
{
	const char *set = getenv("PHP_INI_SCAN_DIR");
	_cleanup_(freep) char *dir = xasprintf("%s/php", tmp), *file = xasprintf("%s/slipway.ini", dir),
			      *text = xasprintf("opcache.lockfile_path = \"%s\"\n", tmp),
			      *dirs = xasprintf("%s%s%s", set ? set : "", set && !*set ? "" : ":", dir);

	(void) mkdir(dir, 0700);
	_cleanup_(closep) int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text))
		(void) setenv("PHP_INI_SCAN_DIR", dirs, 1);
}

static int enter(char **argv, struct err **e)
{
	struct enter n = { .ruleset = -1 };
	int r = 0;

	for (; r == 0 && argv[0] && !str_eq(argv[0], "--"); argv += argv[1] ? 2 : 1)
		r = follow(&n, argv, e);
	if (r < 0)
		return r;
	const char *program = argv[0] ? argv[1] : NULL;

	if (!program)
		return err_set(e, ERR_USAGE, "it is called by slipway only");
	r = restrict_itself(&n, e);
	if (r == 0 && n.uid)
		r = become_user(&n, e);
	if (r < 0)
		return r;
	if (n.tmp)
		direct_php(n.tmp);
	(void) execv(program, argv + 1);
	return err_set(e, -errno, "executing %s: %m", program);
}

int enter_main(char **args)
{
	_cleanup_(err_freep) struct err *e = NULL;
	int r = enter(args, &e);
	_cleanup_(freep) char *text = err_text(e);

	(void) fprintf(stderr, ENTER_NAME ": %s\n", text);
	return r == -ENOENT ? 127 : 126;
}
