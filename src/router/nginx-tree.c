/*
 * The candidate: a second directory beside the one that nginx includes, made of hard links to all files that
 * stay and of the new one. Once nginx has found it good, the two change places in one step.
 */
#include "router/nginx-internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/proc.h"
#include "plan/root.h"

#define CONF_MAX ((size_t) 4 << 20)

static int link_tree(const char *from, const char *to, const char *skip, struct err **e);

static int link_one(const char *from, const char *to, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	char target[PATH_MAX];
	struct stat st;
	size_t n = 0;
	ssize_t len;

	if (lstat(from, &st) < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "looking at %s: %m", from);
	if (S_ISDIR(st.st_mode))
		return link_tree(from, to, "", e);
	if (S_ISLNK(st.st_mode)) {
		len = readlink(from, target, sizeof target - 1);
		if (len < 0)
			return err_set(e, -errno, "reading the link %s: %m", from);
		target[len] = '\0';
		return symlink(target, to) < 0 ? err_set(e, -errno, "linking %s: %m", to) : 0;
	}
	if (!S_ISREG(st.st_mode) || link(from, to) == 0)
		return 0;
	/* somebody else's file, or a file system without hard links */
	int r = file_read(from, CONF_MAX, &text, &n, e);
	return r < 0 ? r : file_replace(to, text, n, st.st_mode & 0777, e);
}

/* skip: a file's name that is left out, and what was put aside of it ("NAME.broken"). */
static int link_tree(const char *from, const char *to, const char *skip, struct err **e)
{
	_cleanup_(freep) char *broken = xasprintf("%s.broken", skip);
	_cleanup_(strv_done) struct strv names = { 0 };
	struct stat st;
	mode_t mode = stat(from, &st) == 0 ? st.st_mode & 0777 : 0755;
	int r = dir_make(to, mode, e);

	if (r == 0)
		r = dir_list(from, &names, e);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_(freep) char *a = path_join(from, names.v[i]), *b = path_join(to, names.v[i]);

		if (*names.v[i] != '.' && !str_eq(names.v[i], skip) && !str_eq(names.v[i], broken) &&
		    !str_eq(names.v[i], NGINX_GENERATION))
			r = link_one(a, b, e);
	}
	return r;
}

/* Unlike all before it, whatever has become of those: the wall clock in nanoseconds. */
static char *new_generation(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_REALTIME, &ts);
	return xasprintf("%" PRIx64, (uint64_t) ts.tv_sec * 1000000000U + (uint64_t) ts.tv_nsec);
}

char *nginx_socket(const char *root, const char *generation)
{
	return root_path(root, "run/nginx-%s.sock", generation);
}

/*
 * Each generation listens on a socket of its own: the master opens it when it takes the configuration, only
 * workers of that configuration answer on it, and the master removes it with the configuration.
 */
static int put_generation(struct strb *b, const char *root, const char *generation, struct err **e)
{
	_cleanup_(freep) char *socket = nginx_socket(root, generation);

	if (strlen(socket) > 107)
		return err_set(e, ERR_REFUSED,
			       "%s is longer than a socket's path may be (107): use a shorter root directory",
			       socket);
	nginx_put(b,
		  "server {\n\tlisten \"unix:%s\";\n\tserver_name _;\n\tlocation = /generation {\n"
		  "\t\tdefault_type text/plain;\n\t\treturn 200 \"%s\\n\";\n\t}\n"
		  "\tlocation / {\n\t\treturn 404;\n\t}\n}\n",
		  socket, generation);
	return 0;
}

static int write_generation(const char *root, const struct host *host, const struct nginx_facts *f,
			    const char *dir, const char *generation, struct err **e)
{
	_cleanup_(strb_done) struct strb b = STRB(65536);
	_cleanup_(freep) char *path = path_join(dir, NGINX_GENERATION);
	int r = 0;

	nginx_put(&b, "# Made by slipway: tells which configuration nginx has taken.\n");
	if (f->helper)
		nginx_system_put(&b, root, host, f, generation);
	else
		r = put_generation(&b, root, generation, e);
	if (r < 0)
		return r;
	return file_replace_unsynced(path, b.s, b.len, 0600, e); /* each start of nginx makes it anew */
}

