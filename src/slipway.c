/* slipway: the command line. What needs more than the store and files is executed in slipwayd (cli/cli.c).
 * Called as slipway-enter it is the last step into a sandbox. */
#include "base/enter.h"
#include "cli/cli.h"

int main(int argc, char **argv)
{
	char **enter = enter_args(argv);

	return enter ? enter_main(enter) : cli_main(argc, argv);
}
