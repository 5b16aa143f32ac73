/*
 * The uwsgi check: a worker answers on the instance's socket. Master and socket are there before the app is
 * loaded, so that alone says nothing. Without a path the question is uWSGI's ping, which no app sees; with
 * one it is a request, as the router would send it. (The protocol: uwsgi-docs, "The uwsgi Protocol".)
 */
#include "check/check-internal.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

enum { ANSWER_TIMEOUT_MS = 5000, MODIFIER_REQUEST = 0, MODIFIER_PING = 100, PACKET_MAX = 65535 };

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof address) < 0)
		return -errno;
	return take_fd(&fd);
}

static void add_text(struct strb *b, const char *text)
{
	size_t n = strlen(text);

	(void) strb_add(b, (const char[]){ (char) (n & 0xff), (char) (n >> 8) }, 2);
	(void) strb_add(b, text, n);
}

static void add_variables(struct strb *b, const struct plan_check *check, const struct check_target *t)
{
	const char *host = t->host ? t->host : "localhost";
	const char *query = strchr(check->path, '?');
	_cleanup_(freep) char *path =
		query ? xstrndup(check->path, (size_t) (query - check->path)) : xstrdup(check->path);
	const char *const variables[][2] = {
		{ "REQUEST_METHOD", "GET" },
		{ "REQUEST_URI", check->path },
		{ "PATH_INFO", path },
		{ "QUERY_STRING", query ? query + 1 : "" },
		{ "CONTENT_LENGTH", "" },
		{ "SERVER_PROTOCOL", "HTTP/1.1" },
		{ "REQUEST_SCHEME", "http" },
		{ "REMOTE_ADDR", "127.0.0.1" },
		{ "SERVER_NAME", host },
		{ "SERVER_PORT", "80" },
		{ "HTTP_HOST", host },
		{ "HTTP_USER_AGENT", "slipway" },
		{ "HTTP_X_FORWARDED_PROTO", "http" },
	};

	for (size_t i = 0; i < COUNT(variables); i++) {
		add_text(b, variables[i][0]);
		add_text(b, variables[i][1]);
	}
}

/* A packet: modifier 1, the length of the variables, modifier 2, the variables. */
static int ask(int fd, const struct plan_check *check, const struct check_target *t)
{
	_cleanup_(strb_done) struct strb variables = STRB(PACKET_MAX);

	if (check->path)
		add_variables(&variables, check, t);
	const char head[] = { (char) (check->path ? MODIFIER_REQUEST : MODIFIER_PING),
			      (char) (variables.len & 0xff), (char) (variables.len >> 8), 0 };
	int r = write_all(fd, head, sizeof head);

	return r < 0 || variables.len == 0 ? r : write_all(fd, variables.s, variables.len);
}

/* The beginning of the answer: its length, 0 when the time is over or the instance has ended, or -errno. */
static ssize_t answer(int fd, int exit_fd, int64_t until, char *to, size_t size)
{
	size_t n = 0;

	while (n < size) {
		struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = exit_fd, .events = POLLIN } };
		int64_t left = until - monotonic_ms();
		int ready = poll(fds, 2, left > 0 ? (int) left : 0);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || !fds[0].revents)
			return ready < 0 ? -errno : 0;
		ssize_t got = recv(fd, to + n, size - n, 0);
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (got == 0)
			break;
		n += got > 0 ? (size_t) got : 0;
	}
	return n ? (ssize_t) n : -ECONNRESET;
}

/* "HTTP/1.1 200 OK"; 0: it is none. */
static int status_of(const char *text)
{
	const char *blank = strchr(text, ' ');
	int status = 0;

	if (!str_starts(text, "HTTP/1.") || !blank)
		return 0;
	for (int i = 1; i <= 3; i++) {
		if (blank[i] < '0' || blank[i] > '9')
			return 0;
		status = status * 10 + (blank[i] - '0');
	}
	return status;
}

static int judge(const struct plan_check *check, const char *text, char **why)
{
	int status;

	if (!check->path) {
		if ((unsigned char) text[0] == MODIFIER_PING)
			return 1;
		*why = xstrdup("uWSGI did not answer its ping");
		return 0;
	}
	status = status_of(text);
	if (status >= 200 && status <= 399)
		return 1;
	*why = status ? xasprintf("GET %s answered %d", check->path, status)
		      : xasprintf("GET %s was not answered with HTTP", check->path);
	return 0;
}

static int attempt(const struct plan_check *check, const struct check_target *t, char **why,
		   struct err **e UNUSED)
{
	int64_t until = monotonic_ms() + (check->timeout_ms && check->timeout_ms < ANSWER_TIMEOUT_MS
						  ? check->timeout_ms
						  : ANSWER_TIMEOUT_MS);
	char text[16] = "";
	_cleanup_(closep) int fd = connect_to(t->socket);
	ssize_t n = fd < 0 ? fd : ask(fd, check, t);

	if (n >= 0) /* what of it judge() looks at */
		n = answer(fd, t->exit_fd, until, text, check->path ? sizeof text - 1 : 4);
	if (n > 0)
		return judge(check, text, why);
	*why = n < 0 ? xasprintf("asking uWSGI at %s: %s", t->socket, strerror((int) -n))
		     : xasprintf("no worker of uWSGI has answered at %s", t->socket);
	return 0;
}

extern const struct check_ops check_uwsgi;
const struct check_ops check_uwsgi = { "uwsgi", attempt };