int nginx_tree_build(const char *root, const struct host *host, const struct nginx_facts *f, const char *app,
		     const char *text, char **generation, struct err **e)
{
	_cleanup_(freep) char *live = root_path(root, NGINX_LIVE), *next = root_path(root, NGINX_CANDIDATE);
	_cleanup_(freep) char *name = xasprintf("%s.conf", app), *path = path_join(next, name);
	_cleanup_(freep) char *id = new_generation();
	_cleanup_(freep) char *old = xasprintf("%s.old", live);
	int r = tree_remove(next, e);

	if (!file_exists(live))
		(void) rename(old, live); /* see swap_by_three() */
	if (r == 0)
		r = link_tree(live, next, name, e);
	if (r == 0 && text)
		r = file_replace(path, text, strlen(text), 0600,
				 e); /* its include file may have got secrets */
	if (r == 0)
		r = write_generation(root, host, f, next, id, e);
	if (r < 0)
		return err_wrap(e, r, "preparing a configuration for nginx");
	*generation = TAKE(id);
	return 0;
}

/* nginx's first "[emerg]", without what stands before it; to be freed. NULL: none. */
static char *first_emerg(const char *out)
{
	const char *at = strstr(out, "[emerg] ");

	if (!at)
		return NULL;
	at += strlen("[emerg] ");
	size_t pid = strspn(at, "0123456789#");
	if (pid && str_starts(at + pid, ": "))
		at += pid + 2;
	return xstrndup(at, strcspn(at, "\r\n"));
}

/* "NAME" when the words end in "in ROOT/nginx.next/NAME.conf:LINE" or complain of ROOT/certs/NAME.crt or
 * .key. */
static char *culprit_of(const char *root, const char *words, unsigned *line)
{
	_cleanup_(freep) char *dir = xasprintf(" in %s/" NGINX_CANDIDATE "/", root);
	_cleanup_(freep) char *certs = xasprintf("\"%s/certs/", root);
	assert(words);
	const char *at = strstr(words, dir), *end;

	*line = 0;
	if (at) {
		at += strlen(dir);
		end = strstr(at, ".conf:");
		if (!end)
			return NULL;
		*line = (unsigned) strtoul(end + strlen(".conf:"), NULL, 10);
		return xstrndup(at, (size_t) (end - at));
	}
	at = strstr(words, certs);
	if (!at)
		return NULL;
	at += strlen(certs);
	end = at + strcspn(at, "\"");
	return end - at > 4 ? xstrndup(at, (size_t) (end - at) - 4) : NULL;
}

/* 0: good. 1: refused, with nginx's words. */
static int run_test(const char *root, const struct nginx_facts *f, char **words, struct err **e)
{
	_cleanup_(freep) char *conf = root_path(root, "run/nginx-test.conf"), *out = NULL;
	_cleanup_(strv_done) struct strv argv = { 0 };
	int r;

	if (f->helper)
		return nginx_helper_ask(f->helper, "test", words, e);
	STRV_ADD(&argv, f->program, "-t", "-q", "-c", conf, "-p", root, "-e", "stderr");
	r = proc_run(argv.v, NULL, NULL, 60000, &out, e);
	if (r < 0)
		return r;
	*words = r ? first_emerg(out) : NULL;
	if (r && !*words)
		*words = xasprintf("nginx -t exited with %d: %.*s", r, (int) strcspn(out, "\n"), out);
	return r ? 1 : 0;
}

/* What stands in a line of the candidate, for people; to be freed. */
static char *line_of(const char *path, unsigned line)
{
	_cleanup_(freep) char *text = NULL;
	const char *at;

	if (line == 0 || file_read(path, CONF_MAX, &text, NULL, NULL) < 0)
		return NULL;
	for (at = text; at && line > 1; line--) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return NULL;
	at += strspn(at, " \t");
	return *at ? xstrndup(at, strcspn(at, "\n")) : NULL;
}

static int refuse(const char *root, const char *app, const char *path, const char *words, unsigned line,
		  struct err **e)
{
	_cleanup_(freep) char *text = line_of(path, line),
			      *dir = xasprintf(" in %s/" NGINX_CANDIDATE "/", root);
	const char *at = strstr(words, dir);
	int n = at ? (int) (at - words) : (int) strlen(words);

