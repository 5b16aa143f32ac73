/* recover: its code is slipwayd's. */
#pragma once

#include "cli/cli.h"

/* In slipwayd alone, NULL in slipway. */
__attribute__((weak)) int recover_command(struct cli *cli, char **argv, struct err **e);
