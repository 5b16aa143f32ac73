/*
 * The system's nginx. slipway's user may not signal it nor read its log: slipway-nginx, root's, tests and
 * reloads. That the new configuration serves is seen from outside: it alone answers to the name of its
 * generation, and says which worker does.
 */
#include "router/nginx-internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/http.h"
#include "base/proc.h"

enum { HELPER_S = 150, TAKEN_WITHIN_MS = 10000, LOOK_EVERY_MS = 20, ANSWER_MAX = 64 << 10 };

/* ---- the helper ---- */

static int connect_to(const char *path, struct err **e)
{
	const struct timeval limit = { .tv_sec = HELPER_S };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
	    connect(fd, (struct sockaddr *) &at, sizeof at) < 0)
		return err_set(
			e, ERR_MISSING,
			"the helper that tells the system's nginx cannot be reached at %s: %m; start it "
			"(systemctl start slipway-nginx.socket), or set private = true under [nginx] in "
			"config.toml",
			path);
	return take_fd(&fd);
}

static int read_answer(int fd, char **ret, struct err **e)
{
	_cleanup_(strb_done) struct strb b = STRB(ANSWER_MAX);
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && strb_add(&b, buf, (size_t) n) < 0)
			break;
	*ret = strb_take(&b);
	if (n < 0 || !str_ends(*ret, "\n"))
		return err_set(
			e, ERR_FAILED,
			"nginx's helper ended without a verdict; see: journalctl -u 'slipway-nginx@*'");
	(*ret)[strlen(*ret) - 1] = '\0';
	return 0;
}

int nginx_helper_ask(const char *socket, const char *what, char **words, struct err **e)
{
	_cleanup_(closep) int fd = connect_to(socket, e);
	_cleanup_(freep) char *answer = NULL;

	if (fd < 0)
		return fd;
	if (send(fd, what, strlen(what), MSG_NOSIGNAL) < 0 || shutdown(fd, SHUT_WR) < 0)
		return err_set(e, ERR_FAILED, "asking nginx's helper: %m");
	int r = read_answer(fd, &answer, e);
	if (r < 0)
		return r;
	const char *said = strchr(answer, ' ');
	said = said ? said + 1 : "";

	if (str_starts(answer, "ok "))
		return 0;
	if (!str_starts(answer, "refused "))
		return err_set(e, str_starts(answer, "missing ") ? ERR_MISSING : ERR_FAILED, "%s", said);
	if (words)
		*words = xstrdup(said);
	return 1;
}

/* ---- what it serves ---- */

void nginx_system_put(struct strb *b, const char *root, const struct host *host, const struct nginx_facts *f,
		      const char *generation)
{
	nginx_put_maps(b);
	nginx_put_fallback(b, root, host, f, "");
	nginx_put(b, "server {\n");
	nginx_put_listen(b, host, NULL, f, host->http_port, "");
	nginx_put(b,
		  "\tserver_name %s.slipway.invalid;\n\tallow 127.0.0.0/8;\n\tallow ::1;\n\tdeny all;\n"
		  "\tlocation = /generation {\n\t\tdefault_type text/plain;\n"
		  "\t\treturn 200 \"%s $pid\\n\";\n\t}\n}\n",
		  generation, generation);
}

/* The worker that answers with the new configuration; 0: none does yet. */
static pid_t ask_generation(const struct host *host, const char *generation)
{
	const char *v4 = host->listen_ipv4 && *host->listen_ipv4 ? host->listen_ipv4 : NULL;
	_cleanup_(freep) char *url = xasprintf("http://%s:%u/generation",
					       !v4 && host->listen_ipv6       ? "[::1]"
					       : !v4 || str_eq(v4, "0.0.0.0") ? "127.0.0.1"
									      : v4,
					       host->http_port);
	_cleanup_(freep) char *name = xasprintf("Host: %s.slipway.invalid", generation);
	_cleanup_(http_answer_done) struct http_answer answer = { 0 };
	const struct http_request request = { .method = "GET",
					      .url = url,
					      .headers = (const char *const[]){ name, NULL },
					      .timeout_ms = 2000,
					      .max_answer = 4096 };
	size_t n = strlen(generation);
	long pid;

	if (http_run(&request, &answer, NULL) < 0 || answer.status != 200 ||
	    !str_starts(answer.body, generation) || answer.body[n] != ' ')
		return 0;
	answer.body[strcspn(answer.body, "\n")] = '\0';
	return str_to_long(answer.body + n + 1, 2, 1 << 30, &pid) ? (pid_t) pid : 0;
}

static void look_again(void)
{
	(void) nanosleep(&(struct timespec){ .tv_nsec = LOOK_EVERY_MS * 1000000L }, NULL);
}

static pid_t wait_until_taken(const struct host *host, const char *generation)
{
	int64_t deadline = monotonic_ms() + TAKEN_WITHIN_MS;
	pid_t worker;

	while (!(worker = ask_generation(host, generation)) && monotonic_ms() < deadline)
		look_again();
	return worker;
}

void nginx_system_workers(struct router_old *ret)
{
	_cleanup_(strv_done) struct strv names = { 0 };
	long pid;

	(void) dir_list("/proc", &names, NULL);
	for (size_t i = 0; i < names.n; i++)
		if (str_to_long(names.v[i], 2, 1 << 30, &pid) &&
		    nginx_is_worker_of(nginx_parent_of((pid_t) pid), (pid_t) pid))
			*GROW(&ret->pids, &ret->n) = (pid_t) pid;
}

bool nginx_system_runs(void)
{
	struct router_old all = { 0 };

	nginx_system_workers(&all);
	bool is_any = all.n > 0;
	router_old_done(&all);
	return is_any;
}

/* Of those before, the ones that have the same master as the worker that is new. */
static void keep_siblings(struct router_old *before, pid_t worker)
{
	pid_t master = nginx_parent_of(worker);
	size_t n = 0;

	for (size_t i = 0; i < before->n; i++)
		if (master && nginx_parent_of(before->pids[i]) == master)
			before->pids[n++] = before->pids[i];
	before->n = n;
}

/* Until the old ones accept nothing more: their titles say so. Bounded, as in nginx_reload(). */
static void wait_until_old_quit(const struct router_old *old)
{
	int64_t deadline = monotonic_ms() + TAKEN_WITHIN_MS;

	for (size_t i = 0; i < old->n;) {
		if (!nginx_is_worker_of(nginx_parent_of(old->pids[i]), old->pids[i]) ||
		    monotonic_ms() >= deadline)
			i++;
		else
			look_again();
	}
}

int nginx_system_reload(const struct host *host, const struct nginx_facts *f, const char *generation,
			struct router_old *old, struct err **e)
{
	_cleanup_(freep) char *words = NULL;
	pid_t worker = 0;
	int r = nginx_helper_ask(f->helper, "take", &words, e);
	if (r > 0)
		r = err_set(e, ERR_REFUSED, "nginx refuses its new configuration: %s", words);
	if (r == 0 && !(worker = wait_until_taken(host, generation)))
		r = err_set(e, -ETIMEDOUT,
			    "nginx has not taken its new configuration within %d s: its error log says why; "
			    "does it include what slipway-nginx has put down for it?",
			    TAKEN_WITHIN_MS / 1000);
	if (r < 0)
		return r;
	keep_siblings(old, worker);
	wait_until_old_quit(old);
	return 0;
}
