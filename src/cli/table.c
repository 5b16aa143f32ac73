/* The one table of all commands, in the order of the overview. A new command is its struct and a word here.
 */
#include "cli/cli.h"

#define COMMANDS(X)                                                                                          \
	X(apps)                                                                                              \
	X(status)                                                                                            \
	X(ps)                                                                                                \
	X(logs)                                                                                              \
	X(run)                                                                                               \
	X(destroy)                                                                                           \
	X(deploy)                                                                                            \
	X(rollback)                                                                                          \
	X(restart)                                                                                           \
	X(stop)                                                                                              \
	X(start)                                                                                             \
	X(ps_scale)                                                                                          \
	X(hold)                                                                                              \
	X(unhold)                                                                                            \
	X(runs)                                                                                              \
	X(run_now)                                                                                           \
	X(suspend)                                                                                           \
	X(resume)                                                                                            \
	X(releases)                                                                                          \
	X(deployments)                                                                                       \
	X(events)                                                                                            \
	X(config)                                                                                            \
	X(config_get)                                                                                        \
	X(config_set)                                                                                        \
	X(config_unset)                                                                                      \
	X(config_live)                                                                                       \
	X(plan)                                                                                              \
	X(validate)                                                                                          \
	X(explain)                                                                                           \
	X(setup)                                                                                             \
	X(setup_ssh)                                                                                         \
	X(keys)                                                                                              \
	X(keys_allow)                                                                                        \
	X(keys_remove)                                                                                       \
	X(disk)                                                                                              \
	X(cleanup)                                                                                           \
	X(recover)                                                                                           \
	X(doctor)                                                                                            \
	X(daemon)                                                                                            \
	X(shutdown)                                                                                          \
	X(completion)                                                                                        \
	X(version)                                                                                           \
	X(help)                                                                                              \
	X(git_receive_pack)                                                                                  \
	X(git_upload_pack)                                                                                   \
	X(scp)                                                                                               \
	X(sftp)                                                                                              \
	X(complete)                                                                                          \
	X(manual)                                                                                            \
	X(git_hook)                                                                                          \
	X(ssh)

#define DECLARE(name) extern const struct command cmd_##name;
#define ENTRY(name)   &cmd_##name,
COMMANDS(DECLARE)
const struct command *const cli_commands[] = { COMMANDS(ENTRY) NULL };

const struct command *cli_find(const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; n && cli_commands[i]; i++)
		for (const char *at = cli_commands[i]->words; *at; at += strspn(at, " ")) {
			size_t length = strcspn(at, " ");

			if (length == n && strncmp(at, word, n) == 0)
				return cli_commands[i];
			at += length;
		}
	return NULL;
}
