/* What the targets share: each feeds one parser, checks what must hold of its answer, and leaves nothing. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, so that the input is kept as a finding; unlike assert() it is there in every build. */
#define MUST(what)                                                                                           \
	do {                                                                                                 \
		if (!(what))                                                                                 \
			fuzz_broken(#what, __FILE__, __LINE__);                                              \
	} while (0)
void fuzz_broken(const char *what, const char *file, int line) __attribute__((noreturn));

/* The input as C text, up to its first NUL; to be freed. */
char *fuzz_text(const uint8_t *data, size_t size);
/* Cuts one line off the input, for targets that take several texts; to be freed. */
char *fuzz_line(const uint8_t **data, size_t *size);
/* A directory of this process alone, removed when it ends. Borrowed. */
const char *fuzz_dir(void);
/* Writes the input to a file there and returns its path; to be freed. */
char *fuzz_file(const char *name, const uint8_t *data, size_t size);
