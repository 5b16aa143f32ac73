/* logs: the last lines of every instance's log. Each line of a file is "2026-11-23T21:37:00.123Z text". */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdint.h>

#include "base/file.h"
#include "base/printable.h"
#include "cli/cli-internal.h"
#include "cli/logs-internal.h"
#include "plan/root.h"
#include "store/deployment.h"

enum { CHUNK = 65536, MAX_LINE = 1 << 20 };

bool logs_want(const struct logs *l, const char *file, char **name)
{
	_cleanup_(freep) char *instance = NULL, *service = NULL;
	char *dot;
	long ordinal;

	if (!str_ends(file, ".log"))
		return false;
	instance = xstrndup(file, strlen(file) - strlen(".log"));
	dot = strrchr(instance, '.');
	if (!dot || !str_to_long(dot + 1, 1, INT32_MAX, &ordinal))
		return false;
	service = xstrndup(instance, (size_t) (dot - instance));
	if (l->pattern && fnmatch(l->pattern, service, 0) != 0 && fnmatch(l->pattern, instance, 0) != 0)
		return false;
	*name = TAKE(instance);
	return true;
}

struct log_file *logs_file(struct logs *l, const char *name)
{
	struct log_file *f;

	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->files[i].name, name))
			return &l->files[i];
	f = GROW(&l->files, &l->n);
	f->name = xstrdup(name);
	f->path = xasprintf("%s/%s.log", l->dir, name);
	f->fd = -1;
	f->line = STRB(MAX_LINE);
	return f;
}

size_t logs_stamp_length(const char *line)
{
	size_t n = strcspn(line, " ");

	return n >= 20 && n <= 30 && line[4] == '-' && line[10] == 'T' && line[n - 1] == 'Z' &&
			       isdigit(*line) && line[n] == ' '
		       ? n + 1
		       : 0;
}

static void print_json(const struct log_file *f, const char *line, size_t stamp)
{
	_cleanup_(json_releasep) json_t *j = json_object();
	_cleanup_(freep) char *at = stamp ? xstrndup(line, stamp - 1) : NULL, *text = NULL;

	json_put_text(j, "at", at);
	json_put_text(j, "instance", f->name);
	json_put_text(j, "text", line + stamp);
	text = json_dumps(j, JSON_COMPACT);
	if (text)
		(void) puts(text);
}

/* What has no stamp belongs to the line before it. */
static bool is_early(const struct logs *l, struct log_file *f, const char *line, size_t stamp)
{
	if (l->since && stamp)
		f->is_early = !logs_stamp_is_since(line, stamp, l->since);
	return f->is_early;
}

/* Behind the stamp: no terminal is told what an app likes to tell it. */
static void print_bare(char *text)
{
	_cleanup_(freep) char *shown = isatty(STDOUT_FILENO) ? printable_line(text) : NULL;

	(void) puts(shown ? shown : text);
}

static void print_line(struct logs *l, struct log_file *f, char *line)
{
	size_t stamp = logs_stamp_length(line), n = strlen(line);
	int width = 0;

	if (is_early(l, f, line, stamp))
		return;
	while (n > stamp && isspace((unsigned char) line[n - 1]))
		line[--n] = '\0';
	if (l->is_ended || (l->until && strstr(line, l->until))) {
		l->is_ended = true;
		return;
	}
	if (l->is_bare) {
		print_bare(line + stamp);
		return;
	}
	if (l->cli->is_json) {
		print_json(f, line, stamp);
		return;
	}
	for (size_t i = 0; i < l->n; i++)
		width = (int) strlen(l->files[i].name) > width ? (int) strlen(l->files[i].name) : width;
	_cleanup_(freep) char *text = printable_line(line + (l->has_times ? 0 : stamp));

	(void) printf("%-*s | %s\n", width, f->name, text);
}

/* Whole lines are printed at once; the last one waits for its end. */
static void feed(struct logs *l, struct log_file *f, const char *data, size_t n)
{
	while (n) {
		const char *eol = memchr(data, '\n', n);
		size_t part = eol ? (size_t) (eol - data) : n;

		(void) strb_add(&f->line, data, part); /* what is too long is cut off */
		if (eol) {
			size_t length = f->line.len;
			_cleanup_(freep) char *line = strb_take(&f->line);

			for (size_t i = 0; i < length; i++)
				if (!line[i])
					line[i] = ' '; /* a text ends there, a log does not */
			print_line(l, f, line);
			f->line = STRB(MAX_LINE);
			part++;
		}
		data += part;
		n -= part;
	}
}

void logs_print_note(struct logs *l, struct log_file *f, const char *text)
{
	_cleanup_(freep) char *line = xstrdup(text);

	f->line.len = 0; /* what had no end yet is gone with the rest */
	f->is_early = false;
	print_line(l, f, line);
}

void logs_print_rest(struct logs *l, struct log_file *f)
{
	char buf[CHUNK];
	ssize_t n;

	while (f->fd >= 0 && (n = read(f->fd, buf, sizeof buf)) > 0)
		feed(l, f, buf, (size_t) n);
}

/* Moves fd to the begin of the last lines lines. Returns how many there are, at most lines. */
static long seek_lines(int fd, long lines)
{
	_cleanup_(freep) char *buf = xcalloc(1, CHUNK);
	off_t at = lseek(fd, 0, SEEK_END);
	off_t end = at;
	long found = 0;

	while (at > 0) {
		size_t part = at < CHUNK ? (size_t) at : CHUNK;
		ssize_t n = pread(fd, buf, part, at -= (off_t) part);

		for (; n > 0; n--) {
			if (buf[n - 1] != '\n' || at + n == end)
				continue;
			if (++found == lines) {
				(void) lseek(fd, at + n, SEEK_SET);
				return lines;
			}
		}
	}
	(void) lseek(fd, 0, SEEK_SET);
	return end > 0 ? found + 1 : 0;
}

