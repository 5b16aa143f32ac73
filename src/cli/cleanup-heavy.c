/* cleanup: what slipway made and nothing needs, with what it frees. */
#include "cli/cli-internal.h"
#include "cli/disk.h"
#include "deploy/leftovers.h"
#include "plan/room.h"
#include "store/event.h"

struct cleanup {
	struct cli *cli;
	bool is_dry;
	json_t *removed; /* in "removed" of the answer */
	int64_t sum;
};

static int clean_one(struct cleanup *c, const struct leftover *l, const char *app, struct err **e)
{
	int64_t size = disk_size(l->path);
	_cleanup_(freep) char *text = disk_text(size);
	json_t *j;
	int r = c->is_dry ? 0 : leftover_remove(l, &c->cli->store, app, e);

	if (r < 0)
		return r;
	j = json_object();
	json_put_text(j, "path", l->path);
	json_put_text(j, "why", l->why);
	json_put_text(j, "app", app);
	json_put_num(j, "size_bytes", size);
	(void) json_array_append_new(c->removed, j);
	c->sum += size;
	if (!c->cli->is_json)
		(void) printf("%6s  %s: %s\n", text, l->path, l->why);
	return 0;
}

static int clean_all(struct cleanup *c, const struct leftovers *all, const char *app, struct err **e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < all->n; i++)
		r = clean_one(c, &all->v[i], app, e);
	return r;
}

static int clean_app(struct cleanup *c, const struct app_row *app, struct err **e)
{
	_cleanup_(leftovers_done) struct leftovers all = { 0 };
	int r = leftovers_find(&all, &c->cli->store, c->cli->root, app, e);

	if (r > 0)
		(void) fprintf(stderr, "slipway: a deployment of '%s' runs: nothing of it is removed now\n",
			       app->name);
	return r < 0 ? err_wrap(e, r, "cleaning up after '%s'", app->name) : clean_all(c, &all, app->name, e);
}

static int clean_host(struct cleanup *c, struct err **e)
{
	_cleanup_(leftovers_done) struct leftovers lost = { 0 };
	struct app_row *apps = NULL;
	size_t n = 0;
	int r = store_app_list(&c->cli->store, &apps, &n, e);

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = clean_app(c, &apps[i], e);
	app_rows_free(apps, n);
	if (r >= 0)
		r = leftovers_find_lost(&lost, &c->cli->store, c->cli->root, e);
	return r < 0 ? r : clean_all(c, &lost, NULL, e);
}

static int report(struct cleanup *c, const char *app, struct err **e)
{
	_cleanup_(json_releasep) json_t *j = json_object();
	_cleanup_(freep) char *text = disk_text(c->sum);
	size_t n = json_array_size(c->removed);

	(void) json_object_set(j, "removed", c->removed);
	json_put_num(j, "size_bytes", c->sum);
	json_put_flag(j, "dry_run", c->is_dry);
	if (c->cli->is_json)
		json_print(j);
	else if (!n)
		(void) puts("Nothing to remove.");
	else
		(void) printf("%6s  %s\n", text, c->is_dry ? "would be freed" : "freed");
	if (!n || c->is_dry)
		return 0;
	_cleanup_(freep) char *detail = xasprintf("%zu, %s", n, text);

	return store_event_add(&c->cli->store, app, c->cli->who.by, "cleanup", detail, "succeeded", e);
}

int cleanup_run(struct cli *cli, char **argv, struct err **e)
{
	_cleanup_(json_releasep) json_t *removed = json_array();
	struct cleanup c = { cli, cli_option(cli, "dry-run") != NULL, removed, 0 };

	if (!c.is_dry) /* the store wants some room to say what goes */
		(void) room_use_reserve(cli->root);
	int r = argv[0] ? cli_open_app(cli, &argv[0], e) : 0;

	if (r >= 0)
		r = argv[0] ? clean_app(&c, &cli->app, e) : clean_host(&c, e);
	return r < 0 ? r : report(&c, argv[0], e);
}
