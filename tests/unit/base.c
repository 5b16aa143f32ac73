/* The foundation: text, environments, words, files, children, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/toml.h"
#include "base/words.h"

/* --- str --- */

static const struct nearest_row {
	const char *name, *word, *want;
} nearest_rows[] = {
	{ "nearest: a letter too many", "deployy", "deploy" },
	{ "nearest: two letters swapped", "sotp", "stop" },
	{ "nearest: a letter short", "stat", "start" },
	{ "nearest: cut off", "conf", "config" },
	{ "nearest: another word", "banana", NULL },
	{ "nearest: another short word", "cat", NULL },
	{ "nearest: one letter", "x", NULL },
	{ "nearest: two letters of which none fits", "zz", NULL },
	{ "nearest: nothing", "", NULL },
	{ "nearest: itself", "ps", "ps" },
};

static void nearest(void **state)
{
	static const char *const words[] = { "apps", "config", "deploy", "logs", "ls",
					     "ps",   "rm",     "start",  "stop" };
	const struct nearest_row *row = *state;
	const char *got = str_nearest(row->word, words, COUNT(words));

	if (row->want)
		assert_string_equal(got, row->want);
	else
		assert_null(got);
}

static const struct word_row {
	const char *name, *text, *word, *letters;
	bool want;
} word_rows[] = {
	{ "has word: alone", "path", "path", "", true },
	{ "has word: between others", "x 'path'(y", "path", "", true },
	{ "has word: the end of one", "my_path", "path", "", false },
	{ "has word: the begin of one", "path2", "path", "", false },
	{ "has word: behind a part of one", "paths path", "path", "", true },
	{ "has word: behind a letter of its own", "$path", "path", "$", false },
	{ "has word: behind no letter", "$path", "path", "", true },
	{ "has word: of nothing", "", "path", "$", false },
};

static void has_word(void **state)
{
	const struct word_row *row = *state;

	assert_int_equal(str_has_word(row->text, row->word, strlen(row->word), row->letters), row->want);
}

static const struct long_row {
	const char *name, *text;
	bool ok;
	long want;
} long_rows[] = {
	{ "number: plain", "42", true, 42 },
	{ "number: negative", "-3", true, -3 },
	{ "number: empty", "", false, 0 },
	{ "number: blank before", " 1", false, 0 },
	{ "number: blank after", "1 ", false, 0 },
	{ "number: plus", "+1", false, 0 },
	{ "number: hexadecimal", "0x1", false, 0 },
	{ "number: too large", "101", false, 0 },
	{ "number: too long", "99999999999999999999", false, 0 },
};

static void number(void **state)
{
	const struct long_row *row = *state;
	long got = 0;

	assert_int_equal(str_to_long(row->text, -10, 100, &got), row->ok);
	assert_int_equal(got, row->want);
}

static void booleans(void **state UNUSED)
{
	static const char *const yes[] = { "1", "on", "TRUE", "Enabled", "yes", "Y" };
	static const char *const no[] = { "", "0", "t", " true", "true ", "off", "no", "2", "enable" };

	for (size_t i = 0; i < COUNT(yes); i++)
		assert_true(str_to_bool(yes[i]));
	for (size_t i = 0; i < COUNT(no); i++)
		assert_false(str_to_bool(no[i]));
	assert_false(str_to_bool(NULL));
}

static void strb_has_a_ceiling(void **state UNUSED)
{
	_cleanup_(strb_done) struct strb b = STRB(5);

	assert_int_equal(strb_adds(&b, "abc"), 0);
	assert_int_equal(strb_adds(&b, "def"), -E2BIG);
	assert_string_equal(b.s, "abc");
	assert_int_equal(strb_addf(&b, "%d", 42), 0);
	assert_string_equal(b.s, "abc42");
	assert_int_equal(strb_add(&b, "x", 1), -E2BIG);
}

static void strv_is_terminated(void **state UNUSED)
{
	_cleanup_(strv_done) struct strv v = { 0 };
	_cleanup_(freep) char *none = strv_join(&v, ":"), *all = NULL;

	assert_string_equal(none, "");
	strv_split(&v, "::c:a::b:", ":");
	assert_int_equal(v.n, 3);
	assert_null(v.v[3]);
	strv_sort(&v);
	all = strv_join(&v, ", ");
	assert_string_equal(all, "a, b, c");
	assert_true(strv_has(&v, "b"));
	assert_false(strv_has(&v, "d"));
}

/* --- err --- */

static void errors_chain(void **state UNUSED)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *text = NULL;

	errno = ENOENT;
	assert_int_equal(err_set(&e, -ENOENT, "opening x: %m"), -ENOENT);
	e->status = 7;
	assert_int_equal(err_wrap(&e, ERR_FAILED, "building %s", "blog"), ERR_FAILED);
	text = err_text(e);
	assert_string_equal(text, "building blog: opening x: No such file or directory");
	assert_int_equal(e->status, 7);
	assert_int_equal(err_set(&e, ERR_USAGE, "again: %s", e->msg), ERR_USAGE); /* of the old one */
	assert_string_equal(e->msg, "again: building blog");
	assert_null(e->cause);
}

