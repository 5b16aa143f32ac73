/* Who listens on a TCP port: the kernel tells the socket, descriptors in /proc its process. */
#include "check/check-internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/str.h"
#include "check/listeners.h"

struct pids {
	pid_t *v;
	size_t n;
};

static void pids_done(struct pids *p)
{
	free(p->v);
}

static void all_pids(struct pids *ret)
{
	DIR *d = opendir("/proc");
	const struct dirent *at;
	long pid;

	while (d && (at = readdir(d)))
		if (str_to_long(at->d_name, 1, INT32_MAX, &pid))
			*GROW(&ret->v, &ret->n) = (pid_t) pid;
	if (d)
		(void) closedir(d);
}

struct kin {
	pid_t pid, parent, session;
};

static bool read_kin(pid_t pid, struct kin *k)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/stat", (int) pid), *text = NULL;
	int parent, group, session;

	if (file_read(path, 4096, &text, NULL, NULL) < 0)
		return false;
	const char *paren = strrchr(text, ')'); /* the command's name may hold anything */
	if (!paren || sscanf(paren + 1, " %*c %d %d %d", &parent, &group, &session) != 3)
		return false;
	*k = (struct kin){ pid, parent, session };
	return true;
}

static bool has_pid(const struct pids *p, pid_t pid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i] == pid)
			return true;
	return false;
}

/*
 * pid, its descendants, and what is of the session that it leads (a server that went to the background and
 * lost its parent). /proc/PID/task/TID/children would be shorter, but kernels may lack it.
 */
static void family_of(pid_t pid, struct pids *ret)
{
	_cleanup_(pids_done) struct pids all = { 0 };
	_cleanup_(freep) struct kin *kin = NULL;
	size_t n = 0, before;
	struct kin k;

	if (pid <= 0) /* nobody's; 0 would be the parent of all */
		return;
	all_pids(&all);
	for (size_t i = 0; i < all.n; i++)
		if (read_kin(all.v[i], &k))
			*GROW(&kin, &n) = k;
	*GROW(&ret->v, &ret->n) = pid;
	do {
		before = ret->n;
		for (size_t i = 0; i < n; i++)
			if ((kin[i].session == pid || has_pid(ret, kin[i].parent)) &&
			    !has_pid(ret, kin[i].pid))
				*GROW(&ret->v, &ret->n) = kin[i].pid;
	} while (ret->n > before);
}

/* Calls found for each socket that a process holds until that returns true. */
static bool each_socket(pid_t pid, bool (*found)(void *ctx, unsigned long inode), void *ctx)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/fd", (int) pid);
	DIR *d = opendir(path);
	const struct dirent *at;
	bool stopped = false;

	while (d && !stopped && (at = readdir(d))) {
		char target[64];
		unsigned long inode;
		ssize_t n = readlinkat(dirfd(d), at->d_name, target, sizeof target - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			stopped = found(ctx, inode);
	}
	if (d)
		(void) closedir(d);
	return stopped;
}

static bool is_inode(void *ctx, unsigned long inode)
{
	return *(const unsigned long *) ctx == inode;
}

static bool is_held_by(unsigned long inode, const struct pids *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (each_socket(p->v[i], is_inode, &inode))
			return true;
	return false;
}

static char *describe_process(pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/comm", (int) pid), *name = NULL;

	if (file_read(path, 64, &name, NULL, NULL) < 0)
		return xasprintf("a process (pid %d)", (int) pid);
	name[strcspn(name, "\n")] = '\0';
	return xasprintf("%s (pid %d)", name, (int) pid);
}

/* Names whoever holds a listening socket; to be freed. */
static char *describe_holder(const struct listener *l)
{
	_cleanup_(pids_done) struct pids all = { 0 };
	const struct passwd *pw = getpwuid(l->uid);

	all_pids(&all);
	for (size_t i = 0; i < all.n; i++) {
		unsigned long inode = l->inode;

		if (each_socket(all.v[i], is_inode, &inode))
			return describe_process(all.v[i]);
	}
	if (l->uid == geteuid())
		return xstrdup("a process that cannot be seen from here");
	return pw ? xasprintf("a process of user %s", pw->pw_name)
		  : xasprintf("a process of user %u", l->uid);
}

