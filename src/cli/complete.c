/*
 * What can stand at the end of a half-written command line. The shells' functions (completion.c) only ask
 * here, so that what they offer is the table of this version. A candidate a line, behind a tab what it is;
 * ":files" and
 * ":dirs": the shell's own.
 */
#include "base/file.h"
#include "cli/cli-internal.h"
#include "plan/plan.h"
#include "source/keys.h"
#include "store/release.h"

struct line {
	struct cli *cli;
	const struct command *command;
	struct strv args;                /* behind the command */
	const char *cur;                 /* the word to complete */
	const struct option_def *wanted; /* cur is its value */
	bool is_plain;                   /* behind "--": no options */
};

/* suffix is what a value follows, "=" or "". */
static void offer(const struct line *l, const char *word, const char *suffix, const char *what)
{
	if (str_starts(word, l->cur))
		(void) printf("%s%s%s%s\n", word, suffix, what && *what ? "\t" : "", what ? what : "");
}

/* ---- lists ---- */

static int open_app(const struct line *l)
{
	char *name;
	int r;

	if (!l->args.n)
		return ERR_NOT_FOUND;
	name = xstrdup(l->args.v[0]);
	r = l->cli->app.name ? 0 : cli_open_app(l->cli, &name, NULL);
	free(name);
	return r;
}

static void list_apps(const struct line *l, const char *suffix)
{
	struct app_row *apps = NULL;
	size_t n = 0;

	if (cli_open_store(l->cli, NULL) >= 0)
		(void) store_app_list(&l->cli->store, &apps, &n, NULL);
	for (size_t i = 0; i < n; i++)
		offer(l, apps[i].name, suffix, NULL);
	app_rows_free(apps, n);
}

static void list_services(const struct line *l, const char *suffix)
{
	_cleanup_(plan_done) struct plan plan = { 0 };

	if (open_app(l) < 0 || view_live_plan(l->cli, &plan, NULL) < 0)
		return;
	for (size_t i = 0; i < plan.n_services; i++)
		offer(l, plan.services[i].name, suffix, plan.services[i].command);
}

static void list_releases(const struct line *l, const char *suffix)
{
	struct release_row *rows = NULL;
	size_t n = 0;

	if (open_app(l) >= 0)
		(void) store_release_list(&l->cli->store, l->cli->app.name, &rows, &n, NULL);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *version = view_version(rows[i].version);

		if (str_eq(rows[i].state, "old") || str_eq(rows[i].state, "live"))
			offer(l, version, suffix, rows[i].state);
	}
	release_rows_free(rows, n);
}

/* Names only: values are secrets. */
static void list_settings(const struct line *l, const char *suffix)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(problems_done) struct problems problems = { 0 };

	if (open_app(l) < 0 || settings_read(l->cli, &text, NULL) < 0 || !text)
		return;
	env_parse(&env, text, strlen(text), "ENV", NULL, false, &problems);
	for (size_t i = 0; i < env.n; i++)
		offer(l, env.v[i].name, suffix, NULL);
}

static void list_keys(const struct line *l, const char *suffix)
{
	_cleanup_(freep) char *file = ssh_keys_file();
	_cleanup_(ssh_keys_done) struct ssh_keys keys = { 0 };

	(void) ssh_keys_list(file, &keys, NULL);
	for (size_t i = 0; i < keys.n; i++)
		offer(l, keys.v[i].name, suffix, keys.v[i].fingerprint);
}

static void list_commands(const struct line *l, const char *suffix)
{
	for (size_t i = 0; cli_commands[i]; i++) {
		const struct command *c = cli_commands[i];
		_cleanup_(strv_done) struct strv words = { 0 };

		if (c->needs & CLI_HIDDEN)
			continue;
		strv_split(&words, c->words, " ");
		for (size_t k = 0; k < words.n; k++)
			if (k == 0 || *l->cur) /* other words for it only when one has begun to write them */
				offer(l, words.v[k], suffix, c->summary);
	}
}

static void list_files(const struct line *l UNUSED, const char *suffix UNUSED)
{
	(void) puts(":files");
}

static void list_dirs(const struct line *l UNUSED, const char *suffix UNUSED)
{
	(void) puts(":dirs");
}

/* What the words of the table's `args` stand for. */
static const struct {
	const char *name;
	void (*list)(const struct line *l, const char *suffix);
} lists[] = {
	{ "APP", list_apps },     { "SERVICE", list_services }, { "vN", list_releases },
	{ "KEY", list_settings }, { "NAME", list_keys },        { "COMMAND", list_commands },
	{ "FILE", list_files },   { "DIR", list_dirs },
};

/* ---- the place in the line ---- */

