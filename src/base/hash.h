/* BLAKE2b of what goes in, by libsodium (crypto_generichash(3)); for cache keys and fingerprints of inputs.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct hash;
struct hash *hash_new(void);
void hash_add(struct hash *h, const void *data, size_t n);
/* Adds a text with its length, so that ("ab","c") differs from ("a","bc"). NULL differs from "". */
void hash_text(struct hash *h, const char *s);
/* Adds a file's name and content; a missing file counts as such. */
int hash_file(struct hash *h, const char *path, const char *name, struct err **e);
/* 32 lower-case hexadecimal digits (128 bits); to be freed. Releases h. */
char *hash_end(struct hash *h);
