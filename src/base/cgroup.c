/* A tree of cgroups by the files of its directories; see cgroup.h. */
#include "base/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

static const char leaf[] = "slipwayd";
static const char *const controllers[] = {
	[LIMIT_MEMORY] = "memory", [LIMIT_CPU] = "cpu", [LIMIT_PIDS] = "pids", [LIMIT_NOFILE] = ""
};

/* O_CREAT changes nothing in a cgroup; a directory that stands in for one gets its files so. */
static int put(const char *group, const char *file, const char *text, struct err **e)
{
	_cleanup_(freep) char *path = path_join(group, file);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text)); /* in one piece, as the kernel wants it */

	return n < 0 ? err_set(e, -errno, "writing '%s' to %s: %m", text, path) : 0;
}

static char *get(const char *group, const char *file)
{
	_cleanup_(freep) char *path = path_join(group, file);
	char *text = NULL;

	return file_read(path, 65536, &text, NULL, NULL) < 0 ? NULL : text;
}

/* ---- the tree ---- */

/* The group that this process is in, by the line "0::/PATH"; NULL: there is no cgroup v2, or it is the top
 * one. */
static char *own_group(void)
{
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	_cleanup_(freep) char *text = get("/proc/self", "cgroup"), *line = NULL;
	char *at = text ? (str_starts(text, "0::") ? text : strstr(text, "\n0::")) : NULL;

	if (!at)
		return NULL;
	at += *at == '\n';
	line = xstrndup(at + 3, strcspn(at + 3, "\n"));
	if (str_eq(line, "/"))
		return NULL;
	char *name = strrchr(line, '/');

	if (name && name > line && str_eq(name + 1, leaf)) /* started anew by itself */
		*name = '\0';
	for (size_t i = 0; i < COUNT(mounts); i++) {
		struct statfs fs;

		if (statfs(mounts[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return xasprintf("%s%s", mounts[i], line);
	}
	return NULL;
}

/* Those that the group has; how many. */
static int find_controllers(struct cgroup_tree *t)
{
	_cleanup_(freep) char *text = get(t->path, "cgroup.controllers");
	_cleanup_(strv_done) struct strv names = { 0 };
	int n = 0;

	strv_split(&names, text ? text : "", " \n");
	for (enum limit i = 0; i < LIMIT_COUNT; i++) {
		t->has[i] = *controllers[i] && strv_has(&names, controllers[i]);
		n += t->has[i];
	}
	return n;
}

static int hand_on_controllers(const struct cgroup_tree *t, struct err **e)
{
	struct strb text = STRB(256);

	for (enum limit i = 0; i < LIMIT_COUNT; i++)
		if (t->has[i])
			(void) strb_addf(&text, "%s+%s", text.len ? " " : "", controllers[i]);
	_cleanup_(freep) char *all = strb_take(&text);

	return put(t->path, "cgroup.subtree_control", all, e);
}

static int prepare(const struct cgroup_tree *t, struct err **e)
{
	_cleanup_(freep) char *own = path_join(t->path, leaf);

	if (mkdir(own, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "making %s: %m", own);
	int r = cgroup_enter(own, 0, e);

	return r < 0 ? r : hand_on_controllers(t, e);
}

int cgroup_tree_open(struct cgroup_tree *t, const char *configured, struct err **e)
{
	*t = (struct cgroup_tree){ 0 };
	if (str_eq(configured, "none"))
		return 0;
	t->path = configured ? xstrdup(configured) : own_group();
	if (!t->path)
		return 0;
	int n = find_controllers(t), r;

	if (n == 0 && configured)
		r = err_set(e, ERR_MISSING,
			    "%s has none of the controllers memory, cpu and pids in cgroup.controllers",
			    configured);
	else
		r = n ? prepare(t, e) : 0;
	if (r >= 0 && n > 0)
		return 0;
	cgroup_tree_done(t);
	if (!configured && e) /* where nothing is delegated that is no error */
		*e = err_free(*e);
	return configured ? r : 0;
}

int cgroup_tree_write(const struct cgroup_tree *t, const char *path, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = json_object();

	if (!t->path)
		return unlink(path) < 0 && errno != ENOENT ? err_set(e, -errno, "removing %s: %m", path) : 0;
	json_put_text(j, "path", t->path);
	for (enum limit i = 0; i < LIMIT_COUNT; i++)
		json_put_flag(j, limit_name(i), t->has[i]);
	return json_write_file(path, j, 0644, e);
}

int cgroup_tree_read(struct cgroup_tree *t, const char *path, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = NULL;

	*t = (struct cgroup_tree){ 0 };
	if (!file_exists(path))
		return 0;
	int r = json_read_file(path, &j, e);

	if (r < 0)
		return r;
	t->path = xstrdup(json_text(j, "path"));
	for (enum limit i = 0; i < LIMIT_COUNT; i++)
		t->has[i] = t->path && json_flag(j, limit_name(i), false);
	return 0;
}

void cgroup_tree_done(struct cgroup_tree *t)
{
	free(t->path);
	*t = (struct cgroup_tree){ 0 };
}

/* ---- a group ---- */

int cgroup_enter(const char *group, pid_t pid, struct err **e)
{
	_cleanup_(freep) char *text = xasprintf("%d", (int) pid);

	return put(group, "cgroup.procs", text, e);
}

static int set_memory(const char *group, uint64_t bytes, struct err **e)
{
	_cleanup_(freep) char *text = bytes ? xasprintf("%" PRIu64, bytes) : xstrdup("max"),
			      *swap = path_join(group, "memory.swap.max");
	int r = put(group, "memory.max", text, e);

	/* one that exceeds it is ended whole, and does not go on without a process of it */
	if (r >= 0)
		r = put(group, "memory.oom.group", "1", e);
	/* else the limit would only move it to the swap space; kernels without that lack the file */
	if (r >= 0 && file_exists(swap))
		r = put(group, "memory.swap.max", bytes ? "0" : "max", e);
	return r;
}

int cgroup_set(const struct cgroup_tree *t, const char *group, const struct limits *l, struct err **e)
{
	enum { PERIOD_US = 100000 };
	uint64_t cpu = l->max[LIMIT_CPU], pids = l->max[LIMIT_PIDS];
	_cleanup_(freep) char *cpu_text = cpu ? xasprintf("%" PRIu64 " %d", cpu * PERIOD_US / 1000, PERIOD_US)
					      : xasprintf("max %d", PERIOD_US),
			      *pids_text = pids ? xasprintf("%" PRIu64, pids) : xstrdup("max");
	int r = t->has[LIMIT_MEMORY] ? set_memory(group, l->max[LIMIT_MEMORY], e) : 0;

	if (r >= 0 && t->has[LIMIT_CPU])
		r = put(group, "cpu.max", cpu_text, e);
	if (r >= 0 && t->has[LIMIT_PIDS])
		r = put(group, "pids.max", pids_text, e);
	return r;
}

int cgroup_make(const struct cgroup_tree *t, const char *name, const struct limits *l, char **ret,
		struct err **e)
{
	_cleanup_(freep) char *group = path_join(t->path, name);

	cgroup_remove(group);
	if (mkdir(group, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "making %s: %m", group);
	int r = cgroup_set(t, group, l, e);

	if (r < 0) {
		(void) rmdir(group);
		return r;
	}
	*ret = TAKE(group);
	return 0;
}

int cgroup_visit(const struct cgroup_tree *t, const char *name, const struct limits *l, char **ret,
		 struct err **e)
{
	_cleanup_(freep) char *group = NULL;
	int r = t->path ? cgroup_make(t, name, l, &group, e) : 0;

	if (r >= 0 && group)
		r = cgroup_enter(group, 0, e);
	if (r < 0 && group)
		cgroup_remove(group);
	if (r >= 0)
		*ret = TAKE(group);
	return r;
}

void cgroup_leave(const struct cgroup_tree *t)
{
	_cleanup_(freep) char *own = t->path ? path_join(t->path, leaf) : NULL;

	if (own)
		(void) cgroup_enter(own, 0, NULL);
}

int64_t cgroup_oom_kills(const char *group)
{
	_cleanup_(freep) char *text = get(group, "memory.events");
	const char *at = text ? strstr(text, "oom_kill ") : NULL;

	return at ? strtoll(at + strlen("oom_kill "), NULL, 10) : 0;
}

void cgroup_remove(const char *group)
{
	if (rmdir(group) == 0 || errno == ENOENT)
		return;
	if (errno == ENOTEMPTY) { /* of a cgroup that is EBUSY: this directory only stands in for one */
		(void) tree_remove(group, NULL);
		return;
	}
	(void) put(group, "cgroup.kill", "1", NULL); /* from Linux 5.14 on */
	(void) rmdir(group);
}

void cgroup_sweep(const struct cgroup_tree *t, bool (*keep)(const char *name, void *ctx), void *ctx)
{
	_cleanup_(strv_done) struct strv names = { 0 };

	if (!t->path)
		return;
	(void) dir_list(t->path, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(freep) char *group = path_join(t->path, names.v[i]);

		if (strchr(names.v[i], ':') && !keep(names.v[i], ctx)) /* only our names have one */
			(void) rmdir(group);                           /* not while it has members */
	}
}
