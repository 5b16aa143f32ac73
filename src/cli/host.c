/* The host's own commands: version, help, shutdown. */
#include "cli/cli-internal.h"

static int run_version(struct cli *cli, char **argv UNUSED, struct err **e UNUSED)
{
	_cleanup_(json_releasep) json_t *j = json_object();

	json_put_text(j, "version", VERSION);
	if (cli->is_json)
		json_print(j);
	else
		(void) puts("slipway " VERSION);
	return 0;
}

static int run_help(struct cli *cli, char **argv, struct err **e)
{
	const struct command *c = argv[0] ? cli_find(argv[0]) : NULL;

	if (argv[0] && !c)
		return err_set(e, ERR_USAGE, "unknown command '%s'; `slipway help` lists them", argv[0]);
	if (c)
		help_command(c);
	else
		help_overview(cli->who.is_remote);
	return 0;
}

static int run_shutdown(struct cli *cli, char **argv UNUSED, struct err **e)
{
	_cleanup_(json_releasep) json_t *args = json_object();

	json_put_flag(args, "instances", cli_option(cli, "instances") != NULL);
	return control_call(&cli->control, "shutdown", args, NULL, e);
}

static int run_reexec(struct cli *cli, struct err **e)
{
	_cleanup_(json_releasep) json_t *answer = NULL;
	int r = control_call(&cli->control, "reexec", NULL, &answer, e);

	if (r < 0)
		return r;
	if (cli->is_json)
		json_print(answer);
	else
		(void) printf("slipwayd %s has become %s; its pid is still %lld, and all goes on.\n",
			      json_text(answer, "from"), json_text(answer, "version"),
			      (long long) json_num(answer, "pid", 0));
	return 0;
}

static int check_daemon(char **argv, struct err **e)
{
	static const char *const words[] = { "reexec", "reload" };
	const char *near = str_nearest(argv[0], words, COUNT(words));

	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(argv[0], words[i]))
			return 0;
	if (near)
		return err_set(e, ERR_USAGE, "unknown word '%s'; did you mean '%s'?", argv[0], near);
	return err_set(e, ERR_USAGE, "unknown word '%s'; expected reexec or reload", argv[0]);
}

static int run_daemon(struct cli *cli, char **argv, struct err **e)
{
	return str_eq(argv[0], "reexec") ? run_reexec(cli, e)
					 : control_call(&cli->control, "reload", NULL, NULL, e);
}

const struct command cmd_daemon = {
	.words = "daemon",
	.args = "reexec|reload",
	.summary = "let slipwayd become the version that is installed now, or read config.toml again",
	.details = "reexec: the slipwayd that lies at the running one's path takes its place, in the same "
		   "process. "
		   "It is asked first\n"
		   "whether it can; when it cannot, nothing changes and the exit status is 4. Instances, "
		   "deployments, connections and\n"
		   "requests that wait go on.",
	.group = "Host",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_DAEMON | CLI_LOCAL | CLI_JSON,
	.check = check_daemon,
	.run = run_daemon,
};

const struct command cmd_version = {
	.words = "version",
	.args = "",
	.summary = "print the version",
	.role = ROLE_NONE,
	.group = "Host",
	.needs = CLI_JSON,
	.run = run_version,
};

const struct command cmd_help = {
	.words = "help",
	.args = "[COMMAND]",
	.summary = "list the commands, or explain one",
	.role = ROLE_NONE,
	.group = "Host",
	.max_args = 1,
	.run = run_help,
};

const struct command cmd_shutdown = {
	.words = "shutdown",
	.args = "",
	.summary = "end slipwayd; the apps go on unless --instances",
	.group = "Host",
	.needs = NEEDS_DAEMON | CLI_LOCAL,
	.run = run_shutdown,
	.options =
		(const struct option_def[]){
			{ 0, "instances", NULL, "stop every instance and the router first" }, { 0 } },
};
