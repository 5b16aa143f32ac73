/* Two types for all text: strb, a growing string with a ceiling, and strv, a NULL-terminated vector. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

struct span {
	const char *s; /* borrowed, not NUL-terminated */
	size_t n;
};

struct strb {
	char *s; /* NUL-terminated, or NULL while empty */
	size_t len, cap, max;
};

struct strv {
	char **v; /* v[n] == NULL; v itself is NULL while empty */
	size_t n, cap;
};

#define STRB(max_bytes)  ((struct strb){ .max = (max_bytes) })
#define STRV_ADD(a, ...) strv_add(a, (const char *const[]){ __VA_ARGS__, NULL })

/* Allocation does not fail: these abort (style.md). */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);
char *xvasprintf(const char *fmt, va_list args);
/* Replaces *p, freeing what it held; s is copied and may be NULL. */
void str_set(char **p, const char *s);

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Does the text hold the word, not as a part of a longer one? letters: besides letters, digits and '_', what
 * a word may consist of. */
bool str_has_word(const char *text, const char *word, size_t n, const char *letters);
/* Whole decimal number within [min, max], nothing around it. */
bool str_to_long(const char *s, long min, long max, long *ret);
/* Piku's boolean: 1, on, true, enabled, yes, y in any case are true, all else (NULL too) is false. */
bool str_to_bool(const char *s);
/* The candidate nearest to word by edit distance, or NULL when none is near. For "did you mean". */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);

struct span span_trim(const char *from, const char *to); /* without the blanks at both ends */
struct span span_of(const char *s);
bool span_eq(struct span a, const char *s);
char *span_dup(struct span a);

int strb_add(struct strb *b, const char *data, size_t n);         /* 0, or -E2BIG: b unchanged */
int strb_adds(struct strb *b, const char *s);                     /* the same for a C string */
int strb_addf(struct strb *b, const char *fmt, ...) PRINTF(2, 3); /* the same, formatted */
char *strb_take(struct strb *b);                                  /* never NULL; b is empty afterwards */
void strb_done(struct strb *b);

void strv_add(struct strv *a, const char *const *strings); /* up to a NULL; copies them */
void strv_push(struct strv *a, char *s);                   /* takes over s */
void strv_addf(struct strv *a, const char *fmt, ...) PRINTF(2, 3);
bool strv_has(const struct strv *a, const char *s);
void strv_sort(struct strv *a);
/* Splits at any of the characters in seps and drops empty parts. */
void strv_split(struct strv *a, const char *s, const char *seps);
char *strv_join(const struct strv *a, const char *sep); /* never NULL */
void strv_done(struct strv *a);

/* Adds one zeroed element to a plain array and returns it: T *x = GROW(&arr, &n); */
#define GROW(arr, n)                                                                                         \
	({                                                                                                   \
		*(arr) = xrealloc(*(arr), *(n) + 1, sizeof **(arr));                                         \
		memset(&(*(arr))[*(n)], 0, sizeof **(arr));                                                  \
		&(*(arr))[(*(n))++];                                                                         \
	})
