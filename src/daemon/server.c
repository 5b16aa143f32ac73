/* One JSON object a line over a Unix socket: who may speak, lines in, answers out in the order of the
 * requests. */
#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/crash-point.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "daemon/server-internal.h"
#include "plan/root.h"

/* ---- connections ---- */

static void request_free(struct request *rq)
{
	json_decref(rq->args);
	free(rq->answer);
	free(rq);
}

static void unlink_connection(struct connection *c)
{
	struct connection **at = &c->server->connections;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->server->n_connections--;
}

static void orphan(struct server *s, struct request *rq)
{
	rq->from = NULL;
	rq->of = s;
	rq->next = s->orphans;
	s->orphans = rq;
}

static void orphan_free(struct request *rq)
{
	struct request **at = &rq->of->orphans;

	while (*at != rq)
		at = &(*at)->next;
	*at = rq->next;
	request_free(rq);
}

/* What was asked goes on; its answers find nobody. */
static void connection_close(struct connection *c)
{
	while (c->requests) {
		struct request *rq = c->requests;

		c->requests = rq->next;
		if (rq->answer)
			request_free(rq);
		else
			orphan(c->server, rq);
	}
	unlink_connection(c);
	sd_event_source_disable_unref(c->source);
	(void) close(c->fd);
	strb_done(&c->in);
	strb_done(&c->out);
	free(c);
}

static void strb_drop(struct strb *b, size_t n)
{
	if (n == b->len) {
		strb_done(b);
		return;
	}
	memmove(b->s, b->s + n, b->len - n + 1);
	b->len -= n;
}

/* false: the other side is gone. */
static bool flush(struct connection *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->fd, c->out.s, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return false;
		strb_drop(&c->out, (size_t) n);
	}
	(void) sd_event_source_set_io_events(c->source, EPOLLIN | (c->out.len ? EPOLLOUT : 0u));
	return true;
}

void connection_send(struct connection *c)
{
	while (c->requests && c->requests->answer) {
		struct request *rq = c->requests;

		if (strb_addf(&c->out, "%s\n", rq->answer) < 0)
			log_warning("an answer was dropped: its reader does not read",
				    F("bytes", (int64_t) c->out.len));
		c->requests = rq->next;
		request_free(rq);
	}
	(void) flush(c);
}

static void answer_with(struct request *rq, json_t *answer)
{
	rq->answer = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	if (!rq->answer)
		rq->answer =
			xstrdup("{\"error\":{\"code\":-5006,\"message\":\"the answer is no valid text\"}}");
	if (rq->from)
		connection_send(rq->from);
	else
		orphan_free(rq);
}

void request_answer(struct request *rq, json_t *members)
{
	json_t *answer = members ? members : json_object();

	json_put_flag(answer, "ok", true);
	answer_with(rq, answer);
}

void request_refuse(struct request *rq, int code, const struct err *e)
{
	_cleanup_(freep) char *text = err_text(e);
	json_t *answer = json_object(), *error = json_object();

	json_put_num(error, "code", code);
	json_put_text(error, "message", text);
	(void) json_object_set_new(answer, "error", error);
	answer_with(rq, answer);
}

/* ---- requests ---- */

static bool token_is_right(const struct server *s, const char *token)
{
	unsigned char differs = 0;

	if (!token || strlen(token) != 2 * TOKEN_BYTES)
		return false;
	for (size_t i = 0; i < 2 * TOKEN_BYTES; i++)
		differs |= (unsigned char) (token[i] ^ s->token[i]);
	return differs == 0;
}

static int run(struct server *s, struct request *rq, struct err **e)
{
	const char *name = json_text(rq->args, "op");
	const struct op *op = name ? op_find(name) : NULL;

	if (!json_is_object(rq->args))
		return err_set(e, ERR_USAGE, "a request is one JSON object on one line");
	if (!token_is_right(s, json_text(rq->args, "token")))
		return err_set(e, ERR_PERMISSION, "wrong token");
	if (!op)
		return err_set(e, ERR_USAGE, "unknown operation '%s'", name ? name : "");
	crash_point("daemon.%s.begin", op->name);
	int r = op->run(s->d, rq, e);

	crash_point("daemon.%s.end", op->name); /* the request may be gone */
	return r;
}

struct request *request_new(struct connection *c, json_t *args)
{
	struct request *rq = xcalloc(1, sizeof *rq), **last = &c->requests;

	rq->from = c;
	rq->args = args;
	while (*last)
		last = &(*last)->next;
	*last = rq;
	return rq;
}

void request_run(struct request *rq)
{
	_cleanup_(err_freep) struct err *e = NULL;
	int r = run(rq->from->server, rq, &e);

	if (r < 0)
		request_refuse(rq, r, e);
}

static void take_request(struct connection *c, const char *line, size_t n)
{
	request_run(request_new(c, json_loadb(line, n, 0, NULL)));
}

static bool take_lines(struct connection *c)
{
	size_t done = 0;

	while (done < c->in.len) {
		const char *start = c->in.s + done, *end = memchr(start, '\n', c->in.len - done);

		if (!end)
			break;
		take_request(c, start, (size_t) (end - start));
		done = (size_t) (end + 1 - c->in.s);
	}
	if (done)
		strb_drop(&c->in, done);
	return c->in.len < LINE_MAX_BYTES;
}

