/* server.c and server-handover.c to one another. */
#pragma once

#include <systemd/sd-event.h>

#include "base/str.h"
#include "daemon/server.h"

enum { LINE_MAX_BYTES = 1 << 20, CONNECTIONS_MAX = 512, TOKEN_BYTES = 32 };

struct connection {
	struct connection *next;
	struct server *server;
	int fd;
	sd_event_source *source;
	struct strb in, out;
	struct request *requests; /* oldest first */
};

struct server {
	struct daemon *d;
	int fd;
	char *path;
	sd_event_source *source;
	char token[2 * TOKEN_BYTES + 1];
	struct connection *connections;
	size_t n_connections;
	struct request *orphans; /* still worked on, though their connection has gone */
};

struct connection *connection_new(struct server *s, int fd); /* takes over fd; NULL: closed */
/* Moves the answers that are due into the buffer, and sends. A connection that is gone is noticed by its next
 * event. */
void connection_send(struct connection *c);
struct request *request_new(struct connection *c, json_t *args); /* takes over args */
void request_run(struct request *rq);
/* Socket, token and connections of the daemon before; false: there are none. */
bool server_take_over(struct server *s, const json_t *was);
