/* START_AFTER: the apps that are started before this one after a boot. A name that no app has yet is said, a
 * cycle is refused. */
#include "deploy/deploy-internal.h"
#include "store/app.h"

struct walk {
	struct deploy *d;
	struct strv path; /* from this app on */
	struct strv done;
};

/* The names that the live release of an app was made with; none when it has no such release. */
static void read_names(struct walk *w, const char *app, struct strv *ret)
{
	_cleanup_(app_row_done) struct app_row row = { 0 };
	_cleanup_(spec_done) struct spec spec = { 0 };
	const struct spec *of = &w->d->spec;
	const char *text;

	if (!str_eq(app, w->d->row.app)) {
		if (store_app_get(&w->d->store, app, &row, NULL) < 0 || !row.live_version ||
		    spec_read(&spec, w->d->root, app, (long) row.live_version, NULL) < 0)
			return;
		of = &spec;
	}
	text = env_get(&of->env, "START_AFTER");
	strv_split(ret, text ? text : "", ", \t");
}

static int refuse(struct walk *w, struct err **e)
{
	STRV_ADD(&w->path, w->d->row.app);
	_cleanup_(freep) char *cycle = strv_join(&w->path, " > ");

	return err_set(
		e, ERR_REFUSED,
		"START_AFTER makes a cycle: %s (each is to be started after the next): take one of them out",
		cycle);
}

static int visit(struct walk *w, const char *app, struct err **e)
{
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = 0;

	STRV_ADD(&w->path, app);
	STRV_ADD(&w->done, app);
	read_names(w, app, &names);
	for (size_t i = 0; r >= 0 && i < names.n; i++)
		if (str_eq(names.v[i], w->d->row.app))
			r = refuse(w, e);
		else if (!strv_has(&w->done, names.v[i]))
			r = visit(w, names.v[i], e);
	free(w->path.v[--w->path.n]);
	w->path.v[w->path.n] = NULL;
	return r;
}

int order_check(struct deploy *d, struct err **e)
{
	struct walk w = { .d = d };
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = 0;

	read_names(&w, d->row.app, &names);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(app_row_done) struct app_row row = { 0 };

		if (store_app_get(&d->store, names.v[i], &row, NULL) == ERR_NOT_FOUND)
			say_warning("START_AFTER names '%s', but there is no such app: it is not waited for",
				    names.v[i]);
	}
	if (names.n)
		r = visit(&w, d->row.app, e);
	strv_done(&w.path);
	strv_done(&w.done);
	return r;
}
