/*
 * `slipway-enter`: the last step into every command that runs in a sandbox, as which `slipway` is executed by
 * sandbox_prefix()'s argument vector. It restricts itself and becomes the command.
 */
#pragma once

#define ENTER_NAME "slipway-enter"

/* Its arguments when argv calls for it, by argv[0] or as the first argument; else NULL. */
char **enter_args(char **argv);
/*
 * slipway-enter [OPTION VALUE]... -- COMMAND ARGUMENT...      options are followed in their order:
 *   --parent PID       die with that process, which is the parent (0: with whoever is)
 *   --signals default  the signals that stop an app get their default action back
 *   --chdir DIR        work in it
 *   --tmp DIR          make it, and let it be TMPDIR, and what PHP uses instead of /tmp
 *   --set NAME=VALUE   in the command's environment
 *   --user UID         become it, with the group of the same number, after all else; gives up all
 * capabilities
 *   --drop all         capabilities
 *   --landlock ABI     restrict itself, with the grants (landlock.h) that follow:
 *   --list, --read, --use, --write PATH
 * Returns only on failure: 127 when there is no such command, else 126; says why on standard error.
 */
int enter_main(char **args);
