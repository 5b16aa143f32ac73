/* Setting a root directory up, and letting keys in. */
#include <errno.h>

#include "base/file.h"
#include "cli/cli.h"
#include "plan/root.h"
#include "source/keys.h"
#include "store/event.h"

#define KEYS_BYTES (1 << 20)

/* What a new root starts with; docs/settings.md has all of it. */
static const char sample_config[] =
	"# Settings of this host; slipwayd reads them at its start and on HUP.\n"
	"\n"
	"[router]\n"
	"# Apps without NGINX_SERVER_NAME answer as APP.DOMAIN:\n"
	"#default_domain = \"apps.example\"\n"
	"\n"
	"[nginx]\n"
	"# slipwayd runs an nginx of its own on these ports (80 and 443 when nothing else has them).\n"
	"private = true\n"
	"http_port = 8080\n"
	"https_port = 8443\n";

static int make_config(const char *root, struct strv *made, struct err **e)
{
	_cleanup_(freep) char *path = root_path(root, "config.toml");

	if (file_exists(path))
		return 0;
	STRV_ADD(made, path);
	return file_replace(path, sample_config, sizeof sample_config - 1, 0600, e);
}

static int make(const char *root, struct strv *made, struct err **e)
{
	_cleanup_(freep) char *path = root_store(root);
	_cleanup_(store_close) struct store store = { 0 };
	bool is_new = !file_exists(path);
	int r = root_make(root, made, e);

	if (r >= 0 && is_new && root_has_releases(root))
		r = err_set(e, ERR_MISSING,
			    "%s is not there, and there are apps: put a backup in its place or run `slipway "
			    "recover`",
			    path);
	if (r >= 0 && is_new)
		r = make_config(root, made, e);
	if (r >= 0)
		r = store_open(&store, path, true, e);
	if (r >= 0 && is_new)
		STRV_ADD(made, path);
	return r;
}

static int setup(struct cli *cli, char **argv UNUSED, struct err **e)
{
	_cleanup_(strv_done) struct strv made = { 0 };
	int r = cli->root ? 0 : root_find(&cli->root, e);

	if (r >= 0)
		r = make(cli->root, &made, e);
	for (size_t i = 0; i < made.n; i++)
		printf("Creating '%s'.\n", made.v[i]);
	if (r < 0)
		return err_wrap(e, r, "setting up %s", cli->root ? cli->root : "the root directory");
	if (made.n == 0)
		printf("%s is set up already.\n", cli->root);
	printf("Next: let a key in:      slipway setup:ssh FILE.pub\n"
	       "      start the daemon:  slipwayd\n"
	       "      push an app:       git push ssh://USER@HOST/APP BRANCH\n");
	return 0;
}

const struct command cmd_setup = {
	.words = "setup",
	.args = "",
	.summary = "make the root directory and the store",
	.details = "The root is $SLIPWAY_ROOT, else $PIKU_ROOT, else ~/.slipway. What is there already stays "
		   "as it is.",
	.min_args = 0,
	.max_args = 0,
	.needs = CLI_LOCAL,
	.group = "Host",
	.run = setup,
};

/* All of standard input; to be freed. */
static int read_stdin(char **ret, struct err **e)
{
	_cleanup_(strb_done) struct strb text = STRB(KEYS_BYTES);
	char buf[4096];
	ssize_t n;

	while ((n = read(0, buf, sizeof buf)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, -errno, "reading standard input: %m");
		if (strb_add(&text, buf, (size_t) n) < 0)
			return err_set(e, ERR_REFUSED, "more than %d bytes of keys", KEYS_BYTES);
	}
	*ret = strb_take(&text);
	return 0;
}

static int read_keys(struct cli *cli, const char *file, struct ssh_keys *ret, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	bool is_stdin = str_eq(file, "-");
	int r;

	if (!is_stdin && cli->who.is_remote)
		return err_set(e, ERR_PERMISSION,
			       "over SSH keys come on standard input: "
			       "ssh HOST setup:ssh - < id_ed25519.pub");
	r = is_stdin ? read_stdin(&text, e) : file_read(file, KEYS_BYTES, &text, NULL, e);
	if (r == -ENOENT)
		return err_set(e, ERR_FAILED, "public key file '%s' not found", file);
	return r < 0 ? r : ssh_keys_parse(ret, text, is_stdin ? "standard input" : file, e);
}

static int record(struct cli *cli, const struct strv *prints, struct err **e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < prints->n; i++)
		r = store_event_add(&cli->store, NULL, cli->who.by, "setup:ssh", prints->v[i], "succeeded",
				    e);
	return r;
}

static int setup_ssh(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(freep) char *file = ssh_keys_file(), *dir = exe_dir(), *program = path_join(dir, "slipway");
	_cleanup_(ssh_keys_done) struct ssh_keys keys = { 0 };
	_cleanup_(strv_done) struct strv added = { 0 };
	_cleanup_(grants_done) struct grants grants = { 0 };
	const char *name = cli_option(cli, "name"), *allowed = cli_option(cli, "allow");
	int r = allowed ? grants_parse(&grants, allowed, e) : 0;

	if (r >= 0)
		r = read_keys(cli, argv[0], &keys, e);
	for (size_t i = 0; r >= 0 && i < keys.n; i++) {
		if (name)
			str_set(&keys.v[i].name, name);
		if (allowed)
			keys.v[i].grants = grants_text(&grants);
	}
	if (r >= 0)
		r = ssh_keys_install(file, &keys, program, cli->root, &added, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < keys.n; i++)
		printf(strv_has(&added, keys.v[i].fingerprint) ? "Adding key '%s'.\n"
							       : "Key '%s' is there already.\n",
		       keys.v[i].fingerprint);
	return record(cli, &added, e);
}

const struct command cmd_setup_ssh = {
	.words = "setup:ssh",
	.args = "FILE|-",
	.summary = "let the SSH keys of a public key file in",
	.details = "Each key gets a line in ~/.ssh/authorized_keys ($SLIPWAY_AUTHORIZED_KEYS) that lets it "
		   "push, fetch and "
		   "run slipway's commands, and nothing else. One bad line, and nothing is added. A new key "
		   "may do "
		   "everything, unless --allow says less (see keys:allow).",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_STORE,
	.group = "Host",
	.run = setup_ssh,
	.options =
		(const struct option_def[]){
			{ 0, "name", "NAME", "who the key belongs to (default: its comment)" },
			{ 0, "allow", "GRANT,...",
			  "what it may do: deploy:APP, read:APP-* ... (default: everything)" },
			{ 0 } },
};
