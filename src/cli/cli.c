/* From a command line to a command: global options, finding it, opening what it needs, one line for what
 * failed. */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/printable.h"
#include "cli/cli-internal.h"
#include "cli/ssh.h"
#include "plan/name.h"
#include "plan/room.h"
#include "plan/root.h"

const char *cli_option(const struct cli *cli, const char *word)
{
	return env_get(&cli->options, word);
}

static int find_root(struct cli *cli, struct err **e)
{
	_cleanup_(freep) char *store = NULL;
	int r = cli->root ? 0 : root_find(&cli->root, e);

	if (r < 0)
		return r;
	store = root_store(cli->root);
	if (!file_exists(store) && root_has_releases(cli->root))
		return err_set(
			e, ERR_MISSING,
			"%s is not there, and there are apps: stop slipwayd, put a backup in its place or "
			"run `slipway recover`",
			store);
	if (!file_exists(store))
		return err_set(e, ERR_MISSING,
			       "nothing is set up in %s: run `slipway setup`, or say --root DIR", cli->root);
	return 0;
}

int cli_open_store(struct cli *cli, struct err **e)
{
	_cleanup_(freep) char *path = NULL;
	int r;

	if (cli->store.db)
		return 0;
	r = find_root(cli, e);
	if (r < 0)
		return r;
	path = root_store(cli->root);
	return store_open(&cli->store, path, false, e);
}

int cli_open_control(struct cli *cli, struct err **e)
{
	_cleanup_(freep) char *path = NULL;
	int r;

	if (cli->control.buffer)
		return 0;
	r = find_root(cli, e);
	if (r < 0)
		return r;
	path = root_socket(cli->root);
	return control_open(&cli->control, path, e);
}

bool cli_may(const struct cli *cli, enum role role, const char *app)
{
	return grants_allow(cli->who.grants, role, app);
}

static int app_not_found(const char *name, struct err **e)
{
	return err_set(e, ERR_NOT_FOUND, "Error: app '%s' not found", name);
}

int cli_require(const struct cli *cli, enum role role, const char *app, struct err **e)
{
	if (cli_may(cli, role, app))
		return 0;
	if (!app)
		return err_set(e, ERR_PERMISSION, "this is for administrators: the key '%s' is none",
			       cli->who.by);
	if (!cli_may(cli, ROLE_READ, app))
		return app_not_found(app, e);
	return err_set(e, ERR_PERMISSION, "the key '%s' may not do this to app '%s': it takes the role '%s'",
		       cli->who.by, app, role == ROLE_ADMIN ? "admin" : "deploy");
}

/* The first argument is an app's name as people write it; from here on it is the legal one. */
int cli_open_app(struct cli *cli, char **arg, struct err **e)
{
	_cleanup_(freep) char *name = NULL;
	int r = cli_open_store(cli, e);

	if (r >= 0)
		r = app_name_read(&name, *arg, e);
	if (r >= 0)
		r = cli_require(cli, ROLE_READ, name, e);
	if (r < 0)
		return r;
	r = store_app_get(&cli->store, name, &cli->app, e);
	if (r == ERR_NOT_FOUND && !cli_may(cli, ROLE_READ, NULL))
		return app_not_found(name, e); /* and no other app's name is suggested */
	if (r >= 0)
		r = cli_require(cli, cli->command->role, name, e);
	if (r == ERR_NOT_FOUND && e) {
		_cleanup_(freep) char *text = err_text(*e);

		return err_set(e, r, "Error: %s", text);
	}
	if (r >= 0)
		str_set(arg, name);
	return r;
}

static bool needs(const struct command *c, unsigned what)
{
	return (c->needs & what) == what;
}

static int open_needs(struct cli *cli, struct strv *args, struct err **e)
{
	const struct command *c = cli->command;
	int r = needs(c, NEEDS_ROOT) ? find_root(cli, e) : 0;

	if (r >= 0 && needs(c, NEEDS_STORE))
		r = cli_open_store(cli, e);
	if (r >= 0 && needs(c, NEEDS_APP))
		r = cli_open_app(cli, &args->v[0], e);
	if (r >= 0 && needs(c, NEEDS_DAEMON))
		r = cli_open_control(cli, e);
	return r;
}

int cli_exec_slipwayd(char **argv, struct err **e)
{
	_cleanup_(freep) char *dir = exe_dir(), *path = path_join(dir ? dir : ".", "slipwayd");
	_cleanup_(strv_done) struct strv all = { 0 };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	self[n > 0 ? n : 0] = '\0';
	if (str_eq(self, path))
		return err_set(e, ERR_MISSING, "this slipwayd was built without the command");
	STRV_ADD(&all, "slipway");
	strv_add(&all, (const char *const *) argv);
	(void) fflush(stdout);
	(void) execv(path, all.v);
	return err_set(e, ERR_MISSING,
		       "executing %s: %m: install slipway whole, both programs in one directory", path);
}

/* slipwayd is told who asks by words that only cli_main() reads, never cli_run(), which remote clients reach.
 */
static int run_in_slipwayd(const struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(strv_done) struct strv all = { 0 };

	_cleanup_(freep) char *grants = cli->who.grants ? grants_text(cli->who.grants) : NULL;

	STRV_ADD(&all, "--by", cli->who.by);
	if (cli->who.fingerprint)
		STRV_ADD(&all, "--fingerprint", cli->who.fingerprint);
	if (grants)
		STRV_ADD(&all, "--grants", grants);
	if (cli->who.is_remote)
		STRV_ADD(&all, "--remote");
	strv_add(&all, (const char *const *) argv);
	return cli_exec_slipwayd(all.v, e);
}