static void exit_statuses(void **state UNUSED)
{
	assert_int_equal(err_exit_status(ERR_USAGE), 2);
	assert_int_equal(err_exit_status(ERR_NOT_FOUND), 3);
	assert_int_equal(err_exit_status(ERR_REFUSED), 4);
	assert_int_equal(err_exit_status(ERR_MISSING), 5);
	assert_int_equal(err_exit_status(ERR_UNDONE), 6);
	assert_int_equal(err_exit_status(ERR_PERMISSION), 7);
	assert_int_equal(err_exit_status(ERR_FAILED), 1);
	assert_int_equal(err_exit_status(-EIO), 1);
}

/* --- env: expansion (Piku spec section 5) --- */

static const struct expand_row {
	const char *name, *text, *want;
} expand_rows[] = {
	{ "expand: $NAME", "x$A-y", "x1-y" },
	{ "expand: the longest name", "$AB$A", "two1" },
	{ "expand: ${NAME}", "${A}B", "1B" },
	{ "expand: an odd name in braces", "${export B}", "odd" },
	{ "expand: unknown stays", "$NO ${NO} $", "$NO ${NO} $" },
	{ "expand: no escape", "\\$A", "\\1" },
	{ "expand: two dollars", "$$A", "$1" },
	{ "expand: no defaults", "${A:-x}", "${A:-x}" },
	{ "expand: $1 is a name", "$1", "digit" },
	{ "expand: nothing in braces", "${}", "${}" },
	{ "expand: blanks in braces", "${ A }", "${ A }" },
	{ "expand: brace not closed", "${A", "${A" },
	{ "expand: one pass only", "$DOLLAR", "$A" },
	{ "expand: empty value", "<$EMPTY>", "<>" },
	{ "expand: a dash ends the name", "$A-B", "1-B" },
};

static void expand(void **state)
{
	const struct expand_row *row = *state;
	_cleanup_(env_done) struct env env = { 0 };

	env_set(&env, "A", "1", "t");
	env_set(&env, "AB", "two", "t");
	env_set(&env, "export B", "odd", "t");
	env_set(&env, "1", "digit", "t");
	env_set(&env, "DOLLAR", "$A", "t");
	env_set(&env, "EMPTY", "", "t");
	_cleanup_(freep) char *got = env_expand(&env, row->text);

	assert_string_equal(got, row->want);
}

/* --- env: the settings dialect (Piku spec 7.1) --- */

static const struct parse_row {
	const char *name, *text, *want; /* want: "NAME=value|..." */
	const char *says;               /* the first problem */
	size_t n;                       /* of text; 0: strlen */
} parse_rows[] = {
	{ "env: plain", "A=1\nB=2\n", "A=1|B=2", NULL, 0 },
	{ "env: no final newline", "A=1", "A=1", NULL, 0 },
	{ "env: carriage returns", "A=1\r\nB=2\r\n", "A=1|B=2", NULL, 0 },
	{ "env: a byte order mark",
	  "\xef\xbb\xbf"
	  "A=1\n",
	  "A=1", NULL, 0 },
	{ "env: comment in column 1", "#A=1\nB=2\n", "B=2", NULL, 0 },
	{ "env: an indented comment with '=' is a name", "  # A=1\n", "# A=1", NULL, 0 },
	{ "env: an indented comment is a bad line", "A=1\n  # x\nB=2\n", "A=1|B=2",
	  "ENV:2:1: expected NAME=VALUE", 0 },
	{ "env: blanks around both halves", "  A =  x y  \n", "A=x y", NULL, 0 },
	{ "env: the first '=' counts", "A=b=c\n", "A=b=c", NULL, 0 },
	{ "env: quotes stay", "Q=\"a b\"\n", "Q=\"a b\"", NULL, 0 },
	{ "env: '#' after a value belongs to it", "A=1 # x\n", "A=1 # x", NULL, 0 },
	{ "env: an empty value", "A=\n", "A=", NULL, 0 },
	{ "env: later lines win, the place stays", "A=1\nB=2\nA=3\n", "A=3|B=2", NULL, 0 },
	{ "env: no name", "=x\nB=2\n", "B=2", "ENV:1:1: expected a name before '='", 0 },
	{ "env: export is part of the name", "export B=2\n", "export B=2",
	  "ENV:1:1: this sets a variable named", 0 },
	{ "env: no continuation", "A=1\\\nB=2\n", "A=1\\|B=2", NULL, 0 },
	{ "env: what is there already", "P=/x:$PATH\nC=$P\n", "P=/x:/bin|C=/x:/bin", NULL, 0 },
	{ "env: what comes later stays", "A=$B\nB=1\n", "A=$B|B=1", NULL, 0 },
	{ "env: itself", "PATH=/y:$PATH\n", "PATH=/y:/bin", NULL, 0 },
	{ "env: a NUL", "A=1\0x\nB=2\n", "B=2", "ENV:1:1: expected", 10 },
	{ "env: nothing", "", "", NULL, 0 },
};

