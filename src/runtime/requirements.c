/* Requirements files as far as slipway must know them: what else pip reads because of them. */
#include "runtime/runtime-internal.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/file.h"

struct scan {
	struct requirements *ret;
	struct hash *h;
	const struct runtime_input *in;
	struct strv seen; /* files read, against circles */
};

struct place {
	const char *file;
	int line;
};

static int scan_file(struct scan *s, const char *file, struct err **e);

static int wrap(struct err **e, int r, const struct place *at)
{
	return r < 0 ? err_wrap(e, r, "%s:%d", at->file, at->line) : 0;
}

static bool is_archive(const char *path)
{
	static const char *const ends[] = { ".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz" };

	for (size_t i = 0; i < COUNT(ends); i++)
		if (str_ends(path, ends[i]))
			return true;
	return false;
}

/* path as pip takes it in file: relative to where the file lies; to be freed. */
static char *beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (!slash || *path == '/')
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int) (slash - file), file, path);
}

static bool is_dir_of_app(const struct scan *s, const char *path)
{
	_cleanup_(closep) int fd = open_beneath(s->in->dir, path, O_PATH | O_DIRECTORY, 0, NULL);

	return fd >= 0;
}

static int add_file(struct scan *s, const char *path, struct err **e)
{
	return *path == '/' ? hash_file(s->h, path, path, e) : input_hash_file(s->h, s->in, path, e);
}

/* The wheels in a local directory, by name and content. */
static int add_wheels(struct scan *s, const char *dir, struct err **e)
{
	_cleanup_(freep) char *full = *dir == '/' ? xstrdup(dir) : path_join(s->in->src, dir);
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = dir_list(full, &names, e);

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(dir, names.v[i]);

		if (is_archive(path))
			r = add_file(s, path, e);
	}
	return r;
}

static int scan_find_links(struct scan *s, const char *file, const char *where, struct err **e)
{
	_cleanup_(freep) char *near = beside(file, where);

	if (strstr(where, "://"))
		return 0;
	if (*near == '/' || is_dir_of_app(s, near))
		return add_wheels(s, near, e);
	return is_dir_of_app(s, where) ? add_wheels(s, where, e) : 0;
}

/* A requirement that is a path: an archive is an input, a directory ties the environment to this release. */
static int scan_path(struct scan *s, const char *path, struct err **e)
{
	_cleanup_(freep) char *bare = xstrdup(path);
	char *extras = strrchr(bare, '[');

	if (extras && extras > bare)
		*extras = '\0';
	if (is_archive(bare))
		return add_file(s, bare, e);
	s->ret->is_local = true;
	return 0;
}

static int scan_requirement(struct scan *s, const char *text, struct err **e)
{
	_cleanup_(freep) char *first = xstrndup(text, strcspn(text, " \t;"));
	const char *file = strstr(text, "file:");

	s->ret->is_empty = false;
	if (file) {
		_cleanup_(freep) char *path = xstrndup(file + 5, strcspn(file + 5, " \t;#"));

		return scan_path(s, str_starts(path, "//") ? path + 2 : path, e);
	}
	if (strstr(text, "://"))
		return 0;
	if (*first == '.' || *first == '/' || is_archive(first) ||
	    (strchr(first, '/') && is_dir_of_app(s, first)))
		return scan_path(s, first, e);
	return 0;
}

/* The value of an option in any of its spellings ("-rFILE", "-r FILE", "--requirement=FILE"), or NULL. */
static const char *option_value(const char *line, const char *letter, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(line, word, n) == 0 && (line[n] == '=' || isblank((unsigned char) line[n])))
		line += n + 1;
	else if (str_starts(line, letter) && line[2] != '-')
		line += 2;
	else
		return NULL;
	return line + strspn(line, " \t=");
}

static int scan_option(struct scan *s, const char *line, const struct place *at, struct err **e)
{
	const char *value = option_value(line, "-r", "--requirement");

	if (!value)
		value = option_value(line, "-c", "--constraint");
	if (value) {
		_cleanup_(freep) char *path = beside(at->file, value);

		if (strstr(value, "://"))
			return 0;
		return wrap(e, *path == '/' ? hash_file(s->h, path, path, e) : scan_file(s, path, e), at);
	}
	value = option_value(line, "-e", "--editable");
	if (value) {
		s->ret->is_empty = false;
		s->ret->is_local |= !strstr(value, "://") || str_starts(value, "file:");
		return 0;
	}
	value = option_value(line, "-f", "--find-links");
	return value ? wrap(e, scan_find_links(s, at->file, value, e), at) : 0;
}

/* pip puts the environment's value in place of ${NAME}. */
static void add_variables(struct scan *s, const char *line)
{
	while ((line = strstr(line, "${"))) {
		size_t n = strcspn(line += 2, "}");
		_cleanup_(freep) char *name = xstrndup(line, n);

		hash_text(s->h, s->in->env ? env_get(s->in->env, name) : NULL);
	}
}

/* Cuts off a comment: '#' at the start or after a blank. */
static struct span without_comment(const char *line)
{
	const char *hash = line;

	while ((hash = strchr(hash, '#')) && hash > line && !isblank((unsigned char) hash[-1]))
		hash++;
	return span_trim(line, hash ? hash : line + strlen(line));
}

static int scan_line(struct scan *s, const char *raw, const struct place *at, struct err **e)
{
	struct span text = without_comment(raw);
	_cleanup_(freep) char *line = span_dup(text);

	if (!*line)
		return 0;
	add_variables(s, line);
	return *line == '-' ? scan_option(s, line, at, e) : wrap(e, scan_requirement(s, line, e), at);
}

/* The next line with those that a backslash joins to it, at *from; NULL at the end; to be freed. */
static char *next_line(const char **from, int *line)
{
	struct strb b = STRB(1 << 20);

	if (!**from)
		return NULL;
	for (;;) {
		size_t n = strcspn(*from, "\n");
		const char *start = *from;
		size_t kept = n > 0 && start[n - 1] == '\r' ? n - 1 : n;

		(*line)++;
		*from += n + (start[n] == '\n');
		bool is_joined = kept > 0 && start[kept - 1] == '\\' && **from;
		(void) strb_add(&b, start, is_joined ? kept - 1 : kept); /* the file is smaller than that */
		if (!is_joined)
			return strb_take(&b);
	}
}

static int scan_text(struct scan *s, const char *file, const char *text, struct err **e)
{
	struct place at = { file, 0 };
	int r = 0, line = 0;

	while (r >= 0) {
		int first = line + 1;
		_cleanup_(freep) char *joined = next_line(&text, &line);

		if (!joined)
			break;
		at.line = first;
		r = scan_line(s, joined, &at, e);
	}
	return r;
}

static int scan_file(struct scan *s, const char *file, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	int r;

	if (strv_has(&s->seen, file))
		return 0;
	STRV_ADD(&s->seen, file);
	r = input_hash_file(s->h, s->in, file, e);
	if (r < 0 || !input_has(s->in, file)) /* pip will say that it is not there */
		return r;
	r = file_read_beneath(s->in->dir, file, 1 << 20, &text, NULL, e);
	return r < 0 ? r : scan_text(s, file, text, e);
}

int requirements_read(struct requirements *ret, struct hash *h, const struct runtime_input *in,
		      const char *file, struct err **e)
{
	struct scan s = { .ret = ret, .h = h, .in = in };
	int r;

	*ret = (struct requirements){ .is_empty = true };
	r = scan_file(&s, file, e);
	strv_done(&s.seen);
	return r;
}
