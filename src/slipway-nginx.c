/*
 * The only part of slipway that runs as root where the system's nginx is used: it takes what slipway's user
 * wrote for nginx into a directory of root's, if it holds nothing but allowed directives and nginx finds it
 * good, and has nginx read it. What it works on is said by its own command line alone; who connects may ask
 * to test or to take, and is told nginx's verdict.
 *
 *     slipway-nginx USER ROOT STATE NGINX...
 *
 * USER and ROOT: slipway's. STATE: root's directory; its live/ is what nginx includes. NGINX...: the program
 * and what it needs to find its configuration. Started for each connection, with it as standard input
 * (systemd: Accept=yes); with anything else there it takes once, and its verdict goes to standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"
#include "router/nginx-allow.h"

enum { FILES_MAX = 10000, WORDS_MAX = 32 << 10, ASK_WITHIN_S = 10, NGINX_MS = 60000 };
#define FILE_BYTES ((size_t) 4 << 20)
#define ALL_BYTES  ((size_t) 64 << 20)

struct file {
	char *name, *text;
	size_t n;
	struct timespec mtime;
};

struct helper {
	const struct passwd *user;
	const char *root;
	char *const *nginx;
	char *live, *next, *taken, *caches; /* in STATE */
	char *from;                         /* the directory whose files are taken or tested */
	struct timespec from_mtime;
	struct file *files;
	size_t n;
};

/* ---- what slipway's user wrote, read with no more rights than its own ---- */

static bool is_taken_in(const char *name)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";

	return *name != '.' && str_ends(name, ".conf") && name[strspn(name, legal)] == '\0';
}

static int read_one(struct helper *h, int dir, const char *name, size_t *all, struct err **e)
{
	struct file f = { 0 };
	struct stat st;
	int r = file_read_beneath(dir, name, FILE_BYTES, &f.text, &f.n, e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_wrap(e, r, "reading %s/%s", h->from, name);
	*all += f.n;
	if (fstatat(dir, name, &st, 0) < 0 || *all > ALL_BYTES || h->n >= FILES_MAX) {
		free(f.text);
		return err_set(e, ERR_REFUSED, "%s holds too many files, or too much in them", h->from);
	}
	f.name = xstrdup(name);
	f.mtime = st.st_mtim;
	*GROW(&h->files, &h->n) = f;
	return 0;
}

static int read_files(struct helper *h, struct err **e)
{
	_cleanup_(closep) int dir = open(h->from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(strv_done) struct strv names = { 0 };
	struct stat st;
	size_t all = 0;
	int r;

	if (dir < 0 || fstat(dir, &st) < 0)
		return err_set(e, -errno, "opening %s: %m", h->from);
	h->from_mtime = st.st_mtim;
	r = dir_list(h->from, &names, e);
	for (size_t i = 0; r >= 0 && i < names.n; i++)
		if (is_taken_in(names.v[i]))
			r = read_one(h, dir, names.v[i], &all, e);
	return r;
}

static int become(const struct helper *h, bool is_user, struct err **e)
{
	int r = is_user ? setegid(h->user->pw_gid) : seteuid(0);

	if (r == 0)
		r = is_user ? seteuid(h->user->pw_uid) : setegid(0);
	return r < 0 ? err_set(e, -errno, "becoming %s: %m", is_user ? h->user->pw_name : "root") : 0;
}

static int read_as_user(struct helper *h, struct err **e)
{
	int r = become(h, true, e);

	if (r < 0)
		return r;
	r = read_files(h, e);
	int back = become(h, false, r < 0 ? NULL : e);
	return r < 0 ? r : back;
}

static int check_files(const struct helper *h, struct err **e)
{
	for (size_t i = 0; i < h->n; i++) {
		unsigned line = 0;
		_cleanup_(freep) char *fault =
			nginx_allow_fault(h->files[i].text, h->files[i].n, h->caches, &line);

		if (fault)
			return err_set(e, ERR_REFUSED, "%s in %s/%s:%u", fault, h->from, h->files[i].name,
				       line);
	}
	return 0;
}

/* ---- root's copy ---- */

static bool is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Has nginx taken just these files? A touch counts as a change: that is how nginx is told of new
 * certificates. */
static bool is_taken_already(const struct helper *h)
{
	_cleanup_(strv_done) struct strv names = { 0 };
	struct stat st;

	if (!file_exists(h->taken) || stat(h->live, &st) < 0 || !is_same_time(st.st_mtim, h->from_mtime) ||
	    dir_list(h->live, &names, NULL) < 0 || names.n != h->n)
		return false;
	for (size_t i = 0; i < h->n; i++) {
		_cleanup_(freep) char *path = path_join(h->live, h->files[i].name), *text = NULL;
		size_t n = 0;

		if (stat(path, &st) < 0 || !is_same_time(st.st_mtim, h->files[i].mtime) ||
		    file_read(path, FILE_BYTES, &text, &n, NULL) < 0 || n != h->files[i].n ||
		    memcmp(text, h->files[i].text, n) != 0)
			return false;
	}
	return true;
}

static int set_mtime(const char *path, struct timespec mtime, struct err **e)
{
	const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, mtime };

	return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) < 0
		       ? err_set(e, -errno, "setting the time of %s: %m", path)
		       : 0;
}

