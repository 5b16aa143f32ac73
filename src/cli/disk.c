/* disk: what each app costs, by what it is made of; and the entry of cleanup. */
#include "cli/disk.h"

#include "base/file.h"
#include "cli/cli-internal.h"
#include "plan/name.h"
#include "plan/root.h"

enum { N_CLASSES = 6 };
static const struct {
	const char *heading, *member, *dir;
} classes[N_CLASSES] = {
	{ "RELEASES", "releases_bytes", "releases" },
	{ "DEPS", "deps_bytes", "envs" },
	{ "REPO", "repo_bytes", "repos" },
	{ "DATA", "data_bytes", "data" },
	{ "CACHE", "cache_bytes", "cache" },
	{ "LOGS", "logs_bytes", "logs" },
};

struct usage {
	int64_t bytes[N_CLASSES], total;
};

static void measure(const char *root, const char *app, struct usage *ret)
{
	for (size_t i = 0; i < N_CLASSES; i++) {
		_cleanup_(freep) char *path = root_path(root, "%s/%s", classes[i].dir, app);

		ret->bytes[i] = disk_size(path);
		ret->total += ret->bytes[i];
	}
}

static json_t *usage_to_json(const char *app, bool exists, const struct usage *u)
{
	json_t *j = json_object();

	json_put_text(j, "name", app);
	json_put_flag(j, "exists", exists);
	for (size_t i = 0; i < N_CLASSES; i++)
		json_put_num(j, classes[i].member, u->bytes[i]);
	json_put_num(j, "total_bytes", u->total);
	return j;
}

static void add_row(struct columns *c, const char *name, const json_t *j)
{
	struct strv cells = { 0 };

	STRV_ADD(&cells, name);
	for (size_t i = 0; i < N_CLASSES; i++)
		strv_push(&cells, disk_text(json_num(j, classes[i].member, 0)));
	strv_push(&cells, disk_text(json_num(j, "total_bytes", 0)));
	columns_row(c, (const char *const *) cells.v);
	strv_done(&cells);
}

static void print_table(const json_t *all)
{
	_cleanup_(columns_done) struct columns c = { 0 };
	_cleanup_(freep) char *host = disk_text(json_num(all, "host_bytes", 0)),
			      *total = disk_text(json_num(all, "total_bytes", 0));
	bool has_lost = false;
	const json_t *j;
	size_t i;

	COLUMNS_ROW(&c, "APP", classes[0].heading, classes[1].heading, classes[2].heading, classes[3].heading,
		    classes[4].heading, classes[5].heading, "TOTAL");
	json_array_foreach(json_object_get(all, "apps"), i, j)
	{
		bool exists = json_flag(j, "exists", true);
		_cleanup_(freep) char *name =
			xasprintf("%s%s", json_text(j, "name"), exists ? "" : " (gone)");

		add_row(&c, name, j);
		has_lost = has_lost || !exists;
	}
	columns_print(&c);
	if (json_object_get(all, "host_bytes"))
		(void) printf("\nslipway itself %s, all %s\n", host, total);
	if (has_lost)
		(void) puts("(gone): destroyed without --data; slipway leaves what is left to you");
}

/* Every name that has something on the disk, whether the store knows it or not. */
static int find_names(struct cli *cli, struct strv *apps, struct strv *names, struct err **e)
{
	struct app_row *rows = NULL;
	size_t n = 0;
	int r = store_app_list(&cli->store, &rows, &n, e);

	for (size_t i = 0; i < n; i++)
		if (cli_may(cli, ROLE_READ, rows[i].name))
			STRV_ADD(apps, rows[i].name);
	app_rows_free(rows, n);
	if (r >= 0)
		strv_add(names, (const char *const *) (apps->v ? apps->v : (char *[]){ NULL }));
	for (size_t i = 0; r >= 0 && i < N_CLASSES; i++) {
		_cleanup_(freep) char *path = root_path(cli->root, "%s", classes[i].dir);
		_cleanup_(strv_done) struct strv dirs = { 0 };

		r = dir_list(path, &dirs, e);
		for (size_t k = 0; k < dirs.n; k++) {
			_cleanup_(freep) char *dir = path_join(path, dirs.v[k]);

			if (app_name_is_legal(dirs.v[k]) && cli_may(cli, ROLE_READ, dirs.v[k]) &&
			    is_dir(dir) && !strv_has(names, dirs.v[k]))
				STRV_ADD(names, dirs.v[k]);
		}
	}
	strv_sort(names);
	return r;
}

static int run_disk(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(json_releasep) json_t *all = json_object();
	_cleanup_(strv_done) struct strv apps = { 0 }, names = { 0 };
	json_t *array = json_array();
	int64_t sum = 0;
	int r = argv[0] ? cli_open_app(cli, &argv[0], e) : find_names(cli, &apps, &names, e);

	(void) json_object_set_new(all, "apps", array);
	if (r < 0)
		return r;
	if (argv[0])
		STRV_ADD(&names, argv[0]);
	for (size_t i = 0; i < names.n; i++) {
		struct usage u = { 0 };

		measure(cli->root, names.v[i], &u);
		sum += u.total;
		(void) json_array_append_new(
			array, usage_to_json(names.v[i], argv[0] || strv_has(&apps, names.v[i]), &u));
	}
	if (!argv[0] && cli_may(cli, ROLE_ADMIN, NULL)) {
		int64_t whole = disk_size(cli->root);

		json_put_num(all, "host_bytes", whole > sum ? whole - sum : 0);
		sum = whole > sum ? whole : sum;
	}
	json_put_num(all, "total_bytes", sum);
	if (cli->is_json)
		json_print(all);
	else
		print_table(all);
	return 0;
}

const struct command cmd_disk = {
	.words = "disk",
	.args = "[APP]",
	.summary = "show what apps cost on the disk",
	.details = "By releases, dependencies (envs/), repository, data, cache and logs.",
	.role = ROLE_READ,
	.group = "Host",
	.max_args = 1,
	.needs = NEEDS_STORE | CLI_JSON,
	.run = run_disk,
};

const struct command cmd_cleanup = {
	.words = "cleanup",
	.args = "[APP]",
	.summary = "remove what slipway made and nothing needs any more",
	.details = "Releases beyond those kept, failed ones and such that the store does not know, "
		   "dependencies that "
		   "no release uses, old logs of deployments. Never data, caches, repositories or settings.",
	.group = "Host",
	.max_args = 1,
	.needs = NEEDS_STORE | CLI_JSON,
	.run = cleanup_run,
	.options = (const struct option_def[]){ { 'n', "dry-run", NULL, "only say what would go" }, { 0 } },
};
