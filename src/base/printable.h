/*
 * Text that others wrote (an app's output, a commit's subject, a file's name) made fit for a person's
 * terminal: colours stay and end with the line; whatever else moves, hides, retitles or types is left out,
 * and what is no UTF-8 becomes U+FFFD.
 */
#pragma once

#include "base/str.h"

/* What is remembered from one piece of a stream to the next; { 0 } at its begin. */
struct printable {
	enum { PRINTABLE_PLAIN, PRINTABLE_ESCAPE, PRINTABLE_CSI, PRINTABLE_STRING, PRINTABLE_UTF8 } state;
	char sequence[32]; /* of a colour or a character, as far as it has come */
	size_t n;
	bool is_coloured;
};

void printable_add(struct printable *p, struct strb *out, const char *data, size_t n);
/* Ends a colour that is still on. */
void printable_end(struct printable *p, struct strb *out);
/* A text of several lines, to be freed. */
char *printable_text(const char *text);
/* The same as one line: line breaks become blanks. */
char *printable_line(const char *text);
