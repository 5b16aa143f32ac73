/*
 * The command line: one table of all commands; dispatch, argument counts, --help and "did you mean" come from
 * the entries. Commands print results to standard output; what fails is returned and printed once, by
 * cli_main().
 */
#pragma once

#include <stdbool.h>

#include "base/env.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "control/control.h"
#include "source/grants.h"
#include "store/app.h"
#include "store/store.h"

struct option_def {
	char letter;      /* 0: none */
	const char *word; /* "follow": --follow */
	const char *arg;  /* "N": takes a value; NULL: a switch */
	const char *help;
};

enum {
	NEEDS_ROOT = 1,        /* a root directory that was set up */
	NEEDS_STORE = 2 | 1,   /* cli->store is open */
	NEEDS_APP = 4 | 2 | 1, /* the first argument names an app that exists: cli->app */
	NEEDS_DAEMON = 8 | 1,  /* cli->control is open; ERR_MISSING otherwise */
	CLI_JSON = 16,         /* takes --json */
	CLI_HIDDEN = 32,       /* not in the overview: what git and sshd call */
	CLI_RAW = 64, /* everything behind the app's name is the command's own: no options are read there */
	CLI_LOCAL = 128, /* not over SSH */
};

struct cli;
struct command {
	const char *words;      /* its name, then Piku's or Kata's words for it: "ps:scale scale" */
	const char *args;       /* "APP SERVICE=COUNT..." */
	const char *summary;    /* one line, no full stop */
	const char *details;    /* more for --help; may be NULL */
	int min_args, max_args; /* max_args -1: any number */
	unsigned needs;
	/* Are the arguments what they may be? Asked before anything that is needed is opened; may be NULL. */
	int (*check)(char **argv, struct err **e);
	/* What a key must be allowed: on the app with NEEDS_APP; else ROLE_ADMIN means the host, and with the
	 * others the command asks itself, by cli_may() or cli_open_app(). */
	enum role role;
	const char *group; /* heading in the overview: "Apps", "Settings", "Deployments", "Host" */
	/* argv: the arguments without options, NULL-terminated. Returns an exit status >= 0, or < 0 with *e.
	 * NULL in slipway when only slipwayd has it (a weak symbol): slipwayd is executed then. */
	int (*run)(struct cli *cli, char **argv, struct err **e);
	const struct option_def *options; /* up to { 0 }; may be NULL */
};

/* On whose behalf a command runs. */
struct caller {
	const char *by;              /* the key's name, or "local" */
	const char *fingerprint;     /* of the key; NULL: local */
	const struct grants *grants; /* what the key may do; NULL: everything */
	bool is_remote;              /* came over SSH */
};

struct cli {
	char *root; /* absolute; NULL before it is needed */
	struct store store;
	struct control control;
	struct app_row app; /* with NEEDS_APP */
	bool is_json;
	struct caller who;
	const struct command *command;
	struct env options; /* by word */
};

/* The option's value ("" for a switch that was given), NULL when it was not given. */
const char *cli_option(const struct cli *cli, const char *word);
/* May the caller do what takes the role, on the app or (NULL) on the host? */
bool cli_may(const struct cli *cli, enum role role, const char *app);
/* The same as an error: ERR_PERMISSION; or ERR_NOT_FOUND, as if it were not there, for an app that the caller
 * may not even read. */
int cli_require(const struct cli *cli, enum role role, const char *app, struct err **e);
/* Parses and runs one command line (argv without the program's name); prints the error; returns the exit
 * status. ssh: called by the forced command with what the client asked for. */
int cli_run(char **argv, const struct caller *who);
/* main() of slipway, and of slipwayd when called as slipway. */
int cli_main(int argc, char **argv);
/* All commands, NULL-terminated, in the order of the overview. */
extern const struct command *const cli_commands[];
const struct command *cli_find(const char *word); /* NULL: none */
/* Opens what is needed, once. */
int cli_open_store(struct cli *cli, struct err **e);
int cli_open_control(struct cli *cli, struct err **e);
/* Executes slipwayd (beside this program) with the same arguments, as this program's name. Returns on
 * failure. */
int cli_exec_slipwayd(char **argv, struct err **e);

/* Bold, colours: the escape sequence when standard output is a terminal (and NO_COLOR is unset), else "". */
const char *cli_bold(void);
const char *cli_green(void);
const char *cli_red(void);
const char *cli_yellow(void);
const char *cli_dim(void);
const char *cli_reset(void);

/* Aligned columns: rows of texts; the widest decides. Escape sequences do not count. */
struct columns {
	struct strv cells;
	size_t n_columns;
};
void columns_row(struct columns *c, const char *const *cells); /* NULL-terminated, as many as the heading */
void columns_print(struct columns *c);                         /* first row: the heading, dimmed */
void columns_done(struct columns *c);
#define COLUMNS_ROW(c, ...) columns_row(c, (const char *const[]){ __VA_ARGS__, NULL })

/*
 * Asks the daemon for a deployment and follows it to its end: prints its log as it grows (or with --no-wait
 * only its number). args: "app", "kind" and what else docs/control.md says of the operation `deploy`,
 * borrowed. Returns the exit status the deployment has for whoever asked, or < 0.
 */
int follow_request(struct cli *cli, const json_t *args, struct err **e);
/* Follows one that exists already. */
int follow_deployment(struct cli *cli, int64_t id, struct err **e);
