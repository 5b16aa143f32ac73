/* Shell words: each word, quoted, is read back unchanged; offsets rise and lie within the text. */
#include "fuzz.h"

#include "base/words.h"

static void must_read_back(const struct strv *words)
{
	_cleanup_(strv_done) struct strv quoted = { 0 }, again = { 0 };

	for (size_t i = 0; i < words->n; i++)
		strv_push(&quoted, word_quote(words->v[i]));
	_cleanup_(freep) char *line = strv_join(&quoted, " ");

	MUST(words_split(&again, line, NULL, NULL) == 0 && again.n == words->n);
	for (size_t i = 0; i < words->n; i++)
		MUST(str_eq(again.v[i], words->v[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size);
	_cleanup_(freep) size_t *starts = NULL;
	_cleanup_(strv_done) struct strv words = { 0 };

	if (words_split(&words, text, &starts, NULL) < 0)
		return 0;
	for (size_t i = 0; i < words.n; i++)
		MUST(starts[i] < strlen(text) && (i == 0 || starts[i] > starts[i - 1]));
	must_read_back(&words);
	return 0;
}
