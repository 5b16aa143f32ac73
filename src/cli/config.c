/* Settings: config, config:get, config:set, config:unset, config:live (Piku spec 17). */
#include "base/file.h"
#include "base/printable.h"
#include "cli/cli-internal.h"
#include "plan/root.h"
#include "plan/spec.h"
#include "store/event.h"

/* Settings as programs read them; expand: references to names of the same file are replaced. */
static void parse(const char *text, bool expand, struct env *ret)
{
	_cleanup_(problems_done) struct problems problems = { 0 };

	env_parse(ret, text, strlen(text), "config", "config", expand, &problems);
}

static void print_trimmed(const char *text)
{
	_cleanup_(freep) char *shown = printable_text(text);
	struct span s = span_trim(shown, shown + strlen(shown));

	if (s.n)
		(void) printf("%.*s\n", (int) s.n, s.s);
}

static void print_env_json(const struct env *env)
{
	_cleanup_(json_releasep) json_t *j = json_from_env(env);

	json_print(j);
}

static int print_origins(struct cli *cli, struct err **e)
{
	_cleanup_(columns_done) struct columns c = { 0 };
	_cleanup_(spec_done) struct spec spec = { 0 };
	int r;

	if (!cli->app.live_version)
		return err_set(e, ERR_FAILED,
			       "Error: app '%s' not deployed! Only a release has a whole environment",
			       cli->app.name);
	r = spec_read(&spec, cli->root, cli->app.name, (long) cli->app.live_version, e);
	if (r < 0)
		return err_wrap(e, ERR_FAILED, "reading the environment of v%lld",
				(long long) cli->app.live_version);
	if (cli->is_json) {
		print_env_json(&spec.env);
		return 0;
	}
	COLUMNS_ROW(&c, "NAME", "ORIGIN", "VALUE");
	for (size_t i = 0; i < spec.env.n; i++)
		COLUMNS_ROW(&c, spec.env.v[i].name, spec.env.v[i].origin ? spec.env.v[i].origin : "-",
			    spec.env.v[i].value);
	columns_print(&c);
	return 0;
}

static void warn_not_deployed(struct cli *cli)
{
	(void) fprintf(stderr, "Warning: app '%s' not deployed, no config found.\n", cli->app.name);
}

/* text: of a settings file; NULL: there is none. */
static void print_settings(struct cli *cli, const char *text)
{
	_cleanup_(env_done) struct env env = { 0 };

	if (cli->is_json) {
		parse(text ? text : "", false, &env);
		print_env_json(&env);
	} else if (text) {
		print_trimmed(text);
	} else {
		warn_not_deployed(cli);
	}
}

static int run_config(struct cli *cli, char **argv UNUSED, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	int r;

	if (cli_option(cli, "origin"))
		return print_origins(cli, e);
	r = settings_read(cli, &text, e);
	if (r < 0)
		return r;
	print_settings(cli, text);
	return 0;
}

static int run_get(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(freep) char *text = NULL;
	int r = settings_read(cli, &text, e);

	if (r < 0)
		return r;
	if (!text)
		(void) fprintf(stderr, "Warning: no active configuration for '%s'\n", cli->app.name);
	parse(text ? text : "", true, &env);
	if (!env_get(&env, argv[1]))
		return 1;
	(void) puts(env_get(&env, argv[1]));
	return 0;
}

static bool wants_deployment(struct cli *cli)
{
	return cli->app.last_deployment && !cli->app.is_held && !cli_option(cli, "no-deploy");
}

static int record(struct cli *cli, const char *what, const struct env *changes, struct err **e)
{
	_cleanup_(strv_done) struct strv names = { 0 };
	_cleanup_(freep) char *detail = NULL;

	for (size_t i = 0; i < changes->n; i++)
		STRV_ADD(&names, changes->v[i].name);
	detail = strv_join(&names, " ");
	return store_event_add(&cli->store, cli->app.name, cli->who.by, what, detail, "succeeded", e);
}

static int deploy_change(struct cli *cli, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = json_object(), *args = json_object();
	int r;

	json_put_text(j, "app", cli->app.name);
	json_put_text(j, "kind", "deploy");
	json_put_flag(j, "force", true); /* a commit that failed before may well work with the new settings */
	json_put_flag(args, "settings", true);
	(void) json_object_set(j, "args", args);
	(void) fflush(stdout);
	r = follow_request(cli, j, e);
	return r < 0 ? err_wrap(e, r, "the settings are written, but not deployed") : r;
}

/* The daemon is asked for before anything is written, so that a missing one changes nothing. */
static int apply(struct cli *cli, const char *what, const struct env *changes, struct err **e)
{
	int r = wants_deployment(cli) ? cli_open_control(cli, e) : 0;

	if (r < 0)
		return err_wrap(e, r, "nothing was changed (--no-deploy only writes the settings)");
	r = settings_change(cli, changes, e);
	if (r <= 0) {
		if (r == 0)
			(void) puts("That is what the settings say already: nothing to deploy.");
		return r;
	}
	r = record(cli, what, changes, e);
	if (r < 0)
		return r;
	if (!wants_deployment(cli)) {
		(void) printf("Written; the next deployment of '%s'%s uses it.\n", cli->app.name,
			      cli->app.is_held ? " (which is held)" : "");
		return 0;
	}
	return deploy_change(cli, e);
}

