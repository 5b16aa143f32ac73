/*
 * `slipway ssh FINGERPRINT NAME [GRANTS]`: the one thing that a key in authorized_keys may run.
 * SSH_ORIGINAL_COMMAND is read here and by no shell: git's two protocols and slipway's own commands are
 * admitted, all else is refused.
 */
#include "cli/ssh.h"

#include <stdint.h>

#include "base/words.h"
#include "cli/cli.h"
#include "cli/scp.h"
#include "source/git.h"

#define COMMAND_BYTES 131072 /* more than that does not fit into an environment variable anyway */

extern char **environ;

static struct span next_word(const char **at)
{
	static const char blanks[] = " \t\r\n";
	const char *from = *at + strspn(*at, blanks);

	*at = from + strcspn(from, blanks);
	return (struct span){ from, (size_t) (*at - from) };
}

static bool is_git(const char *word)
{
	return str_eq(word, "git-receive-pack") || str_eq(word, "git-upload-pack");
}

/* run [OPTIONS] APP [--] REST: the rest is the app's shell's to read, quotes and all. */
static void parse_raw(struct strv *argv, const char *text)
{
	const char *at = text;
	struct span word = next_word(&at);

	strv_push(argv, span_dup(word)); /* run */
	do {
		word = next_word(&at);
		if (word.n > 0)
			strv_push(argv, span_dup(word));
	} while (word.n > 0 && *word.s == '-');

	const char *behind = at;
	word = next_word(&behind);
	if (span_eq(word, "--"))
		at = behind;
	at += strspn(at, " \t\r\n");
	if (*at)
		STRV_ADD(argv, at);
}

/* "git receive-pack" is what some clients write for "git-receive-pack". */
static void join_git(struct strv *argv)
{
	if (argv->n < 2 || !str_eq(argv->v[0], "git"))
		return;
	char *name = xasprintf("git-%s", argv->v[1]);

	free(argv->v[0]);
	free(argv->v[1]);
	argv->v[0] = name;
	memmove(&argv->v[1], &argv->v[2], (argv->n - 1) * sizeof *argv->v); /* with the NULL */
	argv->n--;
}

/* The subsystem "sftp" is named by what sshd_config says of it, with the arguments that stand there; which
 * are not for the client to choose. */
static void name_sftp(struct strv *argv)
{
	if (argv->n == 0 || !(str_eq(argv->v[0], "internal-sftp") || str_ends(argv->v[0], "/sftp-server")))
		return;
	strv_done(argv);
	STRV_ADD(argv, "sftp-server");
}

/* scp's words are the far side's, not options of ours. */
static void quote_scp(struct strv *argv)
{
	struct strv all = { 0 };

	STRV_ADD(&all, "scp", "--");
	strv_add(&all, (const char *const *) argv->v + 1);
	strv_done(argv);
	*argv = all;
}

static int judge_git(const struct strv *argv, struct err **e)
{
	const char *word = argv->v[0];

	if (!is_git(word))
		return err_set(e, ERR_PERMISSION,
			       "of git's commands only push, fetch and clone work here, not '%.40s'", word);
	if (argv->n != 2 || *argv->v[1] == '-')
		return err_set(e, ERR_PERMISSION, "'%s' takes the name of an app here and nothing else",
			       word);
	return 0;
}

static int judge(const struct strv *argv, struct err **e)
{
	const char *word = argv->v[0];
	const struct command *command = cli_find(word);

	if (str_eq(word, "git") || str_starts(word, "git-"))
		return judge_git(argv, e);
	if (str_eq(word, "scp"))
		return scp_judge(argv, e);
	if (str_eq(word, "sftp-server") && argv->n == 1)
		return 0;
	if (command && command->needs & (CLI_HIDDEN | CLI_LOCAL))
		return err_set(e, ERR_PERMISSION, "'%s' works only on the server itself", word);
	return 0;
}