/* One alternative of "[SERVICE[.N]]", "KEY=VALUE...", "APP|DIR" or "bash|zsh|fish". */
static void offer_alternative(const struct line *l, const char *text)
{
	_cleanup_(freep) char *name = xstrndup(text, strcspn(text, "=."));
	const char *suffix = text[strlen(name)] == '=' ? "=" : "";

	for (size_t i = 0; i < COUNT(lists); i++)
		if (str_eq(name, lists[i].name)) {
			lists[i].list(l, suffix);
			return;
		}
	if (*name >= 'a' && *name <= 'z')
		offer(l, name, "", NULL);
}

static void offer_argument(const struct line *l)
{
	_cleanup_(strv_done) struct strv all = { 0 }, alternatives = { 0 };
	size_t at = l->args.n;

	strv_split(&all, l->command->args ? l->command->args : "", " ");
	if (all.n && at >= all.n && str_ends(all.v[all.n - 1], "..."))
		at = all.n - 1;
	if (at >= all.n)
		return;
	strv_split(&alternatives, all.v[at], "[]|");
	for (size_t i = 0; i < alternatives.n; i++)
		offer_alternative(l, alternatives.v[i]);
}

static void offer_option(const struct line *l, const char *word, const char *help)
{
	_cleanup_(freep) char *text = xasprintf("--%s", word);

	offer(l, text, "", help);
}

static void offer_options(const struct line *l)
{
	for (const struct option_def *o = l->command ? l->command->options : NULL; o && o->word; o++)
		offer_option(l, o->word, o->help);
	if (l->command && l->command->needs & CLI_JSON)
		offer_option(l, "json", "the same for programs");
	if (!l->command)
		offer_option(l, "version", "print the version");
	offer_option(l, "help", "explain it");
	offer_option(l, "root", "another root directory");
}

static const struct option_def root_option = { 0, "root", "DIR", "another root directory" };

static const struct option_def *find_option(const struct command *c, const char *word)
{
	const struct option_def *o = c ? c->options : NULL;

	if (str_eq(word, "--root"))
		return &root_option;
	for (; o && o->word; o++)
		if ((str_starts(word, "--") && str_eq(word + 2, o->word)) ||
		    (o->letter && word[1] == o->letter && !word[2]))
			return o;
	return NULL;
}

/* What the words in front of the last one leave open. */
static void read_word(struct line *l, const char *word)
{
	bool is_raw = l->command && l->command->needs & CLI_RAW && l->args.n;

	if (l->wanted) {
		if (l->wanted == &root_option)
			(void) setenv("SLIPWAY_ROOT", word, 1);
		l->wanted = NULL;
	} else if (!l->is_plain && !is_raw && str_eq(word, "--")) {
		l->is_plain = true;
	} else if (!l->is_plain && !is_raw && *word == '-' && word[1]) {
		l->wanted = find_option(l->command, word);
		if (l->wanted && !l->wanted->arg)
			l->wanted = NULL;
		if (str_starts(word, "--root="))
			(void) setenv("SLIPWAY_ROOT", word + strlen("--root="), 1);
	} else if (l->command) {
		STRV_ADD(&l->args, word);
	} else {
		l->command = cli_find(word);
	}
}

static void offer_here(const struct line *l)
{
	if (l->wanted)
		offer_alternative(l, l->wanted->arg);
	else if (!l->command && *l->cur != '-')
		list_commands(l, "");
	else if (l->command && l->command->needs & CLI_RAW && l->args.n)
		list_files(l, "");
	else if (*l->cur == '-' && !l->is_plain)
		offer_options(l);
	else if (l->command)
		offer_argument(l);
}

/* Nothing that fails is said: it would land amid what is being written. */
static int run_complete(struct cli *cli, char **argv, struct err **e UNUSED)
{
	struct line l = { .cli = cli, .cur = "" };
	bool is_lost = false;

	for (argv++; argv[0] && argv[1]; argv++) {
		bool had_command = l.command, is_option = l.wanted || **argv == '-';

		read_word(&l, *argv);
		is_lost = is_lost || (!had_command && !l.command && !is_option); /* no such command */
	}
	if (argv[0])
		l.cur = argv[0];
	if (!is_lost)
		offer_here(&l);
	strv_done(&l.args);
	return 0;
}

const struct command cmd_complete = {
	.words = "complete",
	.args = "SHELL WORD...",
	.summary = "what can stand at the end of a command line (called by the shells' completion)",
	.group = "Host",
	.min_args = 1,
	.max_args = -1,
	.needs = CLI_RAW | CLI_HIDDEN | CLI_LOCAL,
	.run = run_complete,
};
