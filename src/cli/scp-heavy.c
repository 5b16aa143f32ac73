/*
 * This process becomes OpenSSH's sftp-server or scp, in a sandbox that shows apps/APP and data/APP of the
 * apps that the caller may change, and of the rest of the root nothing. Where bubblewrap works it is the only
 * layer, as Landlock could not let a directory be listed of which only a part is there.
 */
#include "cli/scp.h"

#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sandbox.h"
#include "plan/root.h"
#include "store/user.h"

#define PROGRAMS "/usr/bin:/bin:/usr/lib/openssh:/usr/libexec/openssh:/usr/libexec:/usr/lib/ssh"

static void show_app(const struct cli *cli, const char *app, struct sandbox *box)
{
	strv_push(&box->write, root_path(cli->root, "apps/%s", app));
	strv_push(&box->write, root_path(cli->root, "data/%s", app));
}

/*
 * One process is one user: whoever may change apps with users of their own reaches such an app only when it
 * is the only one.
 */
static int show_apps(struct cli *cli, struct sandbox *box, struct err **e)
{
	_cleanup_(strv_done) struct strv mine = { 0 };
	struct app_row *rows = NULL;
	size_t n = 0;
	int r = store_app_list(&cli->store, &rows, &n, e);

	for (size_t i = 0; i < n; i++)
		if (cli_may(cli, ROLE_DEPLOY, rows[i].name))
			STRV_ADD(&mine, rows[i].name);
	app_rows_free(rows, n);
	for (size_t i = 0; r >= 0 && i < mine.n; i++) {
		struct user_row user = { 0 };

		r = store_user_get(&cli->store, mine.v[i], &user, e);
		if (r >= 0 && user.active && mine.n == 1)
			box->uid = (uid_t) user.active;
		if (r >= 0 && (!user.active || mine.n == 1))
			show_app(cli, mine.v[i], box);
	}
	if (r >= 0 && box->write.n == 0)
		return err_set(e, ERR_PERMISSION,
			       "the key '%s' may change no app whose files could be copied here",
			       cli->who.by);
	return r;
}

static int choose_level(struct cli *cli, struct sandbox *box, struct err **e)
{
	box->level = SANDBOX_BOTH;
	box->level = sandbox_in_force(box, NULL);
	if (box->level & SANDBOX_BWRAP)
		box->level = SANDBOX_BWRAP;
	if (box->level == SANDBOX_NONE && !cli_may(cli, ROLE_ADMIN, NULL))
		return err_set(e, ERR_MISSING,
			       "no sandbox works on this host, so files are copied by "
			       "administrators only: `slipway doctor` says what is missing");
	return 0;
}

/* The client's "~/" is for us to read, as no shell does; other paths are relative to the directory we are in.
 */
static char *read_home(const char *path, const char *home)
{
	bool is_home = str_eq(path, "~") || str_starts(path, "~/");

	return is_home ? xasprintf("%s%s", home, path + strlen("~")) : xstrdup(path);
}

int scp_exec(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(sandbox_done) struct sandbox box = { 0 };
	_cleanup_(strv_done) struct strv all = { 0 }, envp = { 0 };
	const char *home = getenv("HOME"), *word = cli->command->words;
	_cleanup_(freep) char *program = find_program(word, PROGRAMS);
	int r = program ? show_apps(cli, &box, e)
			: err_set(e, ERR_MISSING, "%s is not installed on the host (apt install openssh-%s)",
				  word, str_eq(word, "scp") ? "client" : "sftp-server");

	if (r >= 0)
		r = choose_level(cli, &box, e);
	if (r < 0)
		return r;
	if (!home || !str_starts(cli->root, home) || cli->root[strlen(home)] != '/')
		home = cli->root; /* the only directory that is there for sure */
	STRV_ADD(&box.hide, cli->root);
	sandbox_prefix(&box, home, NULL, NULL, &all);
	STRV_ADD(&all, program);
	for (size_t i = 0; argv[i]; i++)
		strv_push(&all, read_home(argv[i], home));
	strv_addf(&envp, "HOME=%s", home);
	STRV_ADD(&envp, "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8");
	store_close(&cli->store);
	(void) fflush(stdout);
	if (chdir(home) < 0)
		return err_set(e, -errno, "entering %s: %m", home);
	(void) execve(all.v[0], all.v, envp.v);
	return err_set(e, -errno, "executing %s: %m", all.v[0]);
}