static bool parse_ip(const char *text, struct in6_addr *ret)
{
	_cleanup_(freep) char *mapped = xasprintf("::ffff:%s", text);

	return inet_pton(AF_INET6, text, ret) == 1 || inet_pton(AF_INET6, mapped, ret) == 1;
}

/*
 * How surely a connection to wanted comes to l; 0: never. The kernel prefers the exact address, then 0.0.0.0,
 * then
 * "[::]", which may also be for IPv6 alone: connecting tells.
 */
static int nearness(const struct listener *l, const struct in6_addr *wanted)
{
	static const struct in6_addr any4 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (!wanted)
		return 1;
	if (memcmp(&l->address, wanted, sizeof *wanted) == 0)
		return 3;
	if (IN6_IS_ADDR_V4MAPPED(wanted) && memcmp(&l->address, &any4, sizeof any4) == 0)
		return 2;
	return IN6_IS_ADDR_UNSPECIFIED(&l->address) ? 1 : 0;
}

int listener_find(pid_t pid, const char *address, unsigned port, bool *is_elsewhere, char **holder)
{
	_cleanup_(listeners_done) struct listeners all = { 0 };
	_cleanup_(pids_done) struct pids family = { 0 };
	const struct listener *other = NULL;
	int own_nearness = 0, other_nearness = 0;
	struct in6_addr wanted;
	bool has_address = address && parse_ip(address, &wanted);

	*is_elsewhere = false;
	listeners_read(&all);
	for (size_t i = 0; i < all.n; i++) {
		const struct listener *l = &all.v[i];
		int near = nearness(l, has_address ? &wanted : NULL);

		if (l->port != port)
			continue;
		if (family.n == 0)
			family_of(pid, &family);
		if (is_held_by(l->inode, &family)) {
			own_nearness = near > own_nearness ? near : own_nearness;
			*is_elsewhere = *is_elsewhere || near == 0;
		} else if (near > other_nearness) {
			other_nearness = near;
			other = l;
		}
	}
	/* at the same address (SO_REUSEPORT) the other one would take a part of the connections */
	if (own_nearness > other_nearness || (own_nearness && !has_address))
		return 1;
	if (other && holder)
		*holder = describe_holder(other);
	return other ? -1 : 0;
}

int check_who_listens(pid_t pid, unsigned port, char **holder)
{
	bool is_elsewhere;

	return listener_find(pid, NULL, port, &is_elsewhere, holder);
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *) a, y = *(const unsigned *) b;

	return (x > y) - (x < y);
}

int check_listening_ports(pid_t pid, unsigned **ret, size_t *n)
{
	_cleanup_(listeners_done) struct listeners all = { 0 };
	_cleanup_(pids_done) struct pids family = { 0 };
	unsigned *ports = NULL;
	size_t count = 0, kept = 0;

	listeners_read(&all);
	family_of(pid, &family);
	for (size_t i = 0; i < all.n; i++)
		if (is_held_by(all.v[i].inode, &family))
			*GROW(&ports, &count) = all.v[i].port;
	if (count)
		qsort(ports, count, sizeof *ports, by_number);
	for (size_t i = 0; i < count; i++) /* once for IPv4 and IPv6 */
		if (i == 0 || ports[i] != ports[i - 1])
			ports[kept++] = ports[i];
	*ret = ports;
	*n = kept;
	return 0;
}

/* Can one bind it? 1, 0; -1: this host does not have the family. */
static int can_bind(int family, unsigned port)
{
	_cleanup_(closep) int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port) };
	int on = 1;

	if (fd < 0)
		return -1;
	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
			  sizeof on); /* as servers do: TIME_WAIT is free */
	if (family == AF_INET6)
		(void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	int r = family == AF_INET ? bind(fd, (const struct sockaddr *) &v4, sizeof v4)
				  : bind(fd, (const struct sockaddr *) &v6, sizeof v6);
	if (r == 0) /* two may bind with SO_REUSEADDR, only one may listen */
		r = listen(fd, 1);
	return r == 0 ? 1 : errno == EADDRINUSE || errno == EACCES ? 0 : -1;
}

bool check_port_is_free(unsigned port)
{
	int v4 = can_bind(AF_INET, port), v6 = can_bind(AF_INET6, port);

	return v4 != 0 && v6 != 0 && (v4 > 0 || v6 > 0);
}
