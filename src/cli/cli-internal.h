/* For the files of this folder only: parsing a command line, help, and what several commands share. */
#pragma once

#include "cli/cli.h"

/* cli.c: what NEEDS_APP does, for commands that take an app or none. *arg becomes the legal name. */
int cli_open_app(struct cli *cli, char **arg, struct err **e);

/* options.c */
/*
 * Sorts a command's words into cli->options and args. Options and arguments may be mixed; "--" ends the
 * options; behind the first argument of a CLI_RAW command nothing is an option. 1: --help was asked for.
 */
int options_parse(struct cli *cli, char **argv, struct strv *args, struct err **e);
/* Are there as many as the command takes? */
int options_count(const struct command *c, const struct strv *args, struct err **e);
/* A count given as the value of an option: 1 to 1000000, or def when it was not given. */
int option_number(const struct cli *cli, const char *word, long def, long *ret, struct err **e);

/* help.c */
char *help_usage(const struct command *c); /* "slipway ps APP [--json]"; to be freed */
void help_overview(bool is_remote);
void help_command(const struct command *c);

/* view.c: what runs, for people and programs. */
/*
 * The instances of an app (NULL: of all) as docs/control.md gives them: asked from the daemon, or, when none
 * listens, from the store (state "running" or "down").
 */
int view_instances(struct cli *cli, const char *app, json_t **ret, struct err **e);
/* The plan of the live release. ERR_FAILED "Error: app 'X' not deployed!" when there is none. */
struct plan;
int view_live_plan(struct cli *cli, struct plan *ret, struct err **e);
/* schedule.c: the schedules of a plan with their next and last runs, as docs/json.md gives them. */
int view_schedules(struct cli *cli, const struct plan *p, json_t **ret, struct err **e);
void view_print_schedules(const json_t *schedules);
/* "2026-11-23T21:40:00Z", or "" for 0; to be freed. */
char *view_time(int64_t at_s);
char *view_version(int64_t version); /* "v7", "-" for 0; to be freed */
const char *view_commit(const char *commit, char short_name[static 9]);
/* The colour of a state of an app, an instance or a deployment. */
const char *view_colour(const char *state);

/* settings.c: an operator's settings file. */
/*
 * Reads KEY=VALUE arguments by Piku's rules: joined with blanks, split again by shell quoting. Every bad one
 * is named; ERR_FAILED then, and nothing is in *ret.
 */
int settings_read_arguments(char **argv, struct env *ret, struct err **e);
/* Reads KEY=VALUE lines from standard input. */
int settings_read_input(struct env *ret, struct err **e);
/* May the value be shown to whoever looks over a shoulder? */
bool settings_is_secret(const char *name, const char *value);
/* The text of config/APP/ENV; *ret is NULL when there is none. */
int settings_read(struct cli *cli, char **ret, struct err **e);
/* Warns of every line that is none of a settings file. */
void settings_warn(struct cli *cli, const char *text);

/* Runs under the lock of the app's settings: edit (sets; or with values NULL unsets) and replace the file. 1:
 * it was changed, 0: it says that already. */
int settings_change(struct cli *cli, const struct env *changes, struct err **e);
