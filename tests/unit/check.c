/* Checks against real processes that really listen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/str.h"
#include "check/check.h"
#include "check/listeners.h"

enum { LONG_MS = 60000, SHORT_MS = 60 };

/* Where the listener is, seen from the instance's leading process. */
enum family { LEADER, CHILD, ORPHAN, NOBODY };

struct instance {
	pid_t pid;
	int pidfd;
	unsigned port; /* on which it listens */
};

static int listen_on(const char *address, unsigned *port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t) *port) };
	socklen_t n = sizeof a;

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
	    bind(fd, (const struct sockaddr *) &a, sizeof a) < 0 || listen(fd, 8) < 0 ||
	    getsockname(fd, (struct sockaddr *) &a, &n) < 0)
		return -1;
	*port = ntohs(a.sin_port);
	return fd;
}

/* Answers every request with a status; with 299 only if it has the right Host header. */
static void serve(int fd, int status)
{
	for (;;) {
		char request[4096] = "", answer[128];
		int c = accept(fd, NULL, NULL);
		ssize_t n = read(c, request, sizeof request - 1);

		if (n > 0) {
			int s = status == 299 && !strstr(request, "\r\nHost: app.example.org\r\n") ? 500
												   : status;
			int len = snprintf(answer, sizeof answer,
					   "HTTP/1.1 %d X\r\nLocation: /else\r\n"
					   "Content-Length: 0\r\nConnection: close\r\n\r\n",
					   s);

			(void) !write(c, answer, (size_t) len);
		}
		(void) close(c);
	}
}

/* What the listening process of an instance does; it never returns. */
static void __attribute__((noreturn)) be_server(const char *address, int status, int tell)
{
	unsigned port = 0;
	int fd = listen_on(address, &port);

	if (fd < 0 || write(tell, &port, sizeof port) != sizeof port)
		_exit(1);
	if (status)
		serve(fd, status);
	for (;;)
		(void) pause();
}

static void __attribute__((noreturn))
be_instance(enum family family, const char *address, int status, int tell)
{
	unsigned none = 0;

	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void) setsid();
	if (family == NOBODY)
		(void) !write(tell, &none, sizeof none);
	else if (family == LEADER)
		be_server(address, status, tell);
	else if (fork() == 0) {
		if (family == ORPHAN && fork() != 0)
			_exit(0);
		be_server(address, status, tell);
	}
	for (;;)
		(void) pause();
}

static struct instance start(enum family family, const char *address, int status)
{
	_cleanup_(close_pairp) int tell[2] = { -1, -1 };
	struct instance i = { 0 };

	assert_int_equal(pipe(tell), 0);
	i.pid = fork();
	if (i.pid == 0)
		be_instance(family, address, status, tell[1]);
	i.pidfd = pidfd_of(i.pid);
	assert_int_equal(read(tell[0], &i.port, sizeof i.port), sizeof i.port);
	return i;
}

static void stop(struct instance *i)
{
	(void) kill(-i->pid, SIGKILL);
	(void) waitpid(i->pid, NULL, 0);
	(void) close(i->pidfd);
}

static struct check_target target_of(const struct instance *i, unsigned port)
{
	return (struct check_target){ .service = "web",
				      .ordinal = 1,
				      .address = "127.0.0.1",
				      .port = port,
				      .pid = i->pid,
				      .exit_fd = i->pidfd };
}

/* A port on which nobody listens. */
static unsigned free_port(void)
{
	unsigned port = 0;
	int fd = listen_on("0.0.0.0", &port);

	assert_true(fd >= 0);
	(void) close(fd);
	return port;
}

static const struct plan_check tcp = { .kind = CHECK_TCP, .timeout_ms = LONG_MS };
static const struct plan_check tcp_short = { .kind = CHECK_TCP, .timeout_ms = SHORT_MS };

/* --- tcp --- */

static const struct own_row {
	const char *name, *address, *bind_address;
	enum family family;
} own_rows[] = {
	{ "tcp: the leader listens", "127.0.0.1", "127.0.0.1", LEADER },
	{ "tcp: a child listens", "127.0.0.1", "127.0.0.1", CHILD },
	{ "tcp: one that left its parent listens", "127.0.0.1", "127.0.0.1", ORPHAN },
	{ "tcp: on all addresses", "0.0.0.0", "127.0.0.1", LEADER },
	{ "tcp: bound to all addresses", "0.0.0.0", "0.0.0.0", LEADER },
	{ "tcp: bound to another address", "127.0.0.2", "127.0.0.2", LEADER },
};

static void own_listener(void **state)
{
	const struct own_row *row = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	struct instance i = start(row->family, row->address, 0);
	struct check_target t = target_of(&i, i.port);

	t.address = row->bind_address;
	int r = check_wait(&tcp, &t, &e), who = check_who_listens(i.pid, i.port, NULL);
	stop(&i);
	assert_null(e);
	assert_int_equal(r, 0);
	assert_int_equal(who, 1);
}

