/* scp and SFTP: what the far side's program may be told, and the entries of the two commands. */
#include "cli/scp.h"

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] && !word[1 + strspn(word + 1, "dfprtvq")];
}

int scp_judge(const struct strv *argv, struct err **e)
{
	size_t i = 1;
	bool is_far = false;

	for (; i < argv->n && is_option(argv->v[i]); i++)
		is_far = is_far || strpbrk(argv->v[i], "tf");
	if (i < argv->n && str_eq(argv->v[i], "--"))
		i++;
	if (is_far && i + 1 == argv->n && *argv->v[i] != '-')
		return 0;
	return err_set(e, ERR_PERMISSION,
		       "of scp only the far side of a client's scp works here, for one file or "
		       "directory at a time and without '*'");
}

const struct command cmd_scp = {
	.words = "scp",
	.args = "OPTION... PATH",
	.summary = "give or take files (called by scp -O)",
	.min_args = 2,
	.max_args = -1,
	.needs = NEEDS_STORE | CLI_HIDDEN,
	.role = ROLE_DEPLOY,
	.group = "Host",
	.run = scp_exec,
};

const struct command cmd_sftp = {
	.words = "sftp-server",
	.args = "",
	.summary = "give and take files (called by sftp and scp)",
	.needs = NEEDS_STORE | CLI_HIDDEN,
	.role = ROLE_DEPLOY,
	.group = "Host",
	.run = scp_exec,
};
