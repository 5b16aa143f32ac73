/* Copying files over SSH: scp's and SFTP's far side, which see the directories of the caller's apps only. */
#pragma once

#include "cli/cli.h"

/* The heavy half, in slipwayd; weak in slipway. argv: the far side's program and its arguments, "sftp-server"
 * or scp's own words. Becomes the program; returns only on failure. */
int scp_exec(struct cli *cli, char **argv, struct err **e) __attribute__((weak));
/* The arguments with which a client's scp calls the far one (-t or -f, a few letters, one path):
 * ERR_PERMISSION for anything else. */
int scp_judge(const struct strv *argv, struct err **e);