int ssh_parse(struct strv *argv, const char *text, struct err **e)
{
	const char *at = text;

	if (strnlen(text, COMMAND_BYTES + 1) > COMMAND_BYTES)
		return err_set(e, ERR_REFUSED, "a command may have at most %d bytes", COMMAND_BYTES);

	struct span word = next_word(&at);
	_cleanup_(freep) char *first = span_dup(word);
	const struct command *command = cli_find(first);
	if (command && command->needs & CLI_RAW) {
		parse_raw(argv, text);
	} else {
		int r = words_split(argv, text, NULL, e);

		if (r < 0)
			return err_wrap(e, ERR_USAGE, "reading the command");
	}
	join_git(argv);
	name_sftp(argv);
	int r = argv->n > 0 ? judge(argv, e) : 0;
	if (r >= 0 && argv->n > 0 && str_eq(argv->v[0], "scp"))
		quote_scp(argv);
	return r;
}

static bool is_kept(const char *variable)
{
	static const char *const ours[] = { "SLIPWAY_ROOT=",
					    "SLIPWAY_AUTHORIZED_KEYS=" }; /* by the key's line */
	static const char *const dropped[] = { "GIT_",         "LD_",   "SLIPWAY_",
					       "FINGERPRINT=", "NAME=", "SSH_ORIGINAL_COMMAND=",
					       "BASH_ENV=",    "ENV=" };

	if (str_starts(variable, "GIT_PROTOCOL="))
		return git_protocol_is_legal(strchr(variable, '=') + 1);
	for (size_t i = 0; i < COUNT(ours); i++)
		if (str_starts(variable, ours[i]))
			return true;
	for (size_t i = 0; i < COUNT(dropped); i++)
		if (str_starts(variable, dropped[i]))
			return false;
	return true;
}

/* What a client could have sent that changes what programs do; and what would make our children believe that
 * they are forced commands too. */
static void environment_clean(void)
{
	_cleanup_(strv_done) struct strv names = { 0 };

	for (char **v = environ; v && *v; v++)
		if (!is_kept(*v))
			strv_push(&names, xstrndup(*v, strcspn(*v, "=")));
	for (size_t i = 0; i < names.n; i++)
		(void) unsetenv(names.v[i]);
}

/* Does what the client asked for; its exit status, or < 0. */
static int serve(const struct caller *who, struct err **e)
{
	const char *asked = getenv("SSH_ORIGINAL_COMMAND");
	_cleanup_(freep) char *text = xstrdup(asked ? asked : "");
	_cleanup_(strv_done) struct strv argv = { 0 };
	char *help[] = { (char *) "help", NULL };

	environment_clean();
	int r = ssh_parse(&argv, text, e);
	if (r < 0)
		return r;
	if (argv.n > 0)
		return cli_run(argv.v, who);
	printf("Hello %s. There is no shell here; these commands work, as in `ssh HOST apps`:\n\n", who->by);
	return cli_run(help, who);
}

bool ssh_forced(char *const *argv, int *status)
{
	/* copies, as serving cleans the environment */
	_cleanup_(freep) char *fingerprint = xstrdup(getenv("FINGERPRINT")), *name = xstrdup(getenv("NAME"));
	_cleanup_(err_freep) struct err *e = NULL;

	/* our own key lines name the key in argv, and no variable a client may send changes that */
	if (!fingerprint || !getenv("SSH_ORIGINAL_COMMAND") || (argv[0] && str_eq(argv[1], "ssh")))
		return false;
	struct caller who = { name && *name ? name : "default", fingerprint, NULL, true };
	int r = serve(&who, &e);
	if (r < 0) {
		_cleanup_(freep) char *text = err_text(e);

		(void) fprintf(stderr, "slipway: %s\n", text);
	}
	*status = r < 0 ? err_exit_status(r) : r;
	return true;
}

static int ssh(struct cli *cli UNUSED, char **argv, struct err **e)
{
	_cleanup_(grants_done) struct grants grants = { 0 };
	struct caller who = { argv[1], argv[0], argv[2] ? &grants : NULL, true };
	int r = argv[2] ? grants_parse(&grants, argv[2], e) : 0;

	return r < 0 ? err_wrap(e, ERR_PERMISSION, "what the line of key '%s' allows", argv[1])
		     : serve(&who, e);
}

const struct command cmd_ssh = {
	.words = "ssh",
	.args = "FINGERPRINT NAME [GRANTS]",
	.summary = "do what an SSH client asked for (called by sshd)",
	.min_args = 2,
	.max_args = 3,
	.needs = CLI_HIDDEN | CLI_LOCAL,
	.group = "Host",
	.run = ssh,
};
