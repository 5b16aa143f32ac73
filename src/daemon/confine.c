/* Each instance has a cgroup of its own where one can be made; elsewhere it limits itself before it begins.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/daemon-internal.h"
#include "plan/root.h"

void confine_begin(struct daemon *d)
{
	_cleanup_(freep) char *path = root_cgroup(d->root);
	_cleanup_(err_freep) struct err *e = NULL;

	if (cgroup_tree_open(&d->cgroups, d->host.cgroup, &e) < 0)
		log_failure("[instances] cgroup cannot be used; limits are those of processes", NULL, &e);
	if (cgroup_tree_write(&d->cgroups, path, &e) < 0) { /* what is started would rely on it */
		log_failure("cgroups are not used", NULL, &e);
		cgroup_tree_done(&d->cgroups);
		(void) unlink(path);
	}
	if (d->cgroups.path)
		log_info("instances get cgroups", F("below", d->cgroups.path));
}

static char *name_of(const struct instance *i)
{
	return xasprintf("%s:%s.%u:%" PRId64, i->row.app, i->row.service, i->row.ordinal, i->row.deployment);
}

static bool is_of_instance(const char *name, void *ctx)
{
	const struct daemon *d = ctx;

	for (const struct instance *i = d->instances; i; i = i->next) {
		_cleanup_(freep) char *its = name_of(i);

		if (str_eq(its, name))
			return true;
	}
	return false;
}

void confine_sweep(struct daemon *d)
{
	cgroup_sweep(&d->cgroups, is_of_instance, d);
}

int confine_prepare(struct instance *i, struct err **e)
{
	_cleanup_(freep) char *name = name_of(i);

	free(i->cgroup);
	i->cgroup = NULL;
	if (!i->d->cgroups.path)
		return 0;
	int r = cgroup_make(&i->d->cgroups, name, &i->limits, &i->cgroup, e);

	if (r >= 0)
		i->oom_kills = cgroup_oom_kills(i->cgroup);
	return r;
}

int confine_enter(const struct instance *i, struct err **e)
{
	return i->cgroup ? cgroup_enter(i->cgroup, i->child.pid, e) : 0;
}

void confine_adopt(struct instance *i)
{
	_cleanup_(freep) char *name = name_of(i);
	_cleanup_(freep) char *group = i->d->cgroups.path ? path_join(i->d->cgroups.path, name) : NULL;
	_cleanup_(err_freep) struct err *e = NULL;

	if (!group || !is_dir(group))
		return;
	i->cgroup = TAKE(group);
	i->oom_kills = cgroup_oom_kills(i->cgroup);
	/* set anew: systemd starts a service only after its controllers were taken back from the groups in it
	 */
	if (cgroup_set(&i->d->cgroups, i->cgroup, &i->limits, &e) < 0)
		log_failure("limits of an adopted instance were not set", i->row.app, &e);
}

static void say_oom(const struct instance *i)
{
	_cleanup_(freep) char *fifo = root_fifo(i->d->root, i->row.app, i->row.service, i->row.ordinal);
	_cleanup_(freep) char *limit = limit_text(LIMIT_MEMORY, i->limits.max[LIMIT_MEMORY]);
	_cleanup_(freep) char *line =
		xasprintf("slipway: killed by the kernel: out of memory (LIMIT_MEMORY is %s)\n", limit);
	_cleanup_(closep) int fd = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0)
		(void) !write(fd, line, strlen(line)); /* nobody waits for a full log */
}

bool confine_look_for_oom(struct instance *i)
{
	int64_t kills = i->cgroup ? cgroup_oom_kills(i->cgroup) : 0;
	bool is_new = kills > i->oom_kills;

	i->oom_kills = kills;
	if (is_new)
		say_oom(i);
	return is_new;
}

void confine_end(struct instance *i)
{
	if (i->cgroup)
		cgroup_remove(i->cgroup);
}

json_t *confine_to_json(const struct instance *i)
{
	struct limit_means means = { .has_own_user = i->uid != 0 };
	json_t *all = json_object();

	for (enum limit k = 0; k < LIMIT_COUNT; k++)
		means.cgroup[k] = i->cgroup && i->d->cgroups.has[k];
	for (enum limit k = 0; k < LIMIT_COUNT; k++) {
		json_t *j = i->limits.max[k] ? json_object() : NULL;

		if (!j)
			continue;
		json_put_num(j, "max", (int64_t) i->limits.max[k]);
		json_put_text(j, "by", limit_by_name(limit_by(k, &means)));
		(void) json_object_set_new(all, limit_name(k), j);
	}
	return all;
}
