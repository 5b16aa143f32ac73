/* recover: a lost store made anew; the entry of the command. */
#include "cli/recover.h"

const struct command cmd_recover = {
	.words = "recover",
	.args = "",
	.summary = "make a lost or damaged store anew, from the other files",
	.details =
		"Apps, settings, releases, ports and running instances are found again; the history of "
		"events, "
		"deployments and runs is lost. A damaged state.db is kept beside the new one. Refuses while "
		"slipwayd runs, and does nothing to a store that is whole.",
	.group = "Host",
	.needs = CLI_JSON | CLI_LOCAL,
	.run = recover_command,
	.options = (const struct option_def[]){ { 'n', "dry-run", NULL, "only say what would be recovered" },
						{ 0 } },
};
