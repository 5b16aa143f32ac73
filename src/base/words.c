/* Shell words: see words.h. */
#include "base/words.h"

#include <ctype.h>
#include <stdint.h>

/* A backslash before the end of a line: both vanish. */
static bool is_continued(const char *s)
{
	return s[0] == '\\' && s[1] == '\n';
}

/* Reads one word from *at on; returns the offending quote, or NULL when all is well. */
static const char *read_word(const char **at, struct strb *word)
{
	const char *s = *at;

	for (; *s && !isspace((unsigned char) *s); s++) {
		if (*s == '\'') {
			const char *close = strchr(s + 1, '\'');

			if (!close)
				return s;
			(void) strb_add(word, s + 1, (size_t) (close - s - 1));
			s = close;
		} else if (*s == '"') {
			const char *open = s++;

			for (; *s && *s != '"'; s++) {
				if (is_continued(s)) {
					s++;
					continue;
				}
				if (*s == '\\' && s[1] && strchr("\"\\$`", s[1]))
					s++;
				(void) strb_add(word, s, 1);
			}
			if (!*s)
				return open;
		} else if (is_continued(s)) {
			s++;
		} else if (*s == '\\') {
			if (!s[1])
				return s;
			(void) strb_add(word, ++s, 1);
		} else {
			(void) strb_add(word, s, 1);
		}
	}
	*at = s;
	return NULL;
}

int words_split(struct strv *ret, const char *s, size_t **starts, struct err **e)
{
	_cleanup_(freep) size_t *offsets = NULL;
	const char *at = s;
	size_t n = 0;

	for (;;) {
		struct strb word = STRB(SIZE_MAX / 2);

		while (isspace((unsigned char) *at))
			at++;
		if (!*at)
			break;
		*GROW(&offsets, &n) = (size_t) (at - s);
		const char *bad = read_word(&at, &word);
		if (bad) {
			strb_done(&word);
			return err_set(e, ERR_REFUSED, "the quote at column %zu is not closed",
				       (size_t) (bad - s) + 1);
		}
		strv_push(ret, strb_take(&word));
	}
	if (starts)
		*starts = TAKE(offsets);
	return 0;
}

char *word_quote(const char *s)
{
	struct strb out = STRB(SIZE_MAX / 2);

	if (*s && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=@%+,") ==
			  strlen(s))
		return xstrdup(s);
	(void) strb_adds(&out, "'");
	for (; *s; s++)
		(void) (*s == '\'' ? strb_adds(&out, "'\\''") : strb_add(&out, s, 1));
	(void) strb_adds(&out, "'");
	return strb_take(&out);
}
