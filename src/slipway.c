/* slipway: the command line. What needs more than the store and files is executed in slipwayd (cli/cli.c). */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