static void another_has_the_port(void **state UNUSED)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *holder = NULL, *want = NULL;
	unsigned port = 0;
	struct instance i = start(NOBODY, "", 0);
	_cleanup_(closep) int fd = listen_on("127.0.0.1", &port);
	struct check_target t = target_of(&i, port);
	int64_t begin = monotonic_ms();

	assert_true(fd >= 0);
	int r = check_wait(&tcp, &t, &e), who = check_who_listens(i.pid, port, &holder);
	int whoever = check_who_listens(0, port, NULL);
	stop(&i);
	assert_true(monotonic_ms() - begin < LONG_MS);
	assert_int_equal(r, ERR_FAILED);
	want = xasprintf("port %u is taken by test-check (pid %d), which is not web.1", port, (int) getpid());
	assert_string_equal(e->msg, want);
	assert_int_equal(who, -1);
	assert_int_equal(whoever, -1);
	assert_non_null(strstr(holder, "test-check (pid "));
}

/* Both are there, ours on all addresses and theirs on the one that is connected to. */
static void another_is_nearer(void **state UNUSED)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct instance ours = start(LEADER, "127.0.0.3", 0);
	unsigned port = ours.port;
	_cleanup_(closep) int fd = listen_on("127.0.0.1", &port);
	struct check_target t = target_of(&ours, port);
	int r = check_wait(&tcp, &t, &e);

	stop(&ours);
	assert_true(fd >= 0);
	assert_int_equal(r, ERR_FAILED);
	assert_non_null(strstr(e->msg, "is taken by test-check"));
}

static void wrong_port(void **state UNUSED)
{
	_cleanup_(err_freep) struct err *e = NULL;
	unsigned port = free_port();
	struct instance i = start(CHILD, "127.0.0.1", 0);
	struct check_target t = target_of(&i, port);
	int r = check_wait(&tcp_short, &t, &e), who = check_who_listens(i.pid, port, NULL);
	_cleanup_(freep) char *want =
		xasprintf("nothing listens on 127.0.0.1:%u; web.1 listens on %u instead: it must "
			  "listen on $PORT",
			  port, i.port);

	stop(&i);
	assert_int_equal(r, ERR_FAILED);
	assert_non_null(strstr(e->msg, want));
	assert_int_equal(who, 0);
}

static void wrong_address(void **state UNUSED)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct instance i = start(LEADER, "127.0.0.2", 0);
	struct check_target t = target_of(&i, i.port);
	int r = check_wait(&tcp_short, &t, &e);

	stop(&i);
	assert_int_equal(r, ERR_FAILED);
	assert_non_null(strstr(e->msg, "of another address than 127.0.0.1: it must listen on $BIND_ADDRESS"));
}

static void nothing_listens(void **state UNUSED)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct instance i = start(NOBODY, "", 0);
	struct check_target t = target_of(&i, free_port());
	int r = check_wait(&tcp_short, &t, &e);

	stop(&i);
	assert_int_equal(r, ERR_FAILED);
	assert_true(str_starts(e->msg, "web.1 is not healthy after 60 ms: nothing listens on 127.0.0.1:"));
	assert_null(strstr(e->msg, "instead"));
}

static void it_ends_meanwhile(void **state UNUSED)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct instance i = start(NOBODY, "", 0);
	struct check_target t = target_of(&i, free_port());
	int64_t begin = monotonic_ms();

	assert_int_equal(kill(i.pid, SIGKILL), 0);
	int r = check_wait(&tcp, &t, &e);
	stop(&i);
	assert_true(monotonic_ms() - begin < LONG_MS);
	assert_int_equal(r, ERR_FAILED);
	assert_string_equal(e->msg, "web.1 ended before it was healthy");
}

