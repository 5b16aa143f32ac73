/* The forced command of an SSH key: what a client asked for, taken apart without a shell. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/*
 * Splits what a client asked for into a command line of slipway and refuses what a key may not do
 * (ERR_PERMISSION, ERR_USAGE). Of a command with CLI_RAW everything behind the app's name is one argument, as
 * it was written. argv stays empty when nothing was asked for. argv is to be released by the caller in any
 * case.
 */
int ssh_parse(struct strv *argv, const char *text, struct err **e);
/*
 * For the start of cli_main(): is this process the forced command of a Piku key line (FINGERPRINT and
 * SSH_ORIGINAL_COMMAND in the environment, the words of the latter as arguments, split by a login shell)?
 * Then argv does not count: does what SSH_ORIGINAL_COMMAND says, prints the error and returns true with the
 * exit status.
 */
bool ssh_forced(char *const *argv, int *status);