/* Just rotated, the file may have few lines: the rest comes from the one before. */
static void print_old(struct logs *l, struct log_file *f, long lines)
{
	_cleanup_(freep) char *path = xasprintf("%s.old", f->path);
	int current = f->fd;

	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd >= 0) {
		(void) seek_lines(f->fd, lines);
		logs_print_rest(l, f);
		(void) close(f->fd);
	}
	f->fd = current;
}

/* Everything since then, of the file before the last rotation too. */
static void print_since(struct logs *l, struct log_file *f)
{
	_cleanup_(freep) char *old = xasprintf("%s.old", f->path);
	const char *const paths[] = { old, f->path };

	f->is_early = true;
	for (size_t i = 0; i < COUNT(paths); i++) {
		closep(&f->fd);
		f->fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		if (f->fd < 0)
			continue;
		logs_seek_since(f->fd, l->since);
		logs_print_rest(l, f);
	}
}

static void print_last(struct logs *l, struct log_file *f)
{
	long found;

	if (!l->lines) {
		print_since(l, f);
		return;
	}
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	found = f->fd >= 0 ? seek_lines(f->fd, l->lines) : 0;
	if (found < l->lines)
		print_old(l, f, l->lines - found);
	logs_print_rest(l, f);
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct log_file *) a)->name, ((const struct log_file *) b)->name);
}

int logs_find(struct logs *l, struct err **e)
{
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = dir_list(l->dir, &names, e);

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		_cleanup_(freep) char *name = NULL;

		if (logs_want(l, names.v[i], &name))
			(void) logs_file(l, name);
	}
	if (l->n)
		qsort(l->files, l->n, sizeof *l->files, by_name);
	return r;
}

static void file_done(struct log_file *f)
{
	closep(&f->fd);
	strb_done(&f->line);
	free(f->name);
	free(f->path);
}

void logs_keep_wanted(struct logs *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->files[i].name, l->pattern))
			l->files[kept++] = l->files[i];
		else
			file_done(&l->files[i]);
	l->n = kept;
}

void logs_done(struct logs *l)
{
	for (size_t i = 0; i < l->n; i++)
		file_done(&l->files[i]);
	free(l->files);
	free(l->since);
	free(l->dir);
	json_decref(l->answer);
}

/* `logs APP deploy`: what the last deployment said. */
static int deployment_log(struct cli *cli, struct err **e)
{
	int64_t id = cli->app.last_deployment;
	_cleanup_(freep) char *path = root_deploy_log(cli->root, cli->app.name, (long) id);
	_cleanup_(closep) int fd = -1;
	char buf[CHUNK];
	ssize_t n;
	long lines;
	int r = option_number(cli, "lines", 0, &lines, e);

	if (r < 0)
		return r;
	if (id && cli_option(cli, "follow"))
		return follow_deployment(cli, id, e);
	fd = id ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		(void) printf("No logs found for app '%s'.\n", cli->app.name);
		return 0;
	}
	if (lines)
		(void) seek_lines(fd, lines);
	while ((n = read(fd, buf, sizeof buf)) > 0)
		(void) fwrite(buf, 1, (size_t) n, stdout);
	return 0;
}

static int run_logs(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(logs_done) struct logs l = { .cli = cli, .pattern = argv[1] };
	const char *since = cli_option(cli, "since");
	int r = option_number(cli, "lines", since ? 0 : 20, &l.lines, e);

	if (r >= 0 && since)
		r = logs_since_read(since, &l.since, e);
	l.dir = root_path(cli->root, "logs/%s", cli->app.name);
	l.has_times = cli_option(cli, "times") != NULL;
	if (r >= 0)
		r = logs_find(&l, e);
	if (r < 0)
		return r;
	if (!l.n && str_eq(argv[1], "deploy"))
		return deployment_log(cli, e);
	if (!l.n && !cli_option(cli, "follow")) {
		if (!cli->is_json)
			(void) printf("No logs found for app '%s'.\n", cli->app.name);
		return 0;
	}
	for (size_t i = 0; i < l.n; i++)
		print_last(&l, &l.files[i]);
	(void) fflush(stdout);
	return cli_option(cli, "follow") ? logs_follow(&l, e) : 0;
}

const struct command cmd_logs = {
	.words = "logs",
	.args = "APP [SERVICE[.N]]",
	.summary = "print the last lines of an app's logs, and follow them",
	.details =
		"SERVICE may be a pattern ('w*'). `logs APP deploy` prints the log of the last deployment.",
	.role = ROLE_READ,
	.group = "Apps",
	.min_args = 1,
	.max_args = 2,
	.needs = NEEDS_APP | CLI_JSON,
	.run = run_logs,
	.options =
		(const struct option_def[]){
			{ 'n', "lines", "N", "the last N lines of each instance (20)" },
			{ 'f', "follow", NULL, "go on as more is written, until Ctrl-C" },
			{ 0, "since", "WHEN", "only lines since then: 10m, 1h30m, 2026-11-23T21:37:00Z" },
			{ 0, "times", NULL, "with the time of each line" },
			{ 0 } },
};