static int write_next(const struct helper *h, struct err **e)
{
	int r = tree_remove(h->next, e);

	if (r == 0)
		r = dir_make(h->next, 0755, e);
	for (size_t i = 0; r == 0 && i < h->n; i++) {
		_cleanup_(freep) char *path = path_join(h->next, h->files[i].name);

		r = file_replace_unsynced(path, h->files[i].text, h->files[i].n, 0600, e);
		if (r == 0)
			r = set_mtime(path, h->files[i].mtime, e);
	}
	return r < 0 ? r : set_mtime(h->next, h->from_mtime, e);
}

/* ---- nginx ---- */

static int run_nginx(const struct helper *h, const char *const *more, char **said, struct err **e)
{
	_cleanup_(strv_done) struct strv argv = { 0 };

	strv_add(&argv, (const char *const *) h->nginx);
	strv_add(&argv, more);
	return proc_run(argv.v, NULL, "/", NGINX_MS, said, e);
}

/* nginx's first "[emerg]" or what it said at all, with its paths said as slipway's user knows them. */
static char *words_of(const struct helper *h, const char *said)
{
	struct strb b = STRB(WORDS_MAX);
	const char *at = strstr(said, "[emerg] "), *found;
	size_t n = strlen(h->live);

	at = at ? at + strlen("[emerg] ") : said;
	size_t pid = strspn(at, "0123456789#");
	at += pid && str_starts(at + pid, ": ") ? pid + 2 : 0;
	_cleanup_(freep) char *line = xstrndup(at, strcspn(at, "\r\n"));

	for (at = line; (found = strstr(at, h->live)) && found[n] == '/'; at = found + n) {
		(void) strb_add(&b, at, (size_t) (found - at));
		(void) strb_adds(&b, h->from);
	}
	(void) strb_adds(&b, at);
	return strb_take(&b);
}

/*
 * nginx tests its whole configuration with the new files in the place of the old ones: in a mount namespace
 * of our own, so that whatever happens to this process, nobody else ever meets what has not passed.
 */
static int test(const struct helper *h, struct err **e)
{
	_cleanup_(freep) char *said = NULL, *words = NULL;
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(h->next, h->live, NULL, MS_BIND, NULL) < 0)
		return err_set(e, -errno, "mounting %s over %s for a test: %m", h->next, h->live);
	r = run_nginx(h, (const char *const[]){ "-t", "-q", NULL }, &said, e);
	if (umount2(h->live, MNT_DETACH) < 0 && r >= 0)
		return err_set(e, -errno, "unmounting %s: %m", h->live);
	if (r <= 0)
		return r;
	words = words_of(h, said);
	return err_set(e, ERR_REFUSED, "%s", words);
}

static int sync_dir(const char *path, struct err **e)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || syncfs(fd) < 0 ? err_set(e, -errno, "writing %s: %m", path) : 0;
}

/* From here on the new files are what nginx starts with, whether or not it runs now. */
static int take(const struct helper *h, struct err **e)
{
	_cleanup_(freep) char *said = NULL, *words = NULL;
	int r = sync_dir(h->next, e);

	if (r < 0)
		return r;
	(void) unlink(h->taken);
	if (renameat2(AT_FDCWD, h->next, AT_FDCWD, h->live, RENAME_EXCHANGE) < 0)
		return err_set(e, -errno, "exchanging %s and %s: %m", h->next, h->live);
	r = run_nginx(h, (const char *const[]){ "-s", "reload", NULL }, &said, e);
	if (r < 0)
		return r;
	words = words_of(h, said);
	if (r > 0)
		return err_set(e, ERR_MISSING, "the system's nginx does not run (systemctl start nginx): %s",
			       words);
	return file_replace_unsynced(h->taken, "", 0, 0600, e);
}