/* false: nothing more will come, or what may not. */
static bool receive(struct connection *c)
{
	char buf[16384];
	ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0 || strb_add(&c->in, buf, (size_t) n) < 0)
		return false;
	return take_lines(c);
}

static int on_connection(sd_event_source *source UNUSED, int fd UNUSED, uint32_t events, void *ctx)
{
	struct connection *c = ctx;

	if ((events & EPOLLOUT && !flush(c)) || (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !receive(c)))
		connection_close(c);
	return 0;
}

static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

struct connection *connection_new(struct server *s, int fd)
{
	struct connection *c = xcalloc(1, sizeof *c);

	*c = (struct connection){
		.server = s, .fd = fd, .in = STRB(LINE_MAX_BYTES + 16384), .out = STRB(8 << 20)
	};
	if (sd_event_add_io(s->d->loop, &c->source, fd, EPOLLIN, on_connection, c) < 0) {
		(void) close(fd);
		free(c);
		return NULL;
	}
	c->next = s->connections;
	s->connections = c;
	s->n_connections++;
	return c;
}

/* Those who say nothing must not keep others out: the one that is silent longest goes. */
static bool has_place(struct server *s)
{
	struct connection *oldest = NULL;

	if (s->n_connections < CONNECTIONS_MAX)
		return true;
	for (struct connection *c = s->connections; c; c = c->next) /* the newest comes first */
		if (!c->requests && c->out.len == 0)
			oldest = c;
	if (oldest)
		connection_close(oldest);
	return oldest != NULL;
}

static int on_listen(sd_event_source *source UNUSED, int listener, uint32_t events UNUSED, void *ctx)
{
	struct server *s = ctx;
	/* cppcheck-suppress nullPointer; accept4() takes NULL for "not asked" */
	_cleanup_(closep) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && is_ours(fd) && has_place(s))
		(void) connection_new(s, take_fd(&fd));
	return 0;
}

/* ---- the socket ---- */

static int make_token(struct server *s, struct err **e)
{
	_cleanup_(freep) char *path = root_path(s->d->root, "run/token");
	unsigned char bytes[TOKEN_BYTES];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return err_set(e, -errno, "random bytes for the token: %m");
	for (size_t i = 0; i < TOKEN_BYTES; i++)
		(void) snprintf(s->token + 2 * i, 3, "%02x", bytes[i]);
	return file_replace(path, s->token, 2 * TOKEN_BYTES, 0600, e);
}

/* On a full disk the token of before, which nobody else has read either, will do. */
static int keep_token(struct server *s)
{
	_cleanup_(freep) char *path = root_path(s->d->root, "run/token"), *text = NULL;
	size_t n = 0;

	if (file_read(path, 256, &text, &n, NULL) < 0 || n != 2 * TOKEN_BYTES ||
	    strspn(text, "0123456789abcdef") != n)
		return -ENOENT;
	memcpy(s->token, text, n + 1);
	return 0;
}

/* A path in sockaddr_un has 107 bytes; going through the directory's descriptor, any root will do. */
static int bind_socket(struct server *s, struct err **e)
{
	_cleanup_(freep) char *dir = root_path(s->d->root, "run");
	_cleanup_(closep) int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	int r;

	if (dir_fd < 0)
		return err_set(e, -errno, "opening %s: %m", dir);
	(void) snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/slipwayd.sock", dir_fd);
	(void) unlink(s->path); /* the lock says that nobody listens */
	mask = umask(0177);
	r = bind(s->fd, (const struct sockaddr *) &addr, sizeof addr);
	(void) umask(mask);
	return r < 0 || listen(s->fd, 64) < 0 ? err_set(e, -errno, "listening on %s: %m", s->path) : 0;
}

static int open_new(struct server *s, struct err **e)
{
	int r;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return err_set(e, -errno, "making a socket: %m");
	r = make_token(s, e);
	if (err_is_temporary(r) && keep_token(s) == 0) {
		if (e)
			*e = err_free(*e);
		log_warning("there was no room for a new token: the old one is kept");
		r = 0;
	}
	return r < 0 ? r : bind_socket(s, e);
}

int server_open(struct daemon *d, struct err **e)
{
	struct server *s = d->server = xcalloc(1, sizeof *s);
	int r;

	s->d = d;
	s->fd = -1;
	s->path = root_socket(d->root);
	r = server_take_over(s, json_object_get(d->handover, "server")) ? 0 : open_new(s, e);
	if (r < 0)
		return r;
	r = sd_event_add_io(d->loop, &s->source, s->fd, EPOLLIN, on_listen, s);
	return r < 0 ? err_set(e, r, "watching %s: %s", s->path, strerror(-r)) : 0;
}

void server_close(struct daemon *d)
{
	struct server *s = d->server;

	if (!s)
		return;
	while (s->connections)
		connection_close(s->connections);
	while (s->orphans)
		orphan_free(s->orphans);
	if (s->source)
		(void) unlink(s->path);
	sd_event_source_disable_unref(s->source);
	if (s->fd >= 0)
		(void) close(s->fd);
	free(s->path);
	free(s);
	d->server = NULL;
}
