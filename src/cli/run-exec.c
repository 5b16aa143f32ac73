/* run, in slipwayd: this process becomes the command. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "cli/cli.h"
#include "plan/root.h"
#include "store/user.h"
#include "runner/launch.h"

int run_exec(struct cli *cli, char **argv, struct err **e);

static char *join(char **argv)
{
	_cleanup_(strv_done) struct strv words = { 0 };

	strv_add(&words, (const char *const *) argv);
	char *text = strv_join(&words, " ");

	/* Over SSH the command comes as one raw text, its "--" in it. */
	if (str_starts(text, "-- "))
		memmove(text, text + 3, strlen(text + 3) + 1);
	return text;
}

static bool is_of_app(const char *name, void *ctx UNUSED)
{
	return !strstr(name, ":run:");
}

/* Its own cgroup, if we may: outside of what is delegated to slipway (a login's session) only root may enter
 * it. It is removed by the next one, as this process becomes the command. */
static void confine(struct cli *cli, struct launch *l, const struct limits *limits)
{
	_cleanup_(freep) char *path = root_cgroup(cli->root), *group = NULL,
			      *name = xasprintf("%s:run:%d", cli->app.name, (int) getpid());
	_cleanup_(cgroup_tree_done) struct cgroup_tree tree = { 0 };
	_cleanup_(err_freep) struct err *why = NULL;

	launch_limit(l, cli->root, limits);
	if (cgroup_tree_read(&tree, path, &why) < 0 || !tree.path)
		return;
	cgroup_sweep(&tree, is_of_app, NULL);
	if (cgroup_visit(&tree, name, limits, &group, &why) >= 0)
		return;
	l->means = (struct limit_means){ 0 };
	if (limits_any(limits))
		(void) fprintf(stderr, "slipway: limits are those of processes here: %s\n", why->msg);
}

/* Its pipes become its user's, so that it may open /dev/stdout. */
static int become_user(struct cli *cli, struct launch *l, struct err **e)
{
	struct user_row user;
	struct stat st;
	int r = store_user_get(&cli->store, cli->app.name, &user, e);

	if (r < 0 || !user.active)
		return r;
	l->uid = (uid_t) user.active;
	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_uid == geteuid())
			(void) fchown(fd, l->uid, (gid_t) l->uid);
	return 0;
}

int run_exec(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(freep) char *command = join(argv + 1);
	_cleanup_(spec_done) struct spec spec = { 0 };
	struct launch launch = { .spec = &spec, .command = command };
	const char *term = getenv("TERM");
	int r;

	if (!cli->app.live_version)
		return err_set(e, ERR_FAILED, "Error: app '%s' not deployed! Push it with git first",
			       cli->app.name);
	r = spec_read(&spec, cli->root, cli->app.name, (long) cli->app.live_version, e);
	if (r < 0)
		return err_wrap(e, ERR_FAILED, "run");
	r = become_user(cli, &launch, e);
	if (r < 0)
		return err_wrap(e, ERR_FAILED, "run");
	env_set(&launch.extra, "PROC_TYPE", "run", "slipway");
	if (term)
		env_set(&launch.extra, "TERM", term, "slipway");
	(void) fflush(stdout);
	store_close(&cli->store);
	confine(cli, &launch, &spec.run_limits);
	r = launch_exec(&launch, e);
	env_done(&launch.extra);
	return err_wrap(e, r < 0 ? r : ERR_FAILED, "run");
}
