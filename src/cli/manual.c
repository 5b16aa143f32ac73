/* manual: the part of slipway(1) about the commands, in scdoc(5), made from their table. */
#include "cli/cli-internal.h"

/* Text that means itself. */
static void put_plain(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '*' || s[i] == '_' || s[i] == '\\')
			(void) putchar('\\');
		(void) putchar(s[i]);
	}
}

/* What stands for something else is underlined: words with a capital in them. */
static void put_arguments(const char *s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	while (*s) {
		size_t n = strspn(s, letters), other = strcspn(s + n, letters);
		bool has_capital = strcspn(s, letters) == 0 && strcspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") < n;

		(void) printf(has_capital ? "_%.*s_" : "%.*s", (int) n, s);
		put_plain(s + n, other);
		s += n + other;
	}
}

/* Lines with columns in them stay lines; else the page is filled. */
static void put_details(const char *s)
{
	while (*s) {
		size_t n = strcspn(s, "\n");
		_cleanup_(freep) char *line = xstrndup(s, n);

		(void) fputs("\t", stdout);
		put_plain(line, n);
		(void) puts(strstr(line, "  ") && s[n] ? "++" : "");
		s += n + (s[n] == '\n');
	}
}

static void put_option(char letter, const char *word, const char *arg, const char *help)
{
	(void) fputs("\n\t", stdout);
	if (letter)
		(void) printf("*-%c*, ", letter);
	(void) printf("*--%s*%s", word, arg ? " " : "");
	put_arguments(arg ? arg : "");
	(void) fputs("\n\t\t", stdout);
	put_plain(help, strlen(help));
	(void) putchar('\n');
}

static void put_command(const struct command *c)
{
	_cleanup_(strv_done) struct strv words = { 0 };

	strv_split(&words, c->words, " ");
	(void) putchar('\n');
	for (size_t i = 0; i < words.n; i++)
		(void) printf("%s*%s*", i ? ", " : "", words.v[i]);
	(void) fputs(c->args && *c->args ? " " : "", stdout);
	put_arguments(c->args ? c->args : "");
	(void) fputs("\n\t", stdout);
	(void) putchar(*c->summary >= 'a' && *c->summary <= 'z' ? *c->summary - 'a' + 'A' : *c->summary);
	put_plain(c->summary + 1, strlen(c->summary + 1));
	(void) puts(c->needs & CLI_LOCAL ? ". Not over SSH." : ".");
	if (c->details) {
		(void) putchar('\n');
		put_details(c->details);
	}
	for (const struct option_def *o = c->options; o && o->word; o++)
		put_option(o->letter, o->word, o->arg, o->help);
	if (c->needs & CLI_JSON)
		put_option(0, "json", NULL, "the same for programs");
}

static int run_manual(struct cli *cli UNUSED, char **argv UNUSED, struct err **e UNUSED)
{
	_cleanup_(strv_done) struct strv groups = { 0 };

	for (size_t i = 0; cli_commands[i]; i++)
		if (!(cli_commands[i]->needs & CLI_HIDDEN) && !strv_has(&groups, cli_commands[i]->group))
			STRV_ADD(&groups, cli_commands[i]->group);
	for (size_t k = 0; k < groups.n; k++) {
		(void) printf("%s## %s\n", k ? "\n" : "", groups.v[k]);
		for (size_t i = 0; cli_commands[i]; i++)
			if (!(cli_commands[i]->needs & CLI_HIDDEN) &&
			    str_eq(cli_commands[i]->group, groups.v[k]))
				put_command(cli_commands[i]);
	}
	return 0;
}

const struct command cmd_manual = {
	.words = "manual",
	.args = "",
	.summary = "print the part of slipway(1) about the commands, in scdoc (for its build)",
	.group = "Host",
	.needs = CLI_HIDDEN | CLI_LOCAL,
	.run = run_manual,
};
