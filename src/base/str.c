/* Strings and vectors: see str.h. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <strings.h>

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	void *new = reallocarray(p, n ? n : 1, size ? size : 1);

	if (!new)
		abort();
	return new;
}

char *xstrdup(const char *s)
{
	return s ? xstrndup(s, strlen(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	char *copy = xcalloc(n + 1, 1);

	if (n)
		memcpy(copy, s, n);
	return copy;
}

char *xvasprintf(const char *fmt, va_list args)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, args) < 0)
		abort();
	return s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list args;
	char *s;

	va_start(args, fmt);
	s = xvasprintf(fmt, args);
	va_end(args);
	return s;
}

void str_set(char **p, const char *s)
{
	char *copy = xstrdup(s);

	free(*p);
	*p = copy;
}

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

static bool is_of_word(char c, const char *letters)
{
	return isalnum((unsigned char) c) || c == '_' || (c && strchr(letters, c));
}

bool str_has_word(const char *text, const char *word, size_t n, const char *letters)
{
	for (const char *at = text; (at = memmem(at, strlen(at), word, n)); at += n)
		if ((at == text || !is_of_word(at[-1], letters)) && !is_of_word(at[n], letters))
			return true;
	return false;
}

bool str_to_long(const char *s, long min, long max, long *ret)
{
	char *end;
	long v;

	if (!s || !(isdigit((unsigned char) *s) || (*s == '-' && isdigit((unsigned char) s[1]))))
		return false;
	errno = 0;
	v = strtol(s, &end, 10);
	if (errno || *end || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

bool str_to_bool(const char *s)
{
	static const char *const yes[] = { "1", "on", "true", "enabled", "yes", "y" };

	for (size_t i = 0; s && i < COUNT(yes); i++)
		if (strcasecmp(s, yes[i]) == 0)
			return true;
	return false;
}

/* Edit distance in which two letters that changed places count once; words here are short. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(b), width = n + 1;
	_cleanup_(freep) size_t *rows = xcalloc((strlen(a) + 1) * width, sizeof *rows);
	size_t *row = rows, *above;

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		above = row;
		row += width;
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t best = above[j] + (a[i] != b[j]);

			if (above[j + 1] + 1 < best)
				best = above[j + 1] + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			bool is_swapped = i && j && a[i] == b[j - 1] && a[i - 1] == b[j];

			if (is_swapped && (above - width)[j - 1] + 1 < best)
				best = (above - width)[j - 1] + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t length = strlen(word), best_distance = SIZE_MAX;

	if (length > 64)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t m = strlen(candidates[i]), longer = m > length ? m : length,
		       shorter = m > length ? length : m;
		size_t d = m > 64 ? SIZE_MAX : distance(word, candidates[i]);

		/* one letter in three may be wrong; something must be in common */
		if (d <= (longer < 6 ? 1 : longer / 3) && d < shorter && d < best_distance) {
			best = candidates[i];
			best_distance = d;
		}
	}
	return best;
}

struct span span_trim(const char *from, const char *to)
{
	while (from < to && isspace((unsigned char) *from))
		from++;
	while (to > from && isspace((unsigned char) to[-1]))
		to--;
	return (struct span){ from, (size_t) (to - from) };
}

struct span span_of(const char *s)
{
	return (struct span){ s, strlen(s) };
}

bool span_eq(struct span a, const char *s)
{
	return strlen(s) == a.n && memcmp(a.s, s, a.n) == 0;
}

char *span_dup(struct span a)
{
	return xstrndup(a.s, a.n);
}

static int reserve(struct strb *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 64;

	if (n > b->max || b->len > b->max - n)
		return -E2BIG;
	while (cap < b->len + n + 1)
		cap *= 2;
	if (cap != b->cap) {
		b->s = xrealloc(b->s, cap, 1);
		b->cap = cap;
	}
	return 0;
}

int strb_add(struct strb *b, const char *data, size_t n)
{
	int r = reserve(b, n);

	if (r < 0)
		return r;
	if (n)
		memcpy(b->s + b->len, data, n);
	b->len += n;
	b->s[b->len] = '\0';
	return 0;
}

int strb_adds(struct strb *b, const char *s)
{
	return strb_add(b, s, strlen(s));
}

int strb_addf(struct strb *b, const char *fmt, ...)
{
	_cleanup_(freep) char *s = NULL;
	va_list args;

	va_start(args, fmt);
	s = xvasprintf(fmt, args);
	va_end(args);
	return strb_adds(b, s);
}

char *strb_take(struct strb *b)
{
	char *s = b->s ? b->s : xstrdup("");

	*b = STRB(b->max);
	return s;
}

void strb_done(struct strb *b)
{
	free(b->s);
	*b = STRB(b->max);
}

void strv_push(struct strv *a, char *s)
{
	if (a->n + 2 > a->cap) {
		a->cap = a->cap ? a->cap * 2 : 8;
		a->v = xrealloc(a->v, a->cap, sizeof *a->v);
	}
	a->v[a->n++] = s;
	a->v[a->n] = NULL;
}

void strv_add(struct strv *a, const char *const *strings)
{
	for (; *strings; strings++)
		strv_push(a, xstrdup(*strings));
}

void strv_addf(struct strv *a, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	strv_push(a, xvasprintf(fmt, args));
	va_end(args);
}

bool strv_has(const struct strv *a, const char *s)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], s) == 0)
			return true;
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

void strv_sort(struct strv *a)
{
	if (a->n)
		qsort(a->v, a->n, sizeof *a->v, by_text);
}

void strv_split(struct strv *a, const char *s, const char *seps)
{
	while (*(s += strspn(s, seps))) {
		size_t n = strcspn(s, seps);

		strv_push(a, xstrndup(s, n));
		s += n;
	}
}

char *strv_join(const struct strv *a, const char *sep)
{
	struct strb b = STRB(SIZE_MAX / 2);

	for (size_t i = 0; i < a->n; i++) {
		if (i)
			(void) strb_adds(&b, sep);
		(void) strb_adds(&b, a->v[i]);
	}
	return strb_take(&b);
}

void strv_done(struct strv *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	*a = (struct strv){ 0 };
}
