/* Looking at what slipway understands, changing nothing: plan, validate, explain. Their code is slipwayd's.
 */
#include "cli/cli.h"
#include "cli/plan.h"

const struct command cmd_plan = {
	.words = "plan",
	.args = "APP|DIR",
	.summary = "show what an app consists of",
	.details = "Of an app: the plan of its live release. Of a directory (with a '/' in it, or '.'): what "
		   "a deployment "
		   "of it would do, with the settings that the code itself has in ENV.",
	.min_args = 1,
	.max_args = 1,
	.needs = CLI_JSON,
	.role = ROLE_READ,
	.group = "Deployments",
	.run = plan_run,
};

const struct command cmd_validate = {
	.words = "validate",
	.args = "[DIR]",
	.summary = "say everything that is wrong with an app's Procfile and ENV",
	.details = "Needs no root directory and changes nothing: fit for a pre-commit hook. Exits with 4 "
		   "when something "
		   "is wrong.",
	.min_args = 0,
	.max_args = 1,
	.needs = CLI_JSON | CLI_LOCAL,
	.group = "Deployments",
	.run = validate_run,
	.options = (const struct option_def[]){ { 0, "strict", NULL, "warnings are errors too" }, { 0 } },
};

const struct command cmd_explain = {
	.words = "explain",
	.args = "FILE",
	.summary = "show how each line of a file is understood",
	.details = "Knows Procfile, ENV, SCALING and crontab by their names; other names need --as.",
	.min_args = 1,
	.max_args = 1,
	.needs = CLI_JSON | CLI_LOCAL,
	.group = "Deployments",
	.run = explain_run,
	.options =
		(const struct option_def[]){ { 0, "as", "KIND", "read it as procfile, env, scaling or cron" },
					     { 0 } },
};