/* Its queue is full, so that the kernel drops who connects: the daemon's attempt must not wait for that. */
static void nobody_accepts(void **state UNUSED)
{
	unsigned port = 0;
	_cleanup_(closep) int fd = listen_on("127.0.0.1", &port);
	_cleanup_(closep) int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons((uint16_t) port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct instance us = { .pid = getpid(), .pidfd = -1 };
	struct check_target t = target_of(&us, port);
	struct pollfd queue = { .fd = fd, .events = POLLIN };
	int64_t shortest = LONG_MS;

	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(connect(first, (const struct sockaddr *) &at, sizeof at), 0);
	assert_int_equal(poll(&queue, 1, LONG_MS), 1);
	for (int i = 0; i < 5; i++) { /* the machine may be busy at one of them */
		int64_t began = monotonic_ms(), took;

		assert_int_equal(check_attempt(&tcp, &t), 0);
		took = monotonic_ms() - began;
		shortest = took < shortest ? took : shortest;
	}
	assert_true(shortest < CHECK_CONNECT_MS / 2);
}

/* --- http --- */

static const struct http_row {
	const char *name;
	int status;
	const char *says; /* NULL: healthy */
} http_rows[] = {
	{ "http: 200", 200, NULL },
	{ "http: a redirection", 302, NULL },
	{ "http: the Host header", 299, NULL },
	{ "http: 404", 404, "GET /up answered 404" },
	{ "http: 503", 503, "GET /up answered 503" },
	{ "http: silence", 0, "GET /up" },
};

static void http(void **state)
{
	const struct http_row *row = *state;
	const struct plan_check check = { .kind = CHECK_HTTP,
					  .path = (char[]){ "/up" },
					  .timeout_ms = row->says ? SHORT_MS : LONG_MS };
	_cleanup_(err_freep) struct err *e = NULL;
	struct instance i = start(LEADER, "127.0.0.1", row->status);
	struct check_target t = target_of(&i, i.port);

	t.host = "app.example.org";
	int r = check_wait(&check, &t, &e);
	stop(&i);
	assert_int_equal(r, row->says ? ERR_FAILED : 0);
	if (row->says && row->status)
		assert_non_null(strstr(e->msg, row->says));
}

/* --- process --- */

static void process(void **state UNUSED)
{
	const struct plan_check check = { .kind = CHECK_PROCESS, .timeout_ms = 1, .uptime_ms = 30 };
	const struct plan_check for_long = { .kind = CHECK_PROCESS,
					     .timeout_ms = LONG_MS,
					     .uptime_ms = LONG_MS };
	_cleanup_(err_freep) struct err *e = NULL;
	struct instance i = start(NOBODY, "", 0);
	struct check_target t = target_of(&i, 0);

	int healthy = check_wait(&check, &t, &e);
	(void) kill(i.pid, SIGKILL);
	int ended = check_wait(&for_long, &t, &e);
	stop(&i);
	assert_int_equal(healthy, 0);
	assert_int_equal(ended, ERR_FAILED);
	assert_non_null(strstr(e->msg, "web.1 ended"));
}

/* --- ports --- */

static void ports(void **state UNUSED)
{
	_cleanup_(freep) unsigned *got = NULL;
	size_t n = 0;
	struct instance i = start(CHILD, "127.0.0.1", 0);
	bool is_free = check_port_is_free(i.port);

	assert_int_equal(check_listening_ports(i.pid, &got, &n), 0);
	stop(&i);
	assert_int_equal(n, 1);
	assert_int_equal(got[0], i.port);
	assert_false(is_free);
	assert_true(check_port_is_free(free_port()));
}

static const struct listener *find_listener(const struct listeners *all, unsigned long inode)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].inode == inode)
			return &all->v[i];
	return NULL;
}

/* What the kernel answers and what its tables say is the same. */
static void two_ways_to_listeners(void **state UNUSED)
{
	static const char *const addresses[] = { "127.0.0.1", "127.0.0.2", "0.0.0.0" };
	int fds[COUNT(addresses)];
	_cleanup_(listeners_done) struct listeners asked = { 0 }, read = { 0 };
	unsigned ports[COUNT(addresses)] = { 0 };

	for (size_t i = 0; i < COUNT(addresses); i++) {
		fds[i] = listen_on(addresses[i], &ports[i]);
		assert_true(fds[i] >= 0);
	}
	listeners_read(&asked);
	listeners_read_proc(&read);
	for (size_t i = 0; i < COUNT(addresses); i++) {
		_cleanup_(freep) char *mapped = xasprintf("::ffff:%s", addresses[i]);
		struct in6_addr want;
		struct stat st;

		assert_int_equal(fstat(fds[i], &st), 0);
		assert_int_equal(inet_pton(AF_INET6, mapped, &want), 1);
		for (int k = 0; k < 2; k++) {
			const struct listener *l = find_listener(k ? &read : &asked, st.st_ino);

			assert_non_null(l);
			assert_int_equal(l->port, ports[i]);
			assert_int_equal(l->uid, geteuid());
			assert_memory_equal(&l->address, &want, sizeof want);
		}
		(void) close(fds[i]);
	}
}

int main(void)
{
	static const struct {
		const char *name;
		void (*fn)(void **state);
	} single[] = {
		{ "tcp: another has the port", another_has_the_port },
		{ "tcp: another is nearer", another_is_nearer },
		{ "tcp: it listens on another port", wrong_port },
		{ "tcp: it listens on another address", wrong_address },
		{ "tcp: nothing listens", nothing_listens },
		{ "tcp: the instance ends", it_ends_meanwhile },
		{ "tcp: the daemon waits for nobody who does not accept", nobody_accepts },
		{ "process: alive for long enough, then not", process },
		{ "ports of an instance", ports },
		{ "listeners: asked for and read from /proc", two_ways_to_listeners },
	};
	struct CMUnitTest tests[COUNT(own_rows) + COUNT(http_rows) + COUNT(single)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(own_rows); i++)
		tests[n++] = (struct CMUnitTest){ own_rows[i].name, own_listener, NULL, NULL,
						  (void *) &own_rows[i] };
	for (size_t i = 0; i < COUNT(http_rows); i++)
		tests[n++] =
			(struct CMUnitTest){ http_rows[i].name, http, NULL, NULL, (void *) &http_rows[i] };
	for (size_t i = 0; i < COUNT(single); i++)
		tests[n++] = (struct CMUnitTest){ single[i].name, single[i].fn, NULL, NULL, NULL };
	return _cmocka_run_group_tests("check", tests, n, NULL, NULL);
}