static int unknown_command(const char *word, struct err **e)
{
	_cleanup_(strv_done) struct strv words = { 0 };
	const char *near;

	for (size_t i = 0; cli_commands[i]; i++)
		if (!(cli_commands[i]->needs & CLI_HIDDEN))
			strv_split(&words, cli_commands[i]->words, " ");
	near = str_nearest(word, (const char *const *) words.v, words.n);
	if (near)
		return err_set(e, ERR_USAGE, "unknown command '%s'; did you mean '%s'?", word, near);
	return err_set(e, ERR_USAGE, "unknown command '%s'; `slipway help` lists them", word);
}

static int run_command(struct cli *cli, char **argv, struct err **e)
{
	const struct command *c = cli->command;
	_cleanup_(strv_done) struct strv args = { 0 };
	int r = options_parse(cli, argv + 1, &args, e);

	if (r > 0) {
		help_command(c);
		return 0;
	}
	if (r >= 0)
		r = options_count(c, &args, e);
	if (r < 0)
		return r;
	if (cli_option(cli, "root"))
		(void) setenv("SLIPWAY_ROOT", cli_option(cli, "root"), 1);
	cli->is_json = cli_option(cli, "json") != NULL;
	if (c->role == ROLE_ADMIN && !needs(c, NEEDS_APP))
		r = cli_require(cli, ROLE_ADMIN, NULL, e);
	if (r < 0)
		return r;
	if (!c->run)
		return run_in_slipwayd(cli, argv, e);
	if (!args.v)
		args.v = xcalloc(1, sizeof *args.v);
	if (c->check)
		r = c->check(args.v, e);
	if (r >= 0)
		r = open_needs(cli, &args, e);
	return r < 0 ? r : c->run(cli, args.v, e);
}

static int run_line(struct cli *cli, char **argv, struct err **e)
{
	if (!cli->who.is_remote && argv[0] && str_eq(argv[0], "--root")) {
		if (!argv[1])
			return err_set(e, ERR_USAGE, "--root wants a directory");
		(void) setenv("SLIPWAY_ROOT", argv[1], 1);
		argv += 2;
	} else if (!cli->who.is_remote && argv[0] && str_starts(argv[0], "--root=")) {
		(void) setenv("SLIPWAY_ROOT", argv[0] + strlen("--root="), 1);
		argv++;
	}
	if (!argv[0] || str_eq(argv[0], "--help") || str_eq(argv[0], "-h")) {
		help_overview(cli->who.is_remote);
		return 0;
	}
	cli->command = cli_find(str_eq(argv[0], "--version") ? "version" : argv[0]);
	if (!cli->command && *argv[0] == '-')
		return err_set(e, ERR_USAGE, "unknown option '%s'; usage: slipway COMMAND [ARGUMENTS]",
			       argv[0]);
	if (!cli->command)
		return unknown_command(argv[0], e);
	if (cli->who.is_remote && cli->command->needs & CLI_LOCAL)
		return err_set(e, ERR_PERMISSION, "%s: only on the machine itself, not over SSH", argv[0]);
	return run_command(cli, argv, e);
}

static void cli_done(struct cli *cli)
{
	control_close(&cli->control);
	store_close(&cli->store);
	app_row_done(&cli->app);
	env_done(&cli->options);
	free(cli->root);
}

/* One line, whatever the text was put together from. */
static int report(const struct err *e, int code)
{
	_cleanup_(freep) char *raw = err_text(e), *text = printable_line(raw);

	(void) fflush(stdout);
	(void) fprintf(stderr, "slipway: %s\n", text);
	return code == ERR_CHILD && e && e->status > 0 ? e->status : err_exit_status(code);
}

int cli_run(char **argv, const struct caller *who)
{
	_cleanup_(err_freep) struct err *e = NULL;
	struct cli cli = { .who = *who };
	int r = run_line(&cli, argv, &e);

	if (r < 0)
		(void) room_explain(cli.root, r, &e);
	cli_done(&cli);
	if (r >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = err_set(&e, -errno, "writing the output: %m");
	return r < 0 ? report(e, r) : r;
}

int cli_main(int argc, char **argv)
{
	_cleanup_(grants_done) struct grants grants = { 0 };
	struct caller who = { .by = "local" };
	int status;

	/* What git checks out and apps write is for nginx's workers to read and for nobody to change; what is
	 * secret has a mode of its own. */
	(void) umask(022);
	if (ssh_forced(argv, &status))
		return status;
	argv += argc > 0;
	for (; argv[0]; argv++) {
		if (str_eq(argv[0], "--by") && argv[1])
			who.by = *++argv;
		else if (str_eq(argv[0], "--fingerprint") && argv[1])
			who.fingerprint = *++argv;
		else if (str_eq(argv[0], "--grants") && argv[1]) {
			(void) grants_parse(&grants, *++argv, NULL); /* what cannot be read allows nothing */
			who.grants = &grants;
		} else if (str_eq(argv[0], "--remote"))
			who.is_remote = true;
		else
			break;
	}
	return cli_run(argv, &who);
}