static void parse(void **state)
{
	const struct parse_row *row = *state;
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(strv_done) struct strv lines = { 0 };

	env_set(&env, "PATH", "/bin", "base");
	env_parse(&env, row->text, row->n ? row->n : strlen(row->text), "ENV", NULL, true, &problems);
	if (str_eq(env_origin(&env, "PATH"), "base"))
		env_unset(&env, "PATH");
	env_strings(&env, &lines);
	_cleanup_(freep) char *got = strv_join(&lines, "|");

	assert_string_equal(got, row->want);
	assert_int_equal(problems.n, row->says ? 1 : 0);
	if (row->says) {
		_cleanup_(freep) char *text = problem_text(&problems.v[0]);

		assert_true(str_starts(text, row->says));
	}
}

static void parse_keeps_origins(void **state UNUSED)
{
	_cleanup_(env_done) struct env env = { 0 };

	env_parse(&env, "\nA=$X\n", 6, "ENV", NULL, false, NULL);
	assert_string_equal(env_origin(&env, "A"), "ENV:2");
	assert_string_equal(env_get(&env, "A"), "$X");
	env_parse(&env, "A=2", 3, "ENV", "config", true, NULL);
	assert_string_equal(env_origin(&env, "A"), "config");
	assert_int_equal(env.n, 1);
}

/* Each line doubles the value; a text of a few hundred bytes would fill the memory. */
static void parse_has_a_ceiling(void **state UNUSED)
{
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(env_done) struct env env = { 0 };
	struct strb text = STRB(4096);
	size_t n = 0;

	(void) strb_adds(&text, "A=0123456789abcdef\n");
	for (int i = 0; i < 60; i++)
		(void) strb_adds(&text, "A=$A$A\n");
	env_parse(&env, text.s, text.len, "ENV", NULL, true, &problems);
	strb_done(&text);
	n = strlen(env_get(&env, "A"));
	assert_int_equal(n, ENV_VALUE_MAX_BYTES / 2);
	assert_int_equal(problems_count(&problems, SEVERITY_ERROR), 60 - 12);
	for (int i = 0; i < 64; i++)
		(void) strb_adds(&text, "$A");
	assert_null(env_expand(&env, text.s));
	strb_done(&text);
}

static void legal_names(void **state UNUSED)
{
	assert_true(env_name_is_legal("a.b-c"));
	assert_true(env_name_is_legal("\xc3\xa9"));
	assert_false(env_name_is_legal(""));
	assert_false(env_name_is_legal("#a"));
	assert_false(env_name_is_legal("a b"));
	assert_false(env_name_is_legal("a=b"));
	assert_false(env_name_is_legal("a\x01"));
	assert_true(env_name_is_identifier("_A1"));
	assert_false(env_name_is_identifier("1A"));
	assert_false(env_name_is_identifier("a-b"));
	assert_false(env_name_is_identifier(""));
}

/* --- env: edits (Piku spec 7.3) --- */

static const struct edit_row {
	const char *name, *text, *key, *value, *want;
} edit_rows[] = {
	{ "edit: replace", "# c\nA=1\n\nB=$A\n", "A", "2", "# c\nA=2\n\nB=$A\n" },
	{ "edit: append", "# c\n", "A", "2", "# c\nA=2\n" },
	{ "edit: append after a line that has no end", "B=1", "A", "2", "B=1\nA=2\n" },
	{ "edit: append to nothing", "", "A", "2", "A=2\n" },
	{ "edit: the last of several", "A=1\nA=2\nB=3\n", "A", "4", "A=1\nA=4\nB=3\n" },
	{ "edit: remove all of them", "A=1\nB=2\n A = 3\nC=4", "A", NULL, "B=2\nC=4" },
	{ "edit: remove what is not there", "B=2\n", "A", NULL, "B=2\n" },
	{ "edit: a bad line stays", "what\nA=1\n", "A", "2", "what\nA=2\n" },
	{ "edit: a comment is no setting", "#A=1\n", "A", "2", "#A=1\nA=2\n" },
	{ "edit: a byte order mark stays",
	  "\xef\xbb\xbf"
	  "A=1\n",
	  "A", "2",
	  "\xef\xbb\xbf"
	  "A=2\n" },
	{ "edit: a name that begins like it", "AB=1\n", "A", "2", "AB=1\nA=2\n" },
};

