/* The tcp check: the instance itself listens on its port, and a connection is accepted. */
#include "check/check-internal.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/str.h"

const char *tcp_connectable(const char *address)
{
	static const struct {
		const char *said, *meant;
	} table[] = {
		{ "", "127.0.0.1" },  { "0.0.0.0", "127.0.0.1" },
		{ "*", "127.0.0.1" }, { "localhost", "127.0.0.1" },
		{ "::", "::1" },      { "[::]", "::1" },
		{ "[::1]", "::1" },
	};

	for (size_t i = 0; i < COUNT(table); i++)
		if (!address || str_eq(table[i].said, address))
			return table[i].meant;
	return address;
}

char *tcp_endpoint(const struct check_target *t)
{
	const char *address = tcp_connectable(t->address);

	return strchr(address, ':') && *address != '[' ? xasprintf("[%s]:%u", address, t->port)
						       : xasprintf("%s:%u", address, t->port);
}

int tcp_find_listener(const struct check_target *t, char **why, struct err **e)
{
	_cleanup_(freep) char *holder = NULL, *at = tcp_endpoint(t);
	bool is_elsewhere;
	int r = listener_find(t->pid, tcp_connectable(t->address), t->port, &is_elsewhere, &holder);

	if (r < 0)
		return err_set(e, ERR_FAILED, "port %u is taken by %s, which is not %s.%u", t->port, holder,
			       t->service, t->ordinal);
	if (r == 0)
		*why = is_elsewhere ? xasprintf("%s.%u listens on port %u of another address than %s: it "
						"must listen on "
						"$BIND_ADDRESS",
						t->service, t->ordinal, t->port, tcp_connectable(t->address))
				    : xasprintf("nothing listens on %s", at);
	return r;
}

/* 0, or the errno of a connection that was tried for at most ms: to who does not accept, even one of this
 * machine takes as long as one lets it. */
static int connect_to(const char *address, unsigned port, unsigned ms)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	_cleanup_(freep) char *service = xasprintf("%u", port);
	struct addrinfo *list = NULL;
	int error = EADDRNOTAVAIL;
	socklen_t size = sizeof error;

	if (getaddrinfo(address, service, &hints, &list) != 0)
		return error;
	_cleanup_(closep) int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? -1 : connect(fd, list->ai_addr, list->ai_addrlen);
	error = r < 0 ? errno : 0;
	freeaddrinfo(list);
	if (error == EINPROGRESS) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (poll(&p, 1, (int) ms) <= 0)
			return ETIMEDOUT;
		(void) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	}
	return error;
}

static int attempt(const struct plan_check *check, const struct check_target *t, char **why, struct err **e)
{
	_cleanup_(freep) char *at = tcp_endpoint(t);
	int r = tcp_find_listener(t, why, e);

	if (r <= 0)
		return r;
	r = connect_to(tcp_connectable(t->address), t->port, t->connect_ms);
	if (r != 0)
		*why = xasprintf("connecting to %s: %s", at, strerror(r));
	return r == 0;
}

extern const struct check_ops check_tcp;
const struct check_ops check_tcp = { "tcp", attempt };
