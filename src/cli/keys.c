/* The SSH keys that may use this slipway. */
#include "source/keys.h"

#include "cli/cli.h"
#include "store/event.h"

static void print_json(const struct ssh_keys *keys)
{
	_cleanup_(json_releasep) json_t *list = json_array();

	for (size_t i = 0; i < keys->n; i++) {
		json_t *key = json_object();

		json_put_text(key, "name", keys->v[i].name);
		json_put_text(key, "type", keys->v[i].type);
		json_put_text(key, "fingerprint", keys->v[i].fingerprint);
		json_array_append_new(list, key);
	}
	json_print(list);
}

static void print_table(const struct ssh_keys *keys)
{
	_cleanup_(columns_done) struct columns table = { 0 };

	COLUMNS_ROW(&table, "NAME", "TYPE", "FINGERPRINT");
	for (size_t i = 0; i < keys->n; i++)
		COLUMNS_ROW(&table, keys->v[i].name, keys->v[i].type, keys->v[i].fingerprint);
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

static int keys_remove(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(freep) char *file = ssh_keys_file();
	int r = ssh_keys_remove(file, argv[0], e);

	if (r < 0)
		return r;
	printf("Removed key '%s'.\n", argv[0]);
	return store_event_add(&cli->store, NULL, cli->by, "keys:remove", argv[0], "succeeded", e);
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
