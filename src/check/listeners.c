/* The sockets that listen on TCP: the kernel is asked for these alone (sock_diag(7)); its tables in /proc,
 * which also work where netlink sockets are not to be had, cost it a walk over all connections there could
 * be, a millisecond and more. */
#include "check/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/str.h"

enum { STATE_LISTEN = 0x0a };

void listeners_done(struct listeners *l)
{
	free(l->v);
	*l = (struct listeners){ 0 };
}

static void set_ipv4(struct in6_addr *ret, uint32_t address)
{
	const uint32_t w[4] = { 0, 0, htonl(0xffff), address };

	memcpy(ret, w, sizeof w);
}

/* ---- by netlink ---- */

static int ask(int fd, int family)
{
	const struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 what;
	} request = {
		.head = { .nlmsg_len = sizeof request,
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.what = { .sdiag_family = (uint8_t) family,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = 1U << STATE_LISTEN },
	};

	return send(fd, &request, sizeof request, 0) == sizeof request ? 0 : -errno;
}

static void add_socket(const struct inet_diag_msg *m, struct listeners *ret)
{
	struct listener l = { .port = ntohs(m->id.idiag_sport),
			      .uid = m->idiag_uid,
			      .inode = m->idiag_inode };

	if (m->idiag_family == AF_INET)
		set_ipv4(&l.address, m->id.idiag_src[0]);
	else
		memcpy(&l.address, m->id.idiag_src, sizeof l.address);
	*GROW(&ret->v, &ret->n) = l;
}

/* 1: there is more to come. 0: that was all. */
static int read_answer(const char *answer, size_t n, struct listeners *ret)
{
	while (n >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *head = (const struct nlmsghdr *) (const void *) answer;
		size_t step = NLMSG_ALIGN(head->nlmsg_len);

		if (head->nlmsg_len < sizeof *head || step > n || head->nlmsg_type == NLMSG_ERROR)
			return -EBADMSG;
		if (head->nlmsg_type == NLMSG_DONE)
			return 0;
		if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			add_socket(NLMSG_DATA(head), ret);
		answer += step;
		n -= step;
	}
	return 1;
}

static int dump(int family, struct listeners *ret)
{
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	char answer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = fd < 0 ? -errno : ask(fd, family);

	for (r = r < 0 ? r : 1; r > 0;) {
		ssize_t n = recv(fd, answer, sizeof answer, 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		if (n > 0)
			r = read_answer(answer, (size_t) n, ret);
	}
	return r;
}

/* ---- from /proc ---- */

/* "0100007F" or 32 such digits: words as the machine stores them. */
static bool parse_address(const char *hex, struct listener *l)
{
	uint32_t w[4] = { 0 };
	size_t n = strlen(hex);

	if (n != 8 && n != 32)
		return false;
	for (size_t i = 0; i < n / 8; i++) {
		_cleanup_(freep) char *word = xstrndup(hex + 8 * i, 8);

		w[i] = (uint32_t) strtoul(word, NULL, 16);
	}
	if (n == 8)
		set_ipv4(&l->address, w[0]);
	else
		memcpy(&l->address, w, sizeof w);
	return true;
}

/* "   0: 0100007F:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 12345 ..." */
static bool parse_line(const char *line, struct listener *l)
{
	char address[40];
	unsigned state, uid;

	if (sscanf(line, " %*u: %39[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %u %*u %lu", address, &l->port, &state,
		   &uid, &l->inode) != 5)
		return false;
	l->uid = uid;
	return state == STATE_LISTEN && parse_address(address, l);
}

static void read_table(const char *path, struct listeners *ret)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	_cleanup_(freep) char *line = NULL;
	struct listener l;
	size_t cap = 0;

	if (!f || getline(&line, &cap, f) < 0) /* the heading */
		return;
	/* The kernel lists listeners first: a busy host's thousands of connections need not be read. */
	while (getline(&line, &cap, f) > 0 && parse_line(line, &l))
		*GROW(&ret->v, &ret->n) = l;
}

void listeners_read_proc(struct listeners *ret)
{
	read_table("/proc/net/tcp", ret);
	read_table("/proc/net/tcp6", ret);
}

void listeners_read(struct listeners *ret)
{
	if (dump(AF_INET, ret) == 0 && dump(AF_INET6, ret) == 0)
		return;
	listeners_done(ret);
	listeners_read_proc(ret);
}