static void edit(void **state)
{
	const struct edit_row *row = *state;
	_cleanup_(freep) char *got = env_edit(row->text, row->key, row->value);

	assert_string_equal(got, row->want);
}

/* --- words --- */

static const struct words_row {
	const char *name, *text, *want; /* want: words with '|' between; NULL: refused */
} words_rows[] = {
	{ "words: plain", " a  b\tc ", "a|b|c" },
	{ "words: single quotes", "'a $b' c", "a $b|c" },
	{ "words: double quotes", "\"a \\\" \\$ \\n\"", "a \" $ \\n" },
	{ "words: glued", "a'b'\"c\"d", "abcd" },
	{ "words: an empty word", "a '' b", "a||b" },
	{ "words: backslash", "a\\ b \\'", "a b|'" },
	{ "words: a continued line", "a\\\nb \"c\\\nd\"", "ab|cd" },
	{ "words: nothing is expanded", "$A *;`x`", "$A|*;`x`" },
	{ "words: nothing", "  ", "" },
	{ "words: open single quote", "a 'b", NULL },
	{ "words: open double quote", "a \"b\\\"", NULL },
	{ "words: backslash at the end", "a\\", NULL },
};

static void words(void **state)
{
	const struct words_row *row = *state;
	_cleanup_(strv_done) struct strv v = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	int r = words_split(&v, row->text, NULL, &e);

	assert_int_equal(r, row->want ? 0 : ERR_REFUSED);
	if (!row->want)
		return;
	_cleanup_(freep) char *got = strv_join(&v, "|");

	assert_string_equal(got, row->want);
	for (size_t i = 0; i < v.n; i++) { /* and quoted they come back */
		_cleanup_(strv_done) struct strv again = { 0 };
		_cleanup_(freep) char *quoted = word_quote(v.v[i]);

		assert_int_equal(words_split(&again, quoted, NULL, NULL), 0);
		assert_int_equal(again.n, 1);
		assert_string_equal(again.v[0], v.v[i]);
	}
}

static void words_say_where(void **state UNUSED)
{
	_cleanup_(strv_done) struct strv v = { 0 };
	_cleanup_(freep) size_t *starts = NULL;
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(words_split(&v, " ab 'c d' e", &starts, NULL), 0);
	assert_int_equal(starts[0], 1);
	assert_int_equal(starts[1], 4);
	assert_int_equal(starts[2], 10);
	assert_int_equal(words_split(&v, "a 'b", NULL, &e), ERR_REFUSED);
	assert_string_equal(e->msg, "the quote at column 3 is not closed");
}

/* --- files: each test has a directory of its own as its current one --- */

struct place {
	char *dir;
	int fd;
};

static int enter(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);

	p->dir = xstrdup("/tmp/slipway-base-XXXXXX");
	if (!mkdtemp(p->dir) || chdir(p->dir) < 0)
		return -1;
	p->fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return p->fd < 0 ? -1 : 0;
}

static int leave(void **state)
{
	struct place *p = *state;
	int r = chdir("/") < 0 ? -1 : tree_remove(p->dir, NULL);

	(void) close(p->fd);
	free(p->dir);
	free(p);
	return r;
}

static void put(const char *path, const char *text)
{
	assert_int_equal(file_replace(path, text, strlen(text), 0644, NULL), 0);
}

