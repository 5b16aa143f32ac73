/* The client side of the control API: one request line out, one answer line in. */
#include "control/control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

enum { LINE_MAX_BYTES = 1 << 20, UNIT_MAX = 1 << 16 };

enum { PATIENCE_MS = 5000, PAUSE_MS = 20, TRIES_MAX = 5 };

struct control_buffer {
	struct strb in;
	char *path; /* of the socket */
};

static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? xstrndup(path, (size_t) (slash - path)) : xstrdup(".");
}

/* A path in sockaddr_un has 107 bytes; one that is longer goes through the descriptor of its directory. */
static int connect_to(int fd, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_(freep) char *dir = dir_of(path), *shortcut = NULL;
	_cleanup_(closep) int dir_fd = -1;

	if (strlen(path) >= sizeof addr.sun_path) {
		dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir_fd < 0)
			return -errno;
		shortcut = xasprintf("/proc/self/fd/%d/%s", dir_fd, strrchr(path, '/') + 1);
		path = shortcut;
	}
	if (strlen(path) >= sizeof addr.sun_path)
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	return connect(fd, (const struct sockaddr *) &addr, sizeof addr) < 0 ? -errno : 0;
}

char *control_start_words(const char *root)
{
	_cleanup_(freep) char *bin = exe_dir(),
			      *unit = path_join(bin, "../lib/systemd/system/slipwayd.service");
	_cleanup_(freep) char *ours = xasprintf("\nEnvironment=SLIPWAY_ROOT=%s\n", root), *text = NULL;

	if (file_read(unit, UNIT_MAX, &text, NULL, NULL) == 0 && strstr(text, ours))
		return xstrdup("systemctl start slipwayd");
	return xasprintf("slipwayd --root %s", root);
}

static int not_running(const char *socket_path, struct err **e)
{
	_cleanup_(freep) char *run = dir_of(socket_path), *root = dir_of(run),
			      *how = control_start_words(root);

	return err_set(e, ERR_MISSING, "slipwayd does not run; start it with: %s", how);
}

int control_open(struct control *ret, const char *socket_path, struct err **e)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_(freep) char *dir = dir_of(socket_path), *token_path = path_join(dir, "token"),
			      *token = NULL;
	int r;

	if (fd < 0)
		return err_set(e, -errno, "making a socket: %m");
	r = connect_to(fd, socket_path);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return not_running(socket_path, e);
	if (r == -EACCES || r == -EPERM)
		return err_set(e, ERR_PERMISSION, "%s belongs to another user", socket_path);
	if (r < 0)
		return err_set(e, r, "connecting to %s: %s", socket_path, strerror(-r));
	r = file_read(token_path, 256, &token, NULL, e);
	if (r < 0)
		return r;
	token[strcspn(token, "\n")] = '\0';
	*ret = (struct control){ .fd = take_fd(&fd),
				 .token = TAKE(token),
				 .buffer = xcalloc(1, sizeof *ret->buffer) };
	ret->buffer->in = STRB(LINE_MAX_BYTES);
	ret->buffer->path = xstrdup(socket_path);
	return 0;
}

void control_close(struct control *c)
{
	if (!c->buffer)
		return; /* never opened */
	(void) close(c->fd);
	strb_done(&c->buffer->in);
	free(c->buffer->path);
	free(c->buffer);
	free(c->token);
	*c = (struct control){ .fd = -1 };
}

int control_again(struct control *c, struct err **e)
{
	assert(c->buffer); /* it was open */
	_cleanup_(freep) char *path = xstrdup(c->buffer->path);
	int64_t until = monotonic_ms() + PATIENCE_MS;

	for (;;) {
		_cleanup_(err_freep) struct err *why = NULL;
		struct control fresh = { .fd = -1 };
		int r = control_open(&fresh, path, &why);

		if (r >= 0) {
			control_close(c);
			*c = fresh;
			return 0;
		}
		if (r != ERR_MISSING || monotonic_ms() >= until) {
			if (e && !*e)
				*e = TAKE(why);
			return r;
		}
		(void) poll(NULL, 0, PAUSE_MS);
	}
}

