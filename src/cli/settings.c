/* An operator's settings file: reading what shall be changed, and changing only that (Piku spec 7 and 17). */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>

#include "base/file.h"
#include "base/words.h"
#include "cli/cli-internal.h"
#include "plan/root.h"

enum { MAX_SETTINGS = 4 << 20 };

/* Why "KEY=VALUE" is none, or NULL; a good one is set in env. */
static const char *read_setting(const char *text, struct env *env)
{
	const char *equals = strchr(text, '=');
	_cleanup_(freep) char *name = NULL, *value = NULL;

	if (!equals)
		return "expected KEY=VALUE";
	name = span_dup(span_trim(text, equals));
	value = span_dup(span_trim(equals + 1, equals + 1 + strlen(equals + 1)));
	if (!*name)
		return "the key is empty";
	if (!env_name_is_legal(name))
		return "a key has no blanks, no control characters and no leading #";
	if (strpbrk(value, "\n\r"))
		return "a value is one line";
	env_set(env, name, value, "config");
	return NULL;
}

/* In an error a text is shown only up to its "=": the rest may be a secret. */
static void add_problem(struct strv *problems, const char *text, const char *why)
{
	const char *equals = strchr(text, '=');

	if (equals && equals[1])
		strv_addf(problems, "malformed setting '%.*s=...': %s", (int) (equals - text), text, why);
	else
		strv_addf(problems, "malformed setting '%s': %s", text, why);
}

static int refuse(const struct strv *problems, struct err **e)
{
	_cleanup_(freep) char *text = strv_join(problems, "; ");

	return err_set(e, ERR_FAILED, "Error: %s (nothing was changed)", text);
}

static void warn_of_names(const struct env *env)
{
	for (size_t i = 0; i < env->n; i++)
		if (!env_name_is_identifier(env->v[i].name))
			(void) fprintf(
				stderr,
				"Warning: '%s' is no name that a shell can use; other programs see it\n",
				env->v[i].name);
}

static int read_all(const struct strv *texts, struct env *ret, struct err **e)
{
	_cleanup_(strv_done) struct strv problems = { 0 };
	_cleanup_(env_done) struct env env = { 0 };

	for (size_t i = 0; i < texts->n; i++) {
		const char *why = read_setting(texts->v[i], &env);

		if (why)
			add_problem(&problems, texts->v[i], why);
	}
	if (problems.n)
		return refuse(&problems, e);
	warn_of_names(&env);
	env_copy(ret, &env);
	return 0;
}

/*
 * Piku joins the arguments and splits them again by the rules of a shell, because its forced command had none
 * (D06 to D08). Here each argument is one already; only one that holds quotes is read once more, so that what
 * people learned to quote twice still means the same, and a plain "KEY=two words" is taken as it is.
 */
int settings_read_arguments(char **argv, struct env *ret, struct err **e)
{
	_cleanup_(strv_done) struct strv texts = { 0 };

	for (; *argv; argv++) {
		int r = 0;

		if (strpbrk(*argv, "\"'"))
			r = words_split(&texts, *argv, NULL, e);
		else
			strv_push(&texts, xstrdup(*argv));
		if (r < 0) /* Piku's words, and its status 1; the text itself may hold a secret */
			return err_wrap(e, ERR_FAILED, "Error: malformed setting '%.*s...'",
					(int) strcspn(*argv, "="), *argv);
	}
	return read_all(&texts, ret, e);
}

int settings_read_input(struct env *ret, struct err **e)
{
	_cleanup_(strv_done) struct strv texts = { 0 };
	struct strb b = STRB(MAX_SETTINGS);
	char buf[8192];
	size_t n;

	while ((n = fread(buf, 1, sizeof buf, stdin)) > 0)
		if (memchr(buf, '\0', n) || strb_add(&b, buf, n) < 0) {
			strb_done(&b);
			return err_set(e, ERR_FAILED,
				       "standard input is no text of KEY=VALUE lines of at most 4 MiB");
		}

	_cleanup_(freep) char *text = strb_take(&b);
	_cleanup_(strv_done) struct strv lines = { 0 };

	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_(freep) char *line = span_dup(span_of(lines.v[i]));
		struct span trimmed = span_trim(line, line + strlen(line));

		if (trimmed.n && *line != '#')
			strv_push(&texts, span_dup(trimmed));
	}
	return read_all(&texts, ret, e);
}

bool settings_is_secret(const char *name, const char *value)
{
	static const char *const parts[] = { "SECRET",     "PASS",      "PWD",    "TOKEN",  "KEY",
					     "CREDENTIAL", "PRIVATE",   "AUTH",   "CERT",   "DSN",
					     "SALT",       "SIGNATURE", "COOKIE", "WEBHOOK" };
	const char *at;

	for (size_t i = 0; i < COUNT(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	at = strstr(value, "://"); /* postgres://user:password@host/ */
	return at && memchr(at + 3, '@', strcspn(at + 3, "/"));
}

int settings_read(struct cli *cli, char **ret, struct err **e)
{
	_cleanup_(freep) char *path = root_settings(cli->root, cli->app.name);

	*ret = NULL;
	return file_exists(path) ? file_read(path, MAX_SETTINGS, ret, NULL, e) : 0;
}

void settings_warn(struct cli *cli, const char *text)
{
	_cleanup_(freep) char *path = root_settings(cli->root, cli->app.name);
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(env_done) struct env env = { 0 };

	env_parse(&env, text, strlen(text), path, "config", false, &problems);
	for (size_t i = 0; i < problems.n; i++) {
		_cleanup_(freep) char *line = problem_text(&problems.v[i]);

		(void) fprintf(stderr, "Warning: %s\n", line);
	}
}

static int write_settings(struct cli *cli, const char *text, struct err **e)
{
	_cleanup_(freep) char *dir = root_path(cli->root, "config/%s", cli->app.name),
			      *path = root_settings(cli->root, cli->app.name);
	int r = dir_make(dir, 0700, e);

	return r < 0 ? r : file_replace(path, text, strlen(text), 0600, e);
}

int settings_change(struct cli *cli, const struct env *changes, struct err **e)
{
	_cleanup_(freep) char *lock = root_path(cli->root, "run/settings-%s.lock", cli->app.name),
			      *old = NULL, *new = NULL;
	_cleanup_(closep) int fd = file_lock(lock, true, e);
	int r = fd < 0 ? fd : settings_read(cli, &old, e);

	if (r < 0)
		return r;
	if (old)
		settings_warn(cli, old);
	new = xstrdup(old ? old : "");
	for (size_t i = 0; i < changes->n; i++) {
		char *edited = env_edit(new, changes->v[i].name, changes->v[i].value);

		free(new);
		new = edited;
	}
	if (str_eq(new, old ? old : ""))
		return 0;
	r = write_settings(cli, new, e);
	return r < 0 ? r : 1;
}
