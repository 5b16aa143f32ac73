/*
 * The daemon's side of a connection: bytes in, one answer a line out. server.c is taken in whole, so that its
 * static functions can be driven; the operations are replaced by ones that answer at once, later or not.
 */
#include "fuzz.h"

#include "daemon/server.c"

static int op_now(struct daemon *d UNUSED, struct request *rq, struct err **e UNUSED)
{
	request_answer(rq, json_pack("{s:s?}", "app", json_text(rq->args, "app")));
	return 0;
}

static int op_refused(struct daemon *d UNUSED, struct request *rq, struct err **e)
{
	return err_set(e, ERR_REFUSED, "refused: %s",
		       json_text(rq->args, "app") ? json_text(rq->args, "app") : "");
}

static struct request *later[64];
static size_t n_later;

static int op_later(struct daemon *d UNUSED, struct request *rq, struct err **e)
{
	if (n_later == COUNT(later))
		return err_set(e, ERR_REFUSED, "too many");
	later[n_later++] = rq;
	return 0;
}

const struct op *op_find(const char *name)
{
	static const struct op ops[] = { { "now", op_now }, { "no", op_refused }, { "later", op_later } };

	for (size_t i = 0; i < COUNT(ops); i++)
		if (str_eq(ops[i].name, name))
			return &ops[i];
	return NULL;
}

static struct connection *connect_pair(struct server *s, int *client)
{
	struct connection *c = xcalloc(1, sizeof *c);
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	*client = fds[0];
	*c = (struct connection){
		.server = s, .fd = fds[1], .in = STRB(LINE_MAX_BYTES + 16384), .out = STRB(8 << 20)
	};
	if (sd_event_add_io(s->d->loop, &c->source, c->fd, EPOLLIN, on_connection, c) < 0)
		abort();
	s->connections = c;
	s->n_connections = 1;
	return c;
}

/* All that can be read by now, which is whole lines, each an object with "ok" or "error"; how many. */
static size_t read_answers(struct connection *c, int client)
{
	_cleanup_(strb_done) struct strb all = STRB(64 << 20);
	char buf[65536];
	size_t count = 0;
	ssize_t n;

	/* a socket holds a few hundred small answers; the rest follows when there is room, as epoll would say
	 */
	while ((n = recv(client, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
		(void) strb_add(&all, buf, (size_t) n);
		(void) flush(c);
	}
	for (const char *at = all.s, *end; at && at < all.s + all.len; at = end + 1, count++) {
		end = memchr(at, '\n', (size_t) (all.s + all.len - at));
		MUST(end);
		_cleanup_(json_releasep) json_t *j = json_loadb(at, (size_t) (end - at), 0, NULL);
		MUST(json_is_true(json_object_get(j, "ok")) || json_is_object(json_object_get(j, "error")));
	}
	return count;
}

static struct daemon *the_daemon(void)
{
	static struct daemon d;

	if (!d.loop && sd_event_default(&d.loop) < 0)
		abort();
	return &d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server s = { .d = the_daemon(), .fd = -1 };
	size_t lines = 0, answers = 0;
	int client;

	if (size > 65536)
		return 0;
	memset(s.token, 'a', 2 * TOKEN_BYTES);
	n_later = 0;
	struct connection *c = connect_pair(&s, &client);
	if (size && send(client, data, size, MSG_DONTWAIT) != (ssize_t) size)
		abort();
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	for (size_t got = 0; got < size; got += 16384) {
		MUST(receive(c));
		answers += read_answers(c, client);
	}
	size_t half = n_later / 2; /* the others are answered when the client is gone */
	for (size_t i = n_later; i-- > half;)
		request_answer(later[i], NULL);
	answers += read_answers(c, client);
	MUST(answers <= lines && (half > 0 || answers == lines));
	(void) close(client);
	connection_close(c);
	for (size_t i = 0; i < half; i++)
		request_answer(later[i], NULL);
	MUST(!s.orphans && s.n_connections == 0);
	return 0;
}