static int gone(struct control *c, struct err **e)
{
	c->is_gone = true;
	return err_set(e, ERR_MISSING, "slipwayd closed the connection: it ends or is being restarted");
}

int control_send(struct control *c, const char *op, const json_t *args, struct err **e)
{
	_cleanup_(json_releasep) json_t *request = json_object();
	_cleanup_(freep) char *text = NULL;
	struct strb line = STRB(LINE_MAX_BYTES);
	size_t sent = 0;

	if (args)
		(void) json_object_update(request, (json_t *) args);
	json_put_text(request, "token", c->token);
	json_put_text(request, "op", op);
	text = json_dumps(request, JSON_COMPACT);
	if (!text || strb_addf(&line, "%s\n", text) < 0) {
		strb_done(&line);
		return err_set(e, -E2BIG, "the request '%s' is larger than 1 MiB", op);
	}
	while (sent < line.len) {
		ssize_t n = send(c->fd, line.s + sent, line.len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			strb_done(&line);
			return gone(c, e);
		}
		sent += (size_t) n;
	}
	strb_done(&line);
	return 0;
}

/* A code that is none of ours would be taken for "no answer yet", or for success. */
static int code_of(const json_t *error)
{
	int64_t code = json_num(error, "code", ERR_FAILED);

	return code < 0 && code >= INT_MIN ? (int) code : ERR_FAILED;
}

static int read_answer(const char *line, size_t n, json_t **ret, struct err **e)
{
	_cleanup_(json_releasep) json_t *answer = json_loadb(line, n, 0, NULL);
	const json_t *error = json_object_get(answer, "error");

	if (!json_is_object(answer))
		return err_set(e, -EBADMSG, "slipwayd answered what is no JSON object");
	if (!json_is_true(json_object_get(answer, "ok"))) {
		const char *message = json_text(error, "message");

		return err_set(e, code_of(error), "%s", message ? message : "refused");
	}
	if (ret)
		*ret = TAKE(answer);
	return 1;
}

/* One whole line out of the buffer. 0: there is none yet. */
static int take_line(struct control *c, json_t **ret, struct err **e)
{
	struct strb *in = &c->buffer->in;
	char *end = in->len ? memchr(in->s, '\n', in->len) : NULL;

	if (!end)
		return 0;
	int r = read_answer(in->s, (size_t) (end - in->s), ret, e);
	size_t rest = in->len - (size_t) (end + 1 - in->s);

	memmove(in->s, end + 1, rest);
	in->len = rest;
	in->s[rest] = '\0';
	return r;
}

int control_receive(struct control *c, bool wait, json_t **ret, struct err **e)
{
	char buf[8192];
	int r;

	while ((r = take_line(c, ret, e)) == 0) {
		ssize_t n = recv(c->fd, buf, sizeof buf, wait ? 0 : MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return gone(c, e);
		if (strb_add(&c->buffer->in, buf, (size_t) n) < 0)
			return err_set(e, -E2BIG, "slipwayd's answer is larger than 1 MiB");
	}
	return r;
}

static bool may_be_repeated(const char *op)
{
	static const char *const once[] = { "deploy", "run-now", "shutdown", "reexec" };

	for (size_t i = 0; i < COUNT(once); i++)
		if (str_eq(op, once[i]))
			return false;
	return true;
}

int control_call(struct control *c, const char *op, const json_t *args, json_t **ret, struct err **e)
{
	for (int tries = 0;; tries++) {
		_cleanup_(err_freep) struct err *why = NULL;
		int r = control_send(c, op, args, &why);

		if (r >= 0)
			r = control_receive(c, true, ret, &why);
		if (r >= 0)
			return 0;
		if (c->is_gone && tries < TRIES_MAX && may_be_repeated(op) && control_again(c, NULL) >= 0)
			continue;
		if (e && !*e)
			*e = TAKE(why);
		return r;
	}
}