/* What is cached for apps that are cached no more. Old workers may still write there, and fail in vain. */
static void sweep_caches(const struct helper *h)
{
	_cleanup_(strv_done) struct strv names = { 0 };

	(void) dir_list(h->caches, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(h->caches, names.v[i]),
				      *word = xasprintf("%s\"", path);
		bool is_used = false;

		for (size_t k = 0; k < h->n && !is_used; k++)
			is_used = strstr(h->files[k].text, word) != NULL;
		if (!is_used)
			(void) tree_remove(path, NULL);
	}
}

/* ---- the conversation ---- */

static int serve(struct helper *h, const char *state, bool is_test, struct err **e)
{
	_cleanup_(freep) char *lock_path = path_join(state, "lock"),
			      *candidate = xasprintf("%s/nginx.next", h->root);
	_cleanup_(closep) int lock = -1;
	int r = dir_make(h->live, 0755, e);

	if (r == 0)
		r = dir_make(h->caches, 0711, e);
	if (r == 0)
		r = lock = file_lock(lock_path, true, e);
	if (r < 0)
		return r;
	h->from = is_test && is_dir(candidate) ? TAKE(candidate) : xasprintf("%s/nginx", h->root);
	r = read_as_user(h, e);
	if (r == 0)
		r = check_files(h, e);
	if (r < 0 || (!is_test && is_taken_already(h)))
		return r;
	r = write_next(h, e);
	if (r == 0)
		r = test(h, e);
	if (r == 0 && !is_test)
		r = take(h, e);
	(void) tree_remove(h->next, NULL);
	if (r == 0 && !is_test)
		sweep_caches(h);
	return r;
}

/* The word that was sent; "" for none. */
static void hear(int fd, char word[static 16])
{
	const struct timeval limit = { .tv_sec = ASK_WITHIN_S };
	size_t n = 0;
	ssize_t got;

	(void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	while (n < 15 && (got = read(fd, word + n, 15 - n)) > 0)
		n += (size_t) got;
	word[n] = '\0';
	word[strcspn(word, "\n")] = '\0';
}

/* Whoever connected: slipway's user or root. 1: nobody did, this was started by hand or by a path unit. */
static int check_peer(const struct helper *h, struct err **e)
{
	struct ucred peer = { 0 };
	socklen_t n = sizeof peer;

	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return errno == ENOTSOCK ? 1 : err_set(e, -errno, "looking at who is connected: %m");
	if (peer.uid != 0 && peer.uid != h->user->pw_uid)
		return err_set(e, ERR_PERMISSION, "user %u may not ask for this", (unsigned) peer.uid);
	return 0;
}

static int run(int argc, char **argv, bool *is_connected, struct err **e)
{
	char word[16] = "take";
	int r;

	if (argc < 5)
		return err_set(e, ERR_USAGE, "usage: slipway-nginx USER ROOT STATE NGINX...");
	struct helper h = { .user = getpwnam(argv[1]), .root = argv[2], .nginx = argv + 4 };
	if (!h.user)
		return err_set(e, ERR_REFUSED, "there is no user '%s'", argv[1]);
	if (geteuid() != 0 || setgroups(0, NULL) < 0)
		return err_set(e, ERR_PERMISSION, "this has to be run as root");
	r = check_peer(&h, e);
	*is_connected = r != 1;
	if (*is_connected) /* unread, it would cost the peer our answer */
		hear(STDIN_FILENO, word);
	if (r < 0)
		return r;
	if (!str_eq(word, "take") && !str_eq(word, "test"))
		return err_set(e, ERR_USAGE, "expected \"test\" or \"take\"");
	h.live = path_join(argv[3], "live");
	h.next = path_join(argv[3], "next");
	h.taken = path_join(argv[3], "taken");
	h.caches = path_join(argv[3], "cache");
	return serve(&h, argv[3], str_eq(word, "test"), e);
}

int main(int argc, char **argv)
{
	_cleanup_(err_freep) struct err *e = NULL;
	bool is_connected = false;

	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGCHLD, SIG_DFL); /* ignored, there would be no exit statuses */
	(void) umask(022);
	int r = run(argc, argv, &is_connected, &e);
	_cleanup_(freep) char *text = r < 0 ? err_text(e) : xstrdup("");
	const char *verdict = r >= 0             ? "ok"
			      : r == ERR_REFUSED ? "refused"
			      : r == ERR_MISSING ? "missing"
						 : "failed";
	_cleanup_(freep) char *answer = xasprintf("%s %s\n", verdict, text);

	(void) write_all(is_connected ? STDIN_FILENO : STDOUT_FILENO, answer, strlen(answer));
	if (is_connected && r < 0)
		(void) fprintf(stderr, "slipway-nginx: %s", answer);
	return is_connected || r >= 0 ? 0 : err_exit_status(r);
}
