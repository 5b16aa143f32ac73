/* The run functions of plan.c's commands: in slipwayd alone, NULL in slipway. */
#pragma once

#include "base/err.h"

struct cli;
__attribute__((weak)) int plan_run(struct cli *cli, char **argv, struct err **e);
__attribute__((weak)) int validate_run(struct cli *cli, char **argv, struct err **e);
__attribute__((weak)) int explain_run(struct cli *cli, char **argv, struct err **e);
