/* For the files of this folder only: what both reading keys and editing authorized_keys need. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

/* A key type that slipway accepts ("ssh-ed25519"). */
bool ssh_key_type_is_known(const char *word);
/* A name for a key out of any text: blanks and what a shell or a terminal could stumble over become '-';
 * never empty. To be freed. */
char *ssh_key_name(const char *text);
/* The first blank-separated word at *at, which moves behind it; to be freed. NULL: none. */
char *ssh_word(const char **at);