	if (text)
		return err_set(e, ERR_REFUSED, "nginx refuses the configuration of %s: %.*s (line %u: %s)",
			       app, n, words, line, text);
	return err_set(e, ERR_REFUSED, "nginx refuses the configuration of %s: %s", app, words);
}

/* Is other's file as bad without the app's? If not, the two do not go together. */
static int test_without(const char *root, const struct nginx_facts *f, const char *own, const char *words,
			const char *app, char **other, struct err **e)
{
	_cleanup_(freep) char *hidden = xasprintf("%s.hidden", own), *other_words = NULL;
	unsigned line = 0;
	int r;

	if (rename(own, hidden) < 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "putting %s aside: %m", own);
	r = run_test(root, f, &other_words, e);
	if (rename(hidden, own) < 0 && r >= 0)
		r = err_set(e, -errno, "putting %s back: %m", own);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, ERR_REFUSED,
			       "nginx refuses the configuration of %s together with that of %s: %s", app,
			       *other, words);
	free(*other);
	*other = culprit_of(root, other_words, &line);
	return *other ? 0 : err_set(e, ERR_REFUSED, "nginx refuses its configuration: %s", other_words);
}

static int put_aside(const char *next, const char *other, const char *words, struct strv *notes,
		     struct err **e)
{
	_cleanup_(freep) char *from = xasprintf("%s/%s.conf", next, other),
			      *to = xasprintf("%s.broken", from);

	if (rename(from, to) < 0)
		return err_set(e, -errno, "putting %s aside: %m", from);
	if (notes)
		strv_addf(notes,
			  "nginx refuses the configuration of another app, %s (%s): it is left out and kept "
			  "as " NGINX_LIVE "/%s.conf.broken; deploy %s again",
			  other, words, other, other);
	return 0;
}

int nginx_tree_test(const char *root, const struct nginx_facts *f, const char *app, struct strv *notes,
		    struct err **e)
{
	_cleanup_(freep) char *next = root_path(root, NGINX_CANDIDATE),
			      *own = xasprintf("%s/%s.conf", next, app);

	for (;;) {
		_cleanup_(freep) char *words = NULL, *other = NULL;
		unsigned line = 0;
		int r = run_test(root, f, &words, e);

		if (r <= 0)
			return r;
		other = culprit_of(root, words, &line);
		if (!other || str_eq(other, app))
			return refuse(root, app, own, words, line, e);
		r = test_without(root, f, own, words, app, &other, e);
		if (r == 0)
			r = put_aside(next, other, words, notes, e);
		if (r < 0)
			return r;
	}
}

static int sync_root(const char *root, struct err **e)
{
	_cleanup_(closep) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? err_set(e, -errno, "writing %s: %m", root) : 0;
}

/* For file systems that cannot exchange. nginx looks only when it is told to, so it never meets the gap. */
static int swap_by_three(const char *live, const char *next, struct err **e)
{
	_cleanup_(freep) char *old = xasprintf("%s.old", live);

	if (rename(live, old) == 0 && rename(next, live) == 0 && rename(old, next) == 0)
		return 0;
	return err_set(e, -errno, "exchanging %s and %s: %m", live, next);
}

int nginx_tree_swap(const char *root, struct err **e)
{
	_cleanup_(freep) char *live = root_path(root, NGINX_LIVE), *next = root_path(root, NGINX_CANDIDATE);
	int r = 0;

	if (renameat2(AT_FDCWD, next, AT_FDCWD, live, RENAME_EXCHANGE) < 0) {
		if (errno == ENOENT)
			r = (file_exists(next) ? rename(next, live) : rename(live, next)) < 0
				    ? err_set(e, -errno, "renaming %s: %m", next)
				    : 0;
		else if (errno == EINVAL || errno == ENOSYS)
			r = swap_by_three(live, next, e);
		else
			r = err_set(e, -errno, "exchanging %s and %s: %m", live, next);
	}
	return r < 0 ? r : sync_root(root, e);
}

int nginx_tree_drop(const char *root, struct err **e)
{
	_cleanup_(freep) char *next = root_path(root, NGINX_CANDIDATE);

	return tree_remove(next, e);
}
