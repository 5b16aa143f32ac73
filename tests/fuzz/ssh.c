/* SSH_ORIGINAL_COMMAND: what passes is a command that a key may give; nothing is executed here. */
#include "fuzz.h"

#include "cli/cli.h"
#include "cli/ssh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size);
	_cleanup_(strv_done) struct strv argv = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	int r = ssh_parse(&argv, text, &e);

	MUST(r <= 0 && (r == 0) == (e == NULL));
	if (r < 0 || argv.n == 0)
		return 0;
	MUST(argv.v[argv.n] == NULL);
	const struct command *command = cli_find(argv.v[0]);
	bool is_copy = str_eq(argv.v[0], "scp") || str_eq(argv.v[0], "sftp-server");
	MUST(!command || !(command->needs & (CLI_HIDDEN | CLI_LOCAL)) || str_starts(argv.v[0], "git-") ||
	     is_copy);
	if (is_copy) /* nothing of it can be an option of ours, nor one of ssh's */
		MUST(str_eq(argv.v[0], "scp") ? argv.n >= 4 && str_eq(argv.v[1], "--") : argv.n == 1);
	if (str_starts(argv.v[0], "git-"))
		MUST(argv.n == 2 && *argv.v[1] != '-' &&
		     (str_eq(argv.v[0], "git-receive-pack") || str_eq(argv.v[0], "git-upload-pack")));
	return 0;
}
