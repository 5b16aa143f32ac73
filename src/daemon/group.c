/* Process groups and sessions as /proc shows them; the group's number stays taken as long as it has a member.
 */
#include "daemon/group.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"

struct stat_line {
	pid_t pid, group, session;
	char state;
	long pages;
};

static bool read_stat(const char *pid, struct stat_line *ret)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%s/stat", pid), *text = NULL;
	long numbers[22] = { 0 };
	size_t n = 0;

	if (file_read(path, 4096, &text, NULL, NULL) < 0)
		return false;
	const char *at = strrchr(text, ')'); /* the name before it may hold anything */

	if (!at || at[1] != ' ' || !at[2])
		return false;
	*ret = (struct stat_line){ .pid = (pid_t) strtol(pid, NULL, 10), .state = at[2] };
	for (at += 3; *at == ' ' && n < COUNT(numbers); n++) {
		char *end;

		numbers[n] = strtol(at, &end, 10); /* field 4 + n */
		at = end;
	}
	ret->group = (pid_t) numbers[1];
	ret->session = (pid_t) numbers[2];
	ret->pages = numbers[20];
	return n > 20;
}

/* Calls each() for every process until it returns true. */
static bool scan(bool (*each)(const struct stat_line *s, void *ctx), void *ctx)
{
	DIR *d = opendir("/proc");
	struct dirent *at;
	bool found = false;

	while (d && !found && (at = readdir(d))) {
		struct stat_line line;

		if (*at->d_name >= '1' && *at->d_name <= '9' && read_stat(at->d_name, &line))
			found = each(&line, ctx);
	}
	if (d)
		(void) closedir(d);
	return found;
}

/* The leader itself, or nobody, has the number: then a group of it is the one that is meant. */
static bool is_same_group(pid_t leader, unsigned long long start)
{
	unsigned long long now = proc_start_time(leader);

	return leader > 1 && (now == 0 || now == start);
}

void group_signal(pid_t leader, unsigned long long start, int sig)
{
	if (is_same_group(leader, start))
		(void) kill(-leader, sig);
}

static bool is_member(const struct stat_line *s, void *ctx)
{
	return s->group == *(const pid_t *) ctx && s->state != 'Z' && s->state != 'X';
}

bool group_is_alive(pid_t leader, unsigned long long start)
{
	if (!is_same_group(leader, start) || (kill(-leader, 0) < 0 && errno == ESRCH))
		return false;
	return scan(is_member, &leader);
}

struct orphan {
	pid_t leader, found;
};

static bool is_orphan(const struct stat_line *s, void *ctx)
{
	struct orphan *o = ctx;

	if (!is_member(s, &o->leader))
		return false;
	o->found = s->pid;
	return true;
}

pid_t group_orphan(pid_t leader)
{
	struct orphan o = { .leader = leader };

	if (leader > 1 && !proc_start_time(leader))
		(void) scan(is_orphan, &o);
	return o.found;
}

struct measured {
	struct session_memory *v;
	size_t n;
	long page;
};

static bool add_memory(const struct stat_line *s, void *ctx)
{
	const struct measured *m = ctx;

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].session == s->session)
			m->v[i].bytes += s->pages * m->page;
	return false;
}

void sessions_measure(struct session_memory *v, size_t n)
{
	struct measured m = { v, n, sysconf(_SC_PAGESIZE) };

	if (n > 0)
		(void) scan(add_memory, &m);
}
