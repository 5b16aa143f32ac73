/* The control socket over a re-exec: no client is refused, and each request that waits is asked again on its
 * behalf. All that may wait (`wait`, `stop`, `start`, `retire-now` ...) can be asked twice. */
#include <string.h>

#include "base/json.h"
#include "daemon/daemon-internal.h"
#include "daemon/handover.h"
#include "daemon/server-internal.h"

/* ---- handing over ---- */

static json_t *connection_json(const struct connection *c)
{
	json_t *j = json_object(), *requests = json_array();

	json_put_num(j, "fd", c->fd);
	handover_put_bytes(j, "in", c->in.s, c->in.len);
	handover_put_bytes(j, "out", c->out.s, c->out.len);
	for (const struct request *rq = c->requests; rq; rq = rq->next) {
		json_t *one = json_object();

		(void) json_object_set(one, "args", rq->args);
		json_put_text(one, "answer", rq->answer);
		(void) json_array_append_new(requests, one);
	}
	(void) json_object_set_new(j, "requests", requests);
	return j;
}

json_t *server_hand_over(const struct daemon *d, int **fds, size_t *n_fds)
{
	const struct server *s = d->server;
	json_t *j = json_object(), *connections = json_array();

	json_put_num(j, "listener", s->fd);
	json_put_text(j, "token", s->token);
	*GROW(fds, n_fds) = s->fd;
	for (const struct connection *c = s->connections; c; c = c->next) {
		(void) json_array_append_new(connections, connection_json(c));
		*GROW(fds, n_fds) = c->fd;
	}
	(void) json_object_set_new(j, "connections", connections);
	return j;
}

/* ---- taking over ---- */

static void take_buffer(struct strb *to, const json_t *was, const char *key)
{
	size_t n = 0;
	_cleanup_(freep) char *data = handover_bytes(was, key, &n);

	if (n)
		(void) strb_add(to, data, n);
}

static void take_connection(struct server *s, const json_t *was)
{
	int fd = handover_fd(was, "fd");
	struct connection *c = fd >= 0 ? connection_new(s, fd) : NULL;
	const json_t *at;
	size_t k;

	if (!c)
		return;
	take_buffer(&c->in, was, "in");
	take_buffer(&c->out, was, "out");
	json_array_foreach(json_object_get(was, "requests"), k, at)
	{
		struct request *rq = request_new(c, json_incref(json_object_get(at, "args")));

		rq->answer = xstrdup(json_text(at, "answer"));
	}
}

bool server_take_over(struct server *s, const json_t *was)
{
	const char *token = json_text(was, "token");
	const json_t *at;
	size_t k;

	if (!token || strlen(token) + 1 != sizeof s->token)
		return false;
	s->fd = handover_fd(was, "listener");
	if (s->fd < 0)
		return false;
	memcpy(s->token, token, sizeof s->token);
	json_array_foreach(json_object_get(was, "connections"), k, at) take_connection(s, at);
	return true;
}

void server_resume(struct daemon *d)
{
	_cleanup_(freep) struct request **owed = NULL;
	size_t n = 0;

	for (struct connection *c = d->server->connections; c; c = c->next)
		for (struct request *rq = c->requests; rq; rq = rq->next)
			if (!rq->answer)
				*GROW(&owed, &n) = rq;
	for (size_t i = 0; i < n; i++)
		request_run(owed[i]);
	for (struct connection *c = d->server->connections; c; c = c->next)
		connection_send(c);
}
