/* What --help prints: made from the table of commands, so that it cannot say anything else than what is done.
 */
#include "cli/cli-internal.h"

static char *first_word(const struct command *c)
{
	return xstrndup(c->words, strcspn(c->words, " "));
}

char *help_usage(const struct command *c)
{
	_cleanup_(freep) char *name = first_word(c);
	struct strb b = STRB(4096);

	(void) strb_addf(&b, "slipway %s%s%s", name, c->args && *c->args ? " " : "", c->args ? c->args : "");
	for (const struct option_def *o = c->options; o && o->word; o++) {
		(void) strb_adds(&b, " [");
		(void) strb_addf(&b, o->letter ? "-%c" : "--", o->letter);
		if (!o->letter)
			(void) strb_adds(&b, o->word);
		(void) strb_addf(&b, "%s%s]", o->arg ? " " : "", o->arg ? o->arg : "");
	}
	if (c->needs & CLI_JSON)
		(void) strb_adds(&b, " [--json]");
	return strb_take(&b);
}

static bool is_listed(const struct command *c, bool is_remote)
{
	return !(c->needs & CLI_HIDDEN) && !(is_remote && c->needs & CLI_LOCAL);
}

static const char *group_of(const struct command *c)
{
	return c->group ? c->group : "Other";
}

static void print_group(const char *group, int width, bool is_remote)
{
	(void) printf("\n%s%s%s\n", cli_bold(), group, cli_reset());
	for (size_t i = 0; cli_commands[i]; i++) {
		const struct command *c = cli_commands[i];
		_cleanup_(freep) char *name = first_word(c);
		_cleanup_(freep) char *left = xasprintf("%s %s", name, c->args ? c->args : "");

		if (is_listed(c, is_remote) && str_eq(group_of(c), group))
			(void) printf("  %-*s  %s\n", width, left, c->summary);
	}
}

void help_overview(bool is_remote)
{
	_cleanup_(strv_done) struct strv groups = { 0 };
	int width = 0;

	for (size_t i = 0; cli_commands[i]; i++) {
		const struct command *c = cli_commands[i];
		int n = (int) (strcspn(c->words, " ") + 1 + strlen(c->args ? c->args : ""));

		if (!is_listed(c, is_remote))
			continue;
		width = n > width ? n : width;
		if (!strv_has(&groups, group_of(c)))
			STRV_ADD(&groups, group_of(c));
	}
	(void) puts("Usage: slipway COMMAND [ARGUMENTS]\n\nPush an app, see it live.");
	for (size_t i = 0; i < groups.n; i++)
		print_group(groups.v[i], width, is_remote);
	(void) puts("\n`slipway help COMMAND` says more of each. Listings take --json. --root DIR: another "
		    "root directory.");
}

static void print_option(char letter, const char *word, const char *arg, const char *help)
{
	_cleanup_(freep) char *left = xasprintf("%s%s%s", word, arg ? " " : "", arg ? arg : "");

	if (letter)
		(void) printf("  -%c, --%-18s %s\n", letter, left, help);
	else
		(void) printf("      --%-18s %s\n", left, help);
}

void help_command(const struct command *c)
{
	_cleanup_(freep) char *usage = help_usage(c);
	const char *others = strchr(c->words, ' ');

	(void) printf("Usage: %s\n\n", usage);
	for (const char *s = c->summary; *s; s++)
		(void) putchar(s == c->summary && *s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s);
	(void) puts(".");
	if (c->details)
		(void) printf("\n%s\n", c->details);
	if (others)
		(void) printf("\nAlso: %s\n", others + 1);
	(void) puts("\nOptions:");
	for (const struct option_def *o = c->options; o && o->word; o++)
		print_option(o->letter, o->word, o->arg, o->help);
	if (c->needs & CLI_JSON)
		print_option(0, "json", NULL, "the same for programs (docs/json.md)");
	print_option('h', "help", NULL, "this text");
}
