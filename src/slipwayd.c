/* slipwayd: the daemon, the processes it starts for itself, and (called as slipway) the whole command line.
 */
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crash-point.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "check/check.h"
#include "cli/cli.h"
#include "daemon/daemon.h"
#include "deploy/deploy.h"
#include "plan/host.h"
#include "plan/room.h"
#include "plan/root.h"
#include "router/router.h"
#include "runner/launch.h"

static const char usage[] =
	"Usage: slipwayd [--root DIR]\n"
	"\n"
	"Supervises the apps of a root directory, in the foreground. TERM ends it, the apps stay;\n"
	"HUP reads config.toml again.\n"
	"\n"
	"  --root DIR   the root directory (default: $SLIPWAY_ROOT, else ~/.slipway)\n"
	"  --self-check print version, schema and handover format when it could start here; changes nothing\n"
	"  --version    print the version\n"
	"  --help       print this\n";

/* ---- what it starts for itself: slipwayd MODE ARGUMENT... ---- */

static int mode_instance(char **argv, struct err **e)
{
	return launch_instance(argv, e);
}

static int mode_check(char **argv, struct err **e)
{
	return check_instance(argv, e);
}

static int mode_keeper(char **argv, struct err **e)
{
	crash_role(argv[0], "keeper");
	return keeper_run(argv[0], e);
}

static int deployment(char **argv, int (*run)(const char *root, int64_t id, struct err **e), struct err **e)
{
	long id;

	if (!str_to_long(argv[1], 1, LONG_MAX, &id))
		return err_set(e, ERR_USAGE, "'%s' is no number of a deployment", argv[1]);
	log_init();
	if (!launch_gate())
		return 0;
	crash_role(argv[0], "deployment");
	int r = run(argv[0], id, e);

	if (r >= 0 || !err_is_temporary(r))
		return r;
	(void) room_explain(argv[0], r, e);
	_cleanup_(freep) char *text = err_text(e ? *e : NULL);

	(void) fprintf(stderr, "slipwayd: %s; it will be tried again\n", text);
	return DEPLOY_UNFINISHED;
}

static int mode_deploy(char **argv, struct err **e)
{
	return deployment(argv, deploy_run, e);
}

static int mode_repair(char **argv, struct err **e)
{
	return deployment(argv, deploy_repair, e);
}

static int mode_retain(char **argv, struct err **e)
{
	log_init();
	crash_role(argv[0], "retention");
	return deploy_retain(argv[0], argv[1], e);
}

static int mode_tend(char **argv, struct err **e)
{
	_cleanup_(strv_done) struct strv notes = { 0 };
	_cleanup_(host_done) struct host host = { 0 };
	int r = host_read(&host, argv[0], e);

	log_init();
	if (r >= 0 && str_eq(host.router, "nginx"))
		r = nginx_tend(argv[0], &host, &notes, e);
	for (size_t i = 0; i < notes.n; i++)
		log_warning("while tending the router", F("note", notes.v[i]));
	return r;
}

static const struct mode {
	const char *name, *args;
	int n_args;
	int (*run)(char **argv, struct err **e);
} modes[] = {
	{ "instance", "ROOT APP VERSION SERVICE ORDINAL PORT UID", 7, mode_instance },
	{ "check", "ROOT APP VERSION SERVICE ORDINAL PORT PID", 7, mode_check },
	{ "keeper", "ROOT", 1, mode_keeper },
	{ "deploy", "ROOT ID", 2, mode_deploy },
	{ "repair", "ROOT ID", 2, mode_repair },
	{ "retain", "ROOT APP", 2, mode_retain },
	{ "tend", "ROOT", 1, mode_tend },
};

/* ---- the daemon ---- */

static int usage_error(struct err **e)
{
	return err_set(e, ERR_USAGE, "see slipwayd --help");
}

static int daemon_main(int argc, char **argv, struct err **e)
{
	static const struct option options[] = { { "root", required_argument, NULL, 'r' },
						 { "self-check", no_argument, NULL, 'C' },
						 { "version", no_argument, NULL, 'V' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	_cleanup_(freep) char *root = NULL;
	bool is_check = false;
	int c, r;

	while ((c = getopt_long(argc, argv, "r:Vh", options, NULL)) >= 0) {
		if (c == 'V' || c == 'h') {
			(void) fputs(c == 'h' ? usage : "slipwayd " VERSION "\n", stdout);
			return 0;
		}
		if (c == 'C')
			is_check = true;
		else if (c != 'r' || setenv("SLIPWAY_ROOT", optarg, 1) < 0)
			return usage_error(e);
	}
	if (argv[optind])
		return usage_error(e);
	r = root_find(&root, e);
	if (r < 0)
		return r;
	return is_check ? daemon_self_check(root, e) : daemon_run(root, argv, e);
}

static int run(int argc, char **argv, struct err **e)
{
	for (size_t i = 0; argc > 1 && i < COUNT(modes); i++) {
		if (!str_eq(modes[i].name, argv[1]))
			continue;
		if (argc - 2 != modes[i].n_args)
			return err_set(e, ERR_USAGE, "usage: slipwayd %s %s", modes[i].name, modes[i].args);
		return modes[i].run(argv + 2, e);
	}
	return daemon_main(argc, argv, e);
}

int main(int argc, char **argv)
{
	_cleanup_(err_freep) struct err *e = NULL;
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "slipwayd";
	int r;

	if (!str_eq(name, "slipwayd"))
		return cli_main(argc, argv);
	(void) umask(022); /* as in cli_main() */
	r = run(argc, argv, &e);
	if (r >= 0)
		return r;
	_cleanup_(freep) char *text = err_text(e);

	(void) fprintf(stderr, "slipwayd: %s\n", text);
	return err_exit_status(r);
}
