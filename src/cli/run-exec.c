/* run, in slipwayd: this process becomes the command. */
#include "cli/cli.h"
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
	env_set(&launch.extra, "PROC_TYPE", "run", "slipway");
	if (term)
		env_set(&launch.extra, "TERM", term, "slipway");
	(void) fflush(stdout);
	store_close(&cli->store);
	r = launch_exec(&launch, e);
	env_done(&launch.extra);
	return err_wrap(e, r < 0 ? r : ERR_FAILED, "run");
}