static void replace_is_whole(void **state UNUSED)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(strv_done) struct strv names = { 0 };
	struct stat st;
	size_t n;

	put("f", "old");
	assert_int_equal(file_replace("f", "a\0b", 3, 0600, NULL), 0);
	assert_int_equal(file_read("f", 10, &text, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(text, "a\0b", 4);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(dir_list(".", &names, NULL), 0);
	assert_int_equal(names.n, 1); /* no temporary file */
}

static void replace_takes_a_links_place(void **state UNUSED)
{
	_cleanup_(freep) char *text = NULL;
	struct stat st;

	put("target", "kept");
	assert_int_equal(symlink("target", "link"), 0);
	put("link", "new");
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(file_read("target", 10, &text, NULL, NULL), 0);
	assert_string_equal(text, "kept");
}

static void replace_fails_clean(void **state UNUSED)
{
	_cleanup_(strv_done) struct strv names = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(mkdir("dir", 0755), 0);
	assert_true(file_replace("dir", "x", 1, 0644, &e) < 0);
	assert_non_null(e);
	assert_int_equal(file_replace("no/f", "x", 1, 0644, NULL), -ENOENT);
	assert_int_equal(dir_list(".", &names, NULL), 0);
	assert_int_equal(names.n, 1);
}

static void read_has_a_ceiling(void **state UNUSED)
{
	_cleanup_(freep) char *text = NULL;

	put("f", "12345");
	assert_int_equal(file_read("f", 4, &text, NULL, NULL), ERR_REFUSED);
	assert_null(text);
	assert_int_equal(file_read("f", 5, &text, NULL, NULL), 0);
	assert_int_equal(file_read(".", 5, &text, NULL, NULL), ERR_REFUSED);
	assert_int_equal(mkfifo("fifo", 0600), 0); /* nobody writes: it must not wait */
	assert_int_equal(file_read("fifo", 5, &text, NULL, NULL), ERR_REFUSED);
	assert_int_equal(file_read("none", 5, &text, NULL, NULL), -ENOENT);
}

static const struct beneath_row {
	const char *name, *path;
	int want;
} beneath_rows[] = {
	{ "beneath: a file", "in/f", 0 },
	{ "beneath: a link inside", "in/inner", 0 },
	{ "beneath: up and down again", "in/../in/f", 0 },
	{ "beneath: up", "../../etc/passwd", ERR_REFUSED },
	{ "beneath: absolute", "/etc/passwd", ERR_REFUSED },
	{ "beneath: an absolute link", "in/passwd", ERR_REFUSED },
	{ "beneath: a link upwards", "in/up/etc/passwd", ERR_REFUSED },
	{ "beneath: a magic link", "in/proc", ERR_REFUSED },
	{ "beneath: nothing there", "in/none", -ENOENT },
};

static void beneath(void **state)
{
	const struct beneath_row *row = *state;
	void *at = NULL;
	_cleanup_(freep) char *text = NULL;

	assert_int_equal(enter(&at), 0);
	int fd = ((struct place *) at)->fd;
	assert_int_equal(mkdir("in", 0755), 0);
	put("in/f", "x");
	assert_int_equal(symlink("f", "in/inner"), 0);
	assert_int_equal(symlink("/etc/passwd", "in/passwd"), 0);
	assert_int_equal(symlink("../../../../../../..", "in/up"), 0);
	assert_int_equal(symlink("/proc/self/exe", "in/proc"), 0);
	assert_int_equal(file_read_beneath(fd, row->path, 1 << 20, &text, NULL, NULL), row->want);
	assert_int_equal(leave(&at), 0);
}

static void trees_go_without_following(void **state UNUSED)
{
	assert_int_equal(dir_make("keep", 0755, NULL), 0);
	put("keep/f", "x");
	assert_int_equal(dir_make("tree/a/b", 0755, NULL), 0);
	put("tree/a/b/f", "x");
	assert_int_equal(symlink("../keep", "tree/link"), 0);
	assert_int_equal(symlink("nowhere", "tree/a/dangling"), 0);
	assert_int_equal(chmod("tree/a/b", 0500), 0);
	assert_int_equal(chmod("tree", 0500), 0);
	assert_int_equal(tree_remove("tree", NULL), 0);
	assert_false(is_dir("tree"));
	assert_true(file_exists("keep/f"));
	assert_int_equal(symlink("keep", "link"), 0);
	assert_int_equal(tree_remove("link", NULL), 0);
	assert_true(file_exists("keep/f"));
	assert_int_equal(tree_remove("keep/f", NULL), 0);
	assert_int_equal(tree_remove("none/at/all", NULL), 0);
}

/* Deeper than there are descriptors, and longer than a path may be. */
static void deep_trees_go(void **state UNUSED)
{
	enum { DEPTH = 3000 };
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdirat(fd, "deep", 0755), 0);
		int next = openat(fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		(void) close(fd);
		fd = next;
	}
	(void) close(fd);
	assert_int_equal(tree_remove("deep", NULL), 0);
	assert_false(is_dir("deep"));
}

static void directories_get_their_mode(void **state UNUSED)
{
	mode_t old = umask(077);
	struct stat st;

	assert_int_equal(dir_make("a/b/c", 0755, NULL), 0);
	(void) umask(old);
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(chmod("a", 0700), 0);
	assert_int_equal(dir_make("a/b", 0755, NULL), 0);
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700); /* left as it was */
	put("file", "x");
	assert_true(dir_make("file/x", 0755, NULL) < 0);
}

static void links_are_replaced(void **state UNUSED)
{
	char target[16] = "";

	assert_int_equal(link_replace("one", "l", NULL), 0);
	assert_int_equal(link_replace("two", "l", NULL), 0);
	assert_int_equal(readlink("l", target, sizeof target - 1), 3);
	assert_string_equal(target, "two");
}

static void locks_exclude(void **state UNUSED)
{
	_cleanup_(closep) int held = file_lock("lock", false, NULL);
	_cleanup_(err_freep) struct err *e = NULL;

	assert_true(held >= 0);
	assert_int_equal(file_lock("lock", false, &e), -EWOULDBLOCK);
	(void) close(take_fd(&held));
	held = file_lock("lock", true, NULL);
	assert_true(held >= 0);
}

