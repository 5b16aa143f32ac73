/* run: a command in an app's environment and sandbox. This is its entry; what it does needs the runner
 * (run-exec.c). */
#include "cli/cli.h"

int run_exec(struct cli *cli, char **argv, struct err **e) __attribute__((weak));

const struct command cmd_run = {
	.words = "run",
	.args = "APP COMMAND...",
	.summary = "run a command in the app's environment",
	.details = "The words behind APP are joined with blanks and given to `sh -c` in the live release's "
		   "directory, with\n"
		   "its settings and in its sandbox. Standard input and output are yours; the exit status is "
		   "the command's.",
	.role = ROLE_DEPLOY,
	.group = "Apps",
	.min_args = 2,
	.max_args = -1,
	.needs = NEEDS_APP | CLI_RAW,
	.run = run_exec,
};
