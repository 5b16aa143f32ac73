/* Colours for a terminal, nothing for all else (NO_COLOR: no-color.org). */
#include "cli/cli.h"

static const char *on_terminal(const char *sequence)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && !str_eq(term, "dumb") ? sequence : "";
}

const char *cli_bold(void)
{
	return on_terminal("\033[1m");
}

const char *cli_green(void)
{
	return on_terminal("\033[32m");
}

const char *cli_red(void)
{
	return on_terminal("\033[31m");
}

const char *cli_yellow(void)
{
	return on_terminal("\033[33m");
}

const char *cli_dim(void)
{
	return on_terminal("\033[2m");
}

const char *cli_reset(void)
{
	return on_terminal("\033[0m");
}