static int run_set(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(env_done) struct env changes = { 0 };
	int r = argv[1] ? settings_read_arguments(argv + 1, &changes, e) : 0;

	if (r >= 0 && cli_option(cli, "stdin"))
		r = settings_read_input(&changes, e);
	if (r < 0)
		return r;
	if (!changes.n)
		return err_set(e, ERR_USAGE,
			       "KEY=VALUE is missing; usage: slipway config:set APP KEY=VALUE...");
	for (size_t i = 0; i < changes.n; i++) {
		const struct env_var *v = &changes.v[i];

		if (settings_is_secret(v->name, v->value))
			(void) printf("Setting %s for '%s'\n", v->name, cli->app.name);
		else
			(void) printf("Setting %s=%s for '%s'\n", v->name, v->value, cli->app.name);
	}
	return apply(cli, "config:set", &changes, e);
}

/* Removes from changes what the file does not set. */
static int find_set(struct cli *cli, char **names, struct env *changes, struct err **e)
{
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(freep) char *text = NULL;
	int r = settings_read(cli, &text, e);

	if (r < 0)
		return r;
	parse(text ? text : "", false, &env);
	for (char **name = names; *name; name++)
		if (env_get(&env, *name))
			env_set(changes, *name, NULL, "config");
	return 0;
}

static int run_unset(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(env_done) struct env changes = { 0 };
	int r = find_set(cli, argv + 1, &changes, e);

	if (r < 0 || !changes.n)
		return r;
	for (size_t i = 0; i < changes.n; i++)
		(void) printf("Unsetting %s for '%s'\n", changes.v[i].name, cli->app.name);
	return apply(cli, "config:unset", &changes, e);
}

static int run_live(struct cli *cli, char **argv UNUSED, struct err **e)
{
	_cleanup_(freep) char *path = root_path(cli->root, "envs/%s/LIVE_ENV", cli->app.name), *text = NULL;
	int r = file_exists(path) ? file_read(path, 4 << 20, &text, NULL, e) : 0;

	if (r < 0)
		return r;
	print_settings(cli, text);
	return 0;
}

const struct command cmd_config = {
	.words = "config",
	.args = "APP",
	.summary = "print the settings",
	.details = "With --origin: every variable of the live release, and where its value comes from.",
	.role = ROLE_DEPLOY,
	.group = "Settings",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP | CLI_JSON,
	.run = run_config,
	.options =
		(const struct option_def[]){ { 0, "origin", NULL, "the whole environment and its origins" },
					     { 0 } },
};

const struct command cmd_config_get = {
	.words = "config:get",
	.args = "APP KEY",
	.summary = "print one setting; exit 1 when it is unset",
	.role = ROLE_DEPLOY,
	.group = "Settings",
	.min_args = 2,
	.max_args = 2,
	.needs = NEEDS_APP,
	.run = run_get,
};

#define NO_DEPLOY                                                                                            \
	{ 0, "no-deploy", NULL, "only write it; the next deployment uses it" },                              \
	{                                                                                                    \
		0, "no-wait", NULL, "do not wait for the deployment"                                         \
	}

const struct command cmd_config_set = {
	.words = "config:set",
	.args = "APP KEY=VALUE...",
	.summary = "change settings and deploy",
	.details = "The arguments are joined with blanks and split by a shell's quoting rules, so a value "
		   "with blanks is\n"
		   "quoted twice: config:set APP 'A=\"x y\"'. All are checked before any is written. The "
		   "file's comments and\n"
		   "order stay. Values of names that look secret are not printed.",
	.role = ROLE_DEPLOY,
	.group = "Settings",
	.min_args = 1,
	.max_args = -1,
	.needs = NEEDS_APP,
	.run = run_set,
	.options =
		(const struct option_def[]){
			NO_DEPLOY, { 0, "stdin", NULL, "read KEY=VALUE lines from standard input" }, { 0 } },
};

const struct command cmd_config_unset = {
	.words = "config:unset",
	.args = "APP KEY...",
	.summary = "remove settings and deploy",
	.role = ROLE_DEPLOY,
	.group = "Settings",
	.min_args = 2,
	.max_args = -1,
	.needs = NEEDS_APP,
	.run = run_unset,
	.options = (const struct option_def[]){ NO_DEPLOY, { 0 } },
};

const struct command cmd_config_live = {
	.words = "config:live",
	.args = "APP",
	.summary = "print the environment that the app runs with",
	.role = ROLE_DEPLOY,
	.group = "Settings",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_APP | CLI_JSON,
	.run = run_live,
};
