/* A command's words, sorted into options and arguments by its entry in the table. */
#include "cli/cli-internal.h"

struct parser {
	struct cli *cli;
	char **at; /* the next word */
	struct strv *args;
	bool wants_help;
};

static const struct option_def option_help = { 'h', "help", NULL, "this text" };
static const struct option_def option_json = { 0, "json", NULL, "the same for programs (docs/json.md)" };
static const struct option_def option_root = { 0, "root", "DIR", "another root directory" };

/* Calls take(ctx, option) for every option that the command understands, until it returns true. */
static const struct option_def *each_option(const struct cli *cli,
					    bool (*take)(void *ctx, const struct option_def *o), void *ctx)
{
	const struct option_def *o = cli->command->options;

	for (; o && o->word; o++)
		if (take(ctx, o))
			return o;
	if (take(ctx, &option_help))
		return &option_help;
	if (cli->command->needs & CLI_JSON && take(ctx, &option_json))
		return &option_json;
	return !cli->who.is_remote && take(ctx, &option_root) ? &option_root : NULL;
}

static bool has_word(void *ctx, const struct option_def *o)
{
	return span_eq(*(const struct span *) ctx, o->word);
}

static bool has_letter(void *ctx, const struct option_def *o)
{
	return o->letter && o->letter == *(const char *) ctx;
}

static bool collect(void *ctx, const struct option_def *o)
{
	STRV_ADD((struct strv *) ctx, o->word);
	return false;
}

static int refuse(const struct command *c, struct err **e, const char *what)
{
	_cleanup_(freep) char *usage = help_usage(c);

	return err_set(e, ERR_USAGE, "%s; usage: %s", what, usage);
}

static int unknown_option(struct parser *p, const char *text, struct err **e)
{
	_cleanup_(strv_done) struct strv words = { 0 };
	_cleanup_(freep) char *name = xstrndup(text, strcspn(text, "=")), *what = NULL;
	const char *near = NULL;

	(void) each_option(p->cli, collect, &words);
	if (str_starts(text, "--"))
		near = str_nearest(name + 2, (const char *const *) words.v, words.n);
	what = near ? xasprintf("unknown option '%s', did you mean '--%s'?", name, near)
		    : xasprintf("unknown option '%s' (behind -- nothing is an option)", name);
	return refuse(p->cli->command, e, what);
}

/* value: what came with it in the same word, or NULL. */
static int set_option(struct parser *p, const struct option_def *o, const char *value, struct err **e)
{
	_cleanup_(freep) char *what = NULL;

	if (o == &option_help) {
		p->wants_help = true;
		return 0;
	}
	if (!o->arg && value) {
		what = xasprintf("--%s takes no value", o->word);
		return refuse(p->cli->command, e, what);
	}
	if (o->arg && !value)
		value = *p->at ? *p->at++ : NULL;
	if (o->arg && !value) {
		what = xasprintf("--%s wants %s", o->word, o->arg);
		return refuse(p->cli->command, e, what);
	}
	env_set(&p->cli->options, o->word, value ? value : "", "");
	return 0;
}

static int read_long(struct parser *p, const char *text, struct err **e)
{
	const char *equals = strchr(text, '=');
	struct span name = { text + 2, (equals ? (size_t) (equals - text) : strlen(text)) - 2 };
	const struct option_def *o = each_option(p->cli, has_word, &name);

	return o ? set_option(p, o, equals ? equals + 1 : NULL, e) : unknown_option(p, text, e);
}

/* "-f", "-n20", "-n 20", "-fn20" */
static int read_letters(struct parser *p, const char *text, struct err **e)
{
	int r = 0;

	for (const char *at = text + 1; r >= 0 && *at; at++) {
		const struct option_def *o = each_option(p->cli, has_letter, (void *) at);

		if (!o)
			return unknown_option(p, text, e);
		if (o->arg)
			return set_option(p, o, at[1] ? at + 1 : NULL, e);
		r = set_option(p, o, NULL, e);
	}
	return r;
}

/* A raw command's own words: one "--" in front of them is ours; what looks like an option of ours needs it.
 */
static int read_raw(struct parser *p, struct err **e)
{
	if (!*p->at)
		return 0;
	if (str_eq(*p->at, "--")) {
		p->at++;
	} else if (str_eq(*p->at, "--help") || str_eq(*p->at, "-h")) {
		p->wants_help = true;
	} else if (**p->at == '-' && !str_starts(*p->at, "-- ")) {
		_cleanup_(freep) char *what =
			xasprintf("unknown option '%s' (put -- before a command that begins with -)", *p->at);

		return refuse(p->cli->command, e, what);
	}
	strv_add(p->args, (const char *const *) p->at);
	return 0;
}

int options_parse(struct cli *cli, char **argv, struct strv *args, struct err **e)
{
	struct parser p = { cli, argv, args, false };
	int r = 0;

	while (r >= 0 && !p.wants_help && *p.at) {
		const char *text = *p.at++;

		if (str_eq(text, "--")) {
			strv_add(args, (const char *const *) p.at);
			break;
		}
		if (str_starts(text, "--")) {
			r = read_long(&p, text, e);
		} else if (*text == '-' && text[1]) {
			r = read_letters(&p, text, e);
		} else {
			STRV_ADD(args, text);
			if (cli->command->needs & CLI_RAW) {
				r = read_raw(&p, e);
				break;
			}
		}
	}
	return r < 0 ? r : p.wants_help;
}

int options_count(const struct command *c, const struct strv *args, struct err **e)
{
	_cleanup_(strv_done) struct strv names = { 0 };
	_cleanup_(freep) char *what = NULL;

	if ((int) args->n < c->min_args) {
		strv_split(&names, c->args ? c->args : "", " ");
		what = xasprintf("%s is missing", args->n < names.n ? names.v[args->n] : "an argument");
		return refuse(c, e, what);
	}
	if (c->max_args >= 0 && (int) args->n > c->max_args) {
		what = xasprintf("unexpected argument '%s'", args->v[c->max_args]);
		return refuse(c, e, what);
	}
	return 0;
}

int option_number(const struct cli *cli, const char *word, long def, long *ret, struct err **e)
{
	const char *text = cli_option(cli, word);
	_cleanup_(freep) char *what = NULL;

	*ret = def;
	if (!text || str_to_long(text, 1, 1000000, ret))
		return 0;
	what = xasprintf("'%s' is no number from 1 to 1000000", text);
	return refuse(cli->command, e, what);
}
