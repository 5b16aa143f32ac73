/* Splitting one string into words by the quoting rules of a POSIX shell; nothing is expanded. */
#pragma once

#include "base/err.h"
#include "base/str.h"

/*
 * Splits s as sh(1) would split words: blanks separate, '...' is literal, "..." knows \" \\ \$ \`, a
 * backslash takes the next character. Returns 0, or ERR_REFUSED with the column of the quote that is not
 * closed. starts: when not NULL, gets the offset in s at which each word began (to be freed).
 */
int words_split(struct strv *ret, const char *s, size_t **starts, struct err **e);
/* Quotes one word so that sh(1) reads it back unchanged; to be freed. */
char *word_quote(const char *s);