static void programs_are_found(void **state UNUSED)
{
	_cleanup_(freep) char *got = NULL;

	assert_int_equal(dir_make("a", 0755, NULL), 0);
	assert_int_equal(dir_make("b/tool", 0755, NULL), 0); /* a directory is no program */
	put("a/tool", "");
	assert_null(find_program("tool", "a:b"));
	assert_int_equal(chmod("a/tool", 0755), 0);
	got = find_program("tool", "b:a");
	assert_string_equal(got, "a/tool");
	assert_null(find_program("tool", NULL));
}

/* --- children --- */

static const struct run_row {
	const char *name, *script;
	int want;
	const char *out;
} run_rows[] = {
	{ "run: its status", "exit 7", 7, "" },
	{ "run: killed by a signal", "kill -KILL $$", 128 + SIGKILL, "" },
	{ "run: both outputs", "echo a; echo b >&2", 0, "a\nb\n" },
	{ "run: no input", "cat; echo end", 0, "end\n" },
	{ "run: no descriptors", "ls /proc/self/fd | wc -l", 0, "4\n" }, /* 0, 1, 2 and ls's own */
	{ "run: leads a session", "set -- $(cat /proc/$$/stat); [ $1 = $6 ] && echo yes", 0, "yes\n" },
	/* 32 and 33 are libc's own, which posix_spawn() leaves ignored */
	{ "run: signals as at birth", "grep -c '^SigIgn:.*0000000$' /proc/self/status", 0, "1\n" },
	{ "run: cwd and environment", "echo $PWD:$A:$HOME", 0, "/:b:\n" },
	{ "run: what is left in the background is not waited for", "exec sleep 1000 & echo x", 0, "x\n" },
};

static void run(void **state)
{
	const struct run_row *row = *state;
	char *argv[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" }, xstrdup(row->script), NULL };
	char *env[] = { (char[]){ "A=b" }, (char[]){ "PATH=/usr/bin:/bin" }, NULL };
	_cleanup_(freep) char *out = NULL;
	_cleanup_(err_freep) struct err *e = NULL;
	void (*old)(int) = signal(SIGUSR1, SIG_IGN);
	int r = proc_run(argv, env, "/", 20000, &out, &e);

	(void) signal(SIGUSR1, old);
	free(argv[2]);
	assert_int_equal(r, row->want);
	assert_string_equal(out, row->out);
}

static void run_reports_a_failed_exec(void **state UNUSED)
{
	char *argv[] = { (char[]){ "/nonexistent/tool" }, NULL };
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(proc_run(argv, NULL, NULL, 0, NULL, &e), -ENOENT);
	assert_string_equal(e->msg, "starting /nonexistent/tool: No such file or directory");
}

static void run_ends_in_time(void **state UNUSED)
{
	/* the shell and its child both would go on for long */
	char *argv[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" }, (char[]){ "echo begun; sleep 1000; :" },
			 NULL };
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *out = NULL;
	int64_t start = monotonic_ms();

	assert_int_equal(proc_run(argv, NULL, NULL, 100, &out, &e), -ETIMEDOUT);
	assert_non_null(strstr(e->msg, "did not end"));
	assert_true(monotonic_ms() - start < 9000); /* TERM was enough */
}

static void processes_are_told_apart(void **state UNUSED)
{
	char *argv[] = { (char[]){ "/bin/sleep" }, (char[]){ "1000" }, NULL };
	_cleanup_(proc_done) struct proc p = PROC(argv);

	assert_int_equal(proc_start(&p, NULL), 0);
	pid_t pid = p.pid;
	unsigned long long start = proc_start_time(pid);
	assert_true(start > 0);
	assert_true(proc_is_alive(pid, start));
	assert_false(proc_is_alive(pid, start + 1));
	siginfo_t si;
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t) pid, &si, WEXITED | WNOWAIT), 0);
	assert_false(proc_is_alive(pid, start)); /* a zombie */
	proc_done(&p);
	assert_true(proc_start_time(pid) != start);
}

/* Killed, we cannot end it any more: the kernel does. */
static void what_is_tied_dies_with_us(void **state UNUSED)
{
	char *argv[] = { (char[]){ "/bin/sleep" }, (char[]){ "1000" }, NULL };
	_cleanup_(close_pairp) int tell[2] = { -1, -1 };
	pid_t pid = 0, us;

	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	us = fork();
	if (us == 0) {
		struct proc p = PROC(argv);

		p.is_tied = true;
		if (proc_start(&p, NULL) < 0 || write(tell[1], &p.pid, sizeof p.pid) < 0)
			_exit(1);
		(void) pause();
		_exit(1);
	}
	assert_int_equal(read(tell[0], &pid, sizeof pid), sizeof pid);

	_cleanup_(closep) int fd = pidfd_of(pid);
	struct pollfd end = { .fd = fd, .events = POLLIN };

	assert_true(fd >= 0);
	assert_int_equal(poll(&end, 1, 0), 0);
	assert_int_equal(kill(us, SIGKILL), 0);
	assert_int_equal(waitpid(us, NULL, 0), us);
	assert_int_equal(poll(&end, 1, 60000), 1);
}

