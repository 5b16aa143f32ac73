/* The SSH keys that may use this slipway. */
#include "source/keys.h"

#include "base/file.h"
#include "cli/cli.h"
#include "store/event.h"

static const char *may(const struct ssh_key *key)
{
	return key->grants ? key->grants : "admin";
}

static void print_json(const struct ssh_keys *keys)
{
	_cleanup_(json_releasep) json_t *list = json_array();

	for (size_t i = 0; i < keys->n; i++) {
		json_t *key = json_object();

		json_put_text(key, "name", keys->v[i].name);
		json_put_text(key, "type", keys->v[i].type);
		json_put_text(key, "fingerprint", keys->v[i].fingerprint);
		json_put_text(key, "may", may(&keys->v[i]));
		json_array_append_new(list, key);
	}
	json_print(list);
}

static void print_table(const struct ssh_keys *keys)
{
	_cleanup_(columns_done) struct columns table = { 0 };

	COLUMNS_ROW(&table, "NAME", "TYPE", "MAY", "FINGERPRINT");
	for (size_t i = 0; i < keys->n; i++)
		COLUMNS_ROW(&table, keys->v[i].name, keys->v[i].type, may(&keys->v[i]),
			    keys->v[i].fingerprint);
	columns_print(&table);
}

static int keys_list(struct cli *cli, char **argv UNUSED, struct err **e)
{
	_cleanup_(freep) char *file = ssh_keys_file();
	_cleanup_(ssh_keys_done) struct ssh_keys keys = { 0 };
	int r = ssh_keys_list(file, &keys, e);

	if (r < 0)
		return r;
	if (cli->is_json)
		print_json(&keys);
	else if (keys.n == 0)
		printf("There are no keys. Let one in: slipway setup:ssh FILE.pub\n");
	else
		print_table(&keys);
	return 0;
}

const struct command cmd_keys = {
	.words = "keys",
	.args = "",
	.summary = "list the SSH keys that may use this slipway",
	.min_args = 0,
	.max_args = 0,
	.needs = NEEDS_ROOT | CLI_JSON,
	.group = "Host",
	.run = keys_list,
};

static int keys_allow(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(freep) char *file = ssh_keys_file(), *dir = exe_dir(), *program = path_join(dir, "slipway");
	_cleanup_(grants_done) struct grants grants = { 0 };
	_cleanup_(strv_done) struct strv words = { 0 };

	strv_add(&words, (const char *const *) argv + 1);
	_cleanup_(freep) char *asked = strv_join(&words, ",");
	int r = grants_parse(&grants, asked, e);
	_cleanup_(freep) char *text = grants_text(&grants), *detail = xasprintf("%s: %s", argv[0], text);
	if (r >= 0)
		r = ssh_keys_allow(file, argv[0], text, program, cli->root, e);
	if (r < 0)
		return r;
	printf("Key '%s' may: %s\n", argv[0], text);
	return store_event_add(&cli->store, NULL, cli->who.by, "keys:allow", detail, "succeeded", e);
}

const struct command cmd_keys_allow = {
	.words = "keys:allow",
	.args = "NAME|FINGERPRINT GRANT...",
	.summary = "say what a key may do, and on which apps",
	.details =
		"A grant is a role on apps: read (fetch, status, logs), deploy (that, push, settings, run: "
		"whatever\n"
		"changes an app) or admin (that and its destruction), then :APP, where APP may contain * and "
		"?. Without\n"
		":APP it is for all apps; admin alone is everything, the host too. These grants replace "
		"those "
		"before. An\n"
		"app that a key may not read is not there for it.",
	.min_args = 2,
	.max_args = -1,
	.needs = NEEDS_STORE,
	.group = "Host",
	.run = keys_allow,
};

static int keys_remove(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(freep) char *file = ssh_keys_file();
	int r = ssh_keys_remove(file, argv[0], e);

	if (r < 0)
		return r;
	printf("Removed key '%s'.\n", argv[0]);
	return store_event_add(&cli->store, NULL, cli->who.by, "keys:remove", argv[0], "succeeded", e);
}

const struct command cmd_keys_remove = {
	.words = "keys:remove",
	.args = "NAME|FINGERPRINT",
	.summary = "let a key in no longer",
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_STORE,
	.group = "Host",
	.run = keys_remove,
};
