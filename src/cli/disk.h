/* Sizes on the disk. */
#pragma once

#include <stdint.h>

#include "cli/cli.h"

/* What the tree at path takes on the disk, in bytes; 0: not there. A file with several links counts by its
 * share. */
int64_t disk_size(const char *path);
char *disk_text(int64_t bytes); /* "1.5M"; to be freed */

/* In slipwayd alone, NULL in slipway. */
__attribute__((weak)) int cleanup_run(struct cli *cli, char **argv, struct err **e);