static void add_text(void *ctx, const char *data, size_t n)
{
	(void) strb_add(ctx, data, n);
}

static void what_is_tied_runs_as_any_other(void **state UNUSED)
{
	char *argv[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" }, (char[]){ "pwd; echo $A; cat; exit 3" },
			 NULL };
	char *env[] = { (char[]){ "A=b" }, NULL }, *none[] = { (char[]){ "/nonexistent" }, NULL };
	_cleanup_(err_freep) struct err *e = NULL;
	struct strb text = STRB(4096);
	_cleanup_(proc_done) struct proc p = PROC(argv), missing = PROC(none);

	p.is_tied = missing.is_tied = true;
	p.envp = env;
	p.cwd = "/usr";
	p.on_output = add_text;
	p.ctx = &text;
	assert_int_equal(proc_start(&p, NULL), 0);
	assert_int_equal(proc_wait(&p, NULL), 0);
	assert_int_equal(p.status, 3);
	assert_string_equal(text.s, "/usr\nb\n");
	strb_done(&text);
	assert_int_equal(proc_start(&missing, &e), -ENOENT);
	assert_string_equal(e->msg, "starting /nonexistent: No such file or directory");
}

/* --- JSON --- */

static const struct json_row {
	const char *name, *value;
} json_rows[] = {
	{ "json: plain", "a b" },
	{ "json: UTF-8", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
	{ "json: one bad byte", "a\xff"
				"b" },
	{ "json: Latin-1", "caf\xe9" },
	{ "json: a character cut off", "\xe2\x82" },
	{ "json: a surrogate", "\xed\xa0\x80" },
	{ "json: overlong", "\xc0\xaf" },
	{ "json: control characters", "\x01\t\x7f" },
	{ "json: what stands for raw bytes", "\xef\x9e\x80|\xef\x9f\xbf|\xef\x9d\xbf" },
	{ "json: empty", "" },
};

static void json_env(void **state)
{
	const struct json_row *row = *state;
	_cleanup_(env_done) struct env env = { 0 }, back = { 0 };

	env_set(&env, "V", row->value, "ENV:1");
	env_set(&env, *row->value ? row->value : "x", "as a name", "ENV:2");
	_cleanup_(json_releasep) json_t *j = json_from_env(&env);
	_cleanup_(freep) char *text = json_dumps(j, 0);
	assert_non_null(text);
	_cleanup_(json_releasep) json_t *again = json_loads(text, 0, NULL);

	json_to_env(again, &back);
	assert_int_equal(back.n, 2);
	assert_string_equal(env_get(&back, "V"), row->value);
	assert_string_equal(env_origin(&back, "V"), "ENV:1");
	assert_string_equal(back.v[1].name, env.v[1].name);
}

static void json_says_where(void **state UNUSED)
{
	_cleanup_(json_releasep) json_t *j = NULL;
	_cleanup_(err_freep) struct err *e = NULL;

	put("j", "{\n \"a\": }\n");
	assert_int_equal(json_read_file("j", &j, &e), ERR_REFUSED);
	assert_true(str_starts(e->msg, "j:2:"));
	put("j", "[]");
	assert_int_equal(json_read_file("j", &j, &e), ERR_REFUSED);
	put("j", "{\"t\": \"x\", \"n\": 3, \"f\": true}");
	assert_int_equal(json_read_file("j", &j, NULL), 0);
	assert_string_equal(json_text(j, "t"), "x");
	assert_null(json_text(j, "n"));
	assert_int_equal(json_num(j, "n", 0), 3);
	assert_int_equal(json_num(j, "t", 9), 9);
	assert_true(json_flag(j, "f", false));
}

/* --- TOML --- */

static void toml_has_places(void **state UNUSED)
{
	static const char text[] =
		"top = 1\n\n[z]\n  b = \"x\\ty\"\n  a = [1.5, true]\n[a.b]\nd = 2020-01-02\n";
	_cleanup_(toml_freep) struct toml_node *top = NULL;
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(toml_parse(&top, text, strlen(text), "t.toml", NULL, &e), 0);
	assert_int_equal(top->n_children, 3);
	assert_string_equal(top->child[1]->key, "z"); /* as in the file */
	const struct toml_node *z = toml_get(top, "z"), *b = toml_get(z, "b"), *a = toml_get(z, "a");
	assert_int_equal(b->line, 4);
	assert_int_equal(b->column, 3);
	assert_int_equal(b->kind, TOML_TEXT);
	assert_string_equal(b->text, "x\ty");
	assert_int_equal(a->n_children, 2);
	assert_int_equal(a->child[0]->kind, TOML_FLOAT);
	assert_true(a->child[0]->real > 1.4 && a->child[0]->real < 1.6);
	assert_true(a->child[1]->flag);
	assert_int_equal(a->child[1]->column, 13);
	const struct toml_node *d = toml_get(toml_get(toml_get(top, "a"), "b"), "d");
	assert_int_equal(d->kind, TOML_DATE);
	assert_string_equal(d->text, "2020-01-02");
	assert_null(toml_get(top, "none"));
	assert_null(toml_get(b, "x"));
}

static void toml_faults_have_places(void **state UNUSED)
{
	static const char text[] = "a = 1\nb = \n";
	_cleanup_(toml_freep) struct toml_node *top = NULL;
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(toml_parse(&top, text, strlen(text), "t.toml", &problems, &e), ERR_REFUSED);
	assert_null(top);
	assert_int_equal(problems.n, 1);
	assert_int_equal(problems.v[0].line, 2);
	assert_true(str_starts(e->msg, "t.toml:2:"));
}

/* --- hash, clock --- */

static char *hash_of(const char *a, const char *b)
{
	struct hash *h = hash_new();

	hash_text(h, a);
	hash_text(h, b);
	return hash_end(h);
}

static void hashes_tell_apart(void **state UNUSED)
{
	_cleanup_(freep) char *one = hash_of("ab", "c"), *two = hash_of("a", "bc"),
			      *three = hash_of("ab", "c");
	_cleanup_(freep) char *none = hash_of("ab", NULL), *empty = hash_of("ab", "");

	assert_int_equal(strlen(one), 32);
	assert_string_equal(one, three);
	assert_string_not_equal(one, two);
	assert_string_not_equal(none, empty);
}

static void time_is_injected(void **state UNUSED)
{
	assert_int_equal(setenv("SLIPWAY_TEST_NOW", "1700000000", 1), 0);
	_cleanup_(freep) char *text = time_text(now_s());

	assert_string_equal(text, "2023-11-14T22:13:20Z");
	assert_int_equal(unsetenv("SLIPWAY_TEST_NOW"), 0);
	assert_true(now_s() > 1700000000);
}

#define ADD_ROWS(rows, fn)                                                                                   \
	for (size_t i = 0; i < COUNT(rows); i++)                                                             \
		*GROW(&tests, &n) = (struct CMUnitTest)                                                      \
		{                                                                                            \
			(rows)[i].name, fn, NULL, NULL, (void *) &(rows)[i]                                  \
		}
#define ADD(fn)                                                                                              \
	*GROW(&tests, &n) = (struct CMUnitTest)                                                              \
	{                                                                                                    \
#fn, fn, NULL, NULL, NULL                                                                    \
	}
#define ADD_FILE(fn)                                                                                         \
	*GROW(&tests, &n) = (struct CMUnitTest)                                                              \
	{                                                                                                    \
#fn, fn, enter, leave, NULL                                                                  \
	}

int main(void)
{
	_cleanup_(freep) struct CMUnitTest *tests = NULL;
	size_t n = 0;

	ADD_ROWS(nearest_rows, nearest);
	ADD_ROWS(word_rows, has_word);
	ADD_ROWS(long_rows, number);
	ADD(booleans);
	ADD(strb_has_a_ceiling);
	ADD(strv_is_terminated);
	ADD(errors_chain);
	ADD(exit_statuses);
	ADD_ROWS(expand_rows, expand);
	ADD_ROWS(parse_rows, parse);
	ADD(parse_keeps_origins);
	ADD(parse_has_a_ceiling);
	ADD(legal_names);
	ADD_ROWS(edit_rows, edit);
	ADD_ROWS(words_rows, words);
	ADD(words_say_where);
	ADD_FILE(replace_is_whole);
	ADD_FILE(replace_takes_a_links_place);
	ADD_FILE(replace_fails_clean);
	ADD_FILE(read_has_a_ceiling);
	ADD_ROWS(beneath_rows, beneath);
	ADD_FILE(trees_go_without_following);
	ADD_FILE(deep_trees_go);
	ADD_FILE(directories_get_their_mode);
	ADD_FILE(links_are_replaced);
	ADD_FILE(locks_exclude);
	ADD_FILE(programs_are_found);
	ADD_ROWS(run_rows, run);
	ADD(run_reports_a_failed_exec);
	ADD(run_ends_in_time);
	ADD(processes_are_told_apart);
	ADD(what_is_tied_dies_with_us);
	ADD(what_is_tied_runs_as_any_other);
	ADD_ROWS(json_rows, json_env);
	ADD_FILE(json_says_where);
	ADD(toml_has_places);
	ADD(toml_faults_have_places);
	ADD(hashes_tell_apart);
	ADD(time_is_injected);
	return _cmocka_run_group_tests("base", tests, n, NULL, NULL);
}
