/* What others wrote cannot move, hide or forge anything on the terminal of who reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/printable.h"

static const struct row {
	const char *name, *text, *want;
} rows[] = {
	{ "plain text", "a b\tc\nd", "a b\tc\nd" },
	{ "any language", "d\xc3\xa9j\xc3\xa0 \xe2\x9c\x93 \xf0\x9f\x9a\xa2",
	  "d\xc3\xa9j\xc3\xa0 \xe2\x9c\x93 \xf0\x9f\x9a\xa2" },
	{ "U+00A0 is no control", "a\xc2\xa0z", "a\xc2\xa0z" },
	{ "bell, backspace and delete", "a\a\b\x7fz", "az" },
	{ "carriage return", "evil\rgood", "evilgood" },
	{ "colours stay and end", "\033[1;31mred", "\033[1;31mred\033[0m" },
	{ "colours end with their line", "\033[31mred\nplain", "\033[31mred\033[0m\nplain" },
	{ "colours that were ended", "\033[31mred\033[0m.\033[m", "\033[31mred\033[0m.\033[m" },
	{ "moving the cursor", "a\033[2J\033[1;1H\033[3Az", "az" },
	{ "private sequences", "a\033[?1049h\033[>cz", "az" },
	{ "a sequence of a thousand digits", "a\033[11111111111111111111111111111111111111111111mz", "az" },
	{ "the title", "a\033]0;evil\az", "az" },
	{ "a link", "a\033]8;;http://x\033\\text\033]8;;\033\\z", "atextz" },
	{ "a string without an end takes one line", "a\033]52;c;evil\nz", "a\nz" },
	{ "DCS and APC", "a\033P$qm\033\\b\033_x\033\\z", "abz" },
	{ "other escapes", "a\033c\033(0\033#8z", "az" },
	{ "broken off", "a\033[31\nb\033", "a\nb" },
	{ "an escape in an escape", "a\033[3\033[31mb\033\033[2Jc", "a\033[31mbc\033[0m" },
	{ "controls in UTF-8",
	  "a\xc2\x9b\x32Jb\xc2\x9d"
	  "0;evil\ac\xc2\x85z",
	  "abcz" },
	{ "no UTF-8", "a\x9b\xffz\xc3", "a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd" },
	{ "a character that is broken off", "a\xe2\x9c\n\xf0\x9fz", "a\xef\xbf\xbd\n\xef\xbf\xbdz" },
	{ "an escape in too many bytes", "a\xc0\x9b[2J\xe0\x80\x9b",
	  "a\xef\xbf\xbd\xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "surrogates, and beyond Unicode", "\xed\xa0\x80.\xf4\x90\x80\x80",
	  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "a control amid a character", "\xe2\033[2Jz", "\xef\xbf\xbdz" },
};

static void shows(void **state)
{
	const struct row *row = *state;
	_cleanup_(freep) char *got = printable_text(row->text);

	assert_string_equal(got, row->want);
}

/* Whatever the pieces in which it comes. */
static void comes_in_pieces(void **state)
{
	const struct row *row = *state;
	struct strb out = STRB(1 << 20);
	struct printable p = { 0 };

	for (size_t i = 0; row->text[i]; i++)
		printable_add(&p, &out, row->text + i, 1);
	printable_end(&p, &out);
	_cleanup_(freep) char *got = strb_take(&out);

	assert_string_equal(got, row->want);
}

static void one_line(void **state UNUSED)
{
	_cleanup_(freep) char *got = printable_line("a\nb\r\nc\033[2J");

	assert_string_equal(got, "a b  c");
}

int main(void)
{
	struct CMUnitTest tests[2 * COUNT(rows) + 1];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(rows); i++) {
		tests[n++] = (struct CMUnitTest){ rows[i].name, shows, NULL, NULL, (void *) &rows[i] };
		tests[n++] =
			(struct CMUnitTest){ rows[i].name, comes_in_pieces, NULL, NULL, (void *) &rows[i] };
	}
	tests[n++] = (struct CMUnitTest){ "one line", one_line, NULL, NULL, NULL };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
