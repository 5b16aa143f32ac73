/* The nginx router: an app's file is rendered, tested beside all others, swapped in and taken, or nothing is.
 */
#include "router/nginx-internal.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/file.h"
#include "plan/root.h"
#include "router/certificate.h"

#define CONF_MAX ((size_t) 4 << 20)

enum { STARTED_WITHIN_MS = 2000, LOOK_AGAIN_MS = 20 };
static int nginx_validate(const struct router_app *a, struct err **e)
{
	_cleanup_(freep) char *program = NULL, *include = NULL;
	int r = 0;

	if (a->plan->route.hosts.n == 0)
		return 0;
	if (!(program = nginx_find_program("nginx")))
		r = err_set(e, ERR_MISSING,
			    "nginx is needed to bring HTTP to %s: install the package 'nginx-light'",
			    a->plan->app);
	if (r == 0)
		r = nginx_check_app(a, e);
	if (r == 0)
		r = nginx_include_read(a, &include, e);
	if (r == 0)
		r = nginx_check_collision(a->root, a->plan->app, &a->plan->route.hosts, e);
	return r == 0 && a->plan->route.is_cloudflare_only
		       ? nginx_ranges_refresh(a->root, a->host, a->notes, e)
		       : r;
}

/* On refusal nginx still has what is put back here; only after silence may it have taken the other. */
static int swap_and_reload(const char *root, const struct nginx_master *m, const char *generation,
			   const struct router_old *old, struct err **e)
{
	int r = nginx_tree_swap(root, e);

	if (r < 0)
		return r;
	crash_point("route.swapped");
	r = nginx_reload(m, root, generation, old, e);
	if (r == 0)
		return 0;
	if (nginx_tree_swap(root, NULL) < 0)
		return err_wrap(e, r, "%s/" NGINX_LIVE " could not be put back, see %s/" NGINX_CANDIDATE,
				root, root);
	if (r != ERR_REFUSED)
		nginx_hup(m);
	return r;
}

static bool has_ended(const struct nginx_master *m)
{
	struct pollfd end = { .fd = m->pidfd, .events = POLLIN };

	return poll(&end, 1, 0) > 0;
}

/* One that is starting just now may have read what was live before: it is told again. */
static int swap_without(const char *root, const char *generation, struct err **e)
{
	_cleanup_(nginx_master_done) struct nginx_master m = { .pidfd = -1 };
	int64_t deadline = monotonic_ms() + STARTED_WITHIN_MS;
	int r = nginx_tree_swap(root, e);

	while (r == 0 && nginx_master_find(&m, root, NULL) < 0) {
		if (monotonic_ms() >= deadline)
			return 0;
		(void) poll(NULL, 0, LOOK_AGAIN_MS);
	}
	return r < 0 ? r : nginx_reload(&m, root, generation, &(struct router_old){ 0 }, e);
}

/* The same with the system's nginx, which may have taken the new files whatever went wrong. One that does not
 * run serves nobody, and will start with them. */
static int swap_and_take(const char *root, const struct host *host, const struct nginx_facts *f,
			 const char *generation, bool may_be_down, struct router_old *old, struct err **e)
{
	_cleanup_(err_freep) struct err *why = NULL;
	int r;

	nginx_system_workers(old);
	r = nginx_tree_swap(root, e);
	if (r < 0)
		return r;
	crash_point("route.swapped");
	r = nginx_system_reload(host, f, generation, old, &why);
	if (r == 0)
		return 0;
	router_old_done(old);
	if (r == ERR_MISSING && may_be_down)
		return 0;
	if (e)
		*e = TAKE(why);
	if (nginx_tree_swap(root, NULL) < 0)
		return err_wrap(e, r, "%s/" NGINX_LIVE " could not be put back, see %s/" NGINX_CANDIDATE,
				root, root);
	(void) nginx_helper_ask(f->helper, "take", NULL, NULL);
	return r;
}

/* bring_in() for the system's nginx: an app can be taken out while it does not run. */
static int bring_into_system(const char *root, const struct host *host, const struct nginx_facts *f,
			     const char *app, const char *text, bool may_be_down, struct strv *notes,
			     struct router_old *old, struct err **e)
{
	_cleanup_(freep) char *generation = NULL;
	struct router_old before = { 0 };
	int r = nginx_tree_build(root, host, f, app, text, &generation, e);

	crash_point("route.built");
	if (r == 0)
		r = nginx_tree_test(root, f, app, notes, e);
	if (r == 0)
		r = swap_and_take(root, host, f, generation, may_be_down || !text, &before, e);
	if (r == 0 && old)
		*old = before;
	else
		router_old_done(&before);
	(void) nginx_tree_drop(root, NULL);
	return r;
}

/* From the text of the app's file (NULL: none) to an nginx that has taken it. Under the lock. */
static int bring_in(const char *root, const struct host *host, const struct nginx_facts *f, const char *app,
		    const char *text, bool may_be_down, struct strv *notes, struct router_old *old,
		    struct err **e)
{
	_cleanup_(nginx_master_done) struct nginx_master m = { .pidfd = -1 };
	_cleanup_(freep) char *generation = NULL;
	struct router_old before = { 0 };

	if (f->helper)
		return bring_into_system(root, host, f, app, text, may_be_down, notes, old, e);
	int r = nginx_master_find(&m, root, may_be_down ? NULL : e);
	bool is_down = r == ERR_MISSING && may_be_down;

	if (r == 0 || is_down)
		r = nginx_write_main(root, host, f, true, e);
	if (r == 0)
		r = nginx_tree_build(root, host, f, app, text, &generation, e);
	crash_point("route.built");
	if (r == 0)
		r = nginx_tree_test(root, f, app, notes, e);
	if (r == 0 && is_down) {
		r = swap_without(root, generation, e);
	} else if (r == 0) {
		nginx_workers(&m, &before);
		r = swap_and_reload(root, &m, generation, &before, e);
		if (r < 0 && may_be_down && has_ended(&m))
			r = swap_without(root, generation, e);
	}
	if (r == 0 && old)
		*old = before;
	else
		router_old_done(&before);
	(void) nginx_tree_drop(root, NULL);
	return r;
}

static int lock_router(const char *root, struct err **e)
{
	_cleanup_(freep) char *path = root_path(root, "run/router.lock");

	return file_lock(path, true, e);
}

static void note_unreachable(const struct router_app *a, const struct nginx_facts *f)
{
	_cleanup_(nginx_statics_done) struct nginx_statics statics = { 0 };

	if (nginx_statics_find(&statics, a, NULL) < 0)
		return;
	for (size_t i = 0; i < statics.n; i++)
		nginx_check_reachable(f, statics.v[i].dir, a->notes);
}

static int nginx_remove(const char *root, const struct host *host, const char *app, struct err **e);

static int nginx_apply(const struct router_app *a, struct router_old *old, struct err **e)
{
	_cleanup_(nginx_facts_done) struct nginx_facts f = { 0 };
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int lock = -1;
	int r;

	if (old)
		*old = (struct router_old){ 0 };
	if (a->plan->route.hosts.n == 0)
		return nginx_remove(a->root, a->host, a->plan->app, e);
	r = nginx_check_app(a, e);
	if (r == 0)
		r = nginx_facts_find(&f, a->host, e);
	if (r == 0)
		r = lock = lock_router(a->root, e);
	if (r >= 0)
		r = nginx_check_collision(a->root, a->plan->app, &a->plan->route.hosts, e);
	if (r == 0)
		r = nginx_render(a, &f, &text, e);
	if (r == 0)
		r = certificate_ensure(a->root, a->plan->app, &a->plan->route.hosts, e);
	if (r == 0)
		r = bring_in(a->root, a->host, &f, a->plan->app, text, a->may_be_down, a->notes, old, e);
	if (r == 0)
		note_unreachable(a, &f);
	return r;
}

/* With no nginx running nothing is served, and the file's absence is enough. */
static int remove_file(const char *root, const char *path, struct err **e)
{
	_cleanup_(nginx_master_done) struct nginx_master m = { .pidfd = -1 };

	if (nginx_master_find(&m, root, NULL) == 0)
		return 0;
	return unlink(path) < 0 && errno != ENOENT ? err_set(e, -errno, "removing %s: %m", path) : 0;
}

static int nginx_remove(const char *root, const struct host *host, const char *app, struct err **e)
{
	_cleanup_(nginx_facts_done) struct nginx_facts f = { 0 };
	_cleanup_(freep) char *path = root_path(root, NGINX_LIVE "/%s.conf", app), *broken = NULL;
	_cleanup_(closep) int lock = -1;
	int r = 0;

	broken = xasprintf("%s.broken", path);
	if (!file_exists(path) && !file_exists(broken))
		return certificate_remove(root, app, e);
	r = lock = lock_router(root, e);
	if (r >= 0)
		r = host->nginx_is_private ? remove_file(root, path, e) : 0;
	if (r == 0 && file_exists(path)) {
		r = nginx_facts_find(&f, host, e);
		if (r == 0)
			r = bring_in(root, host, &f, app, NULL, false, NULL, NULL, e);
	}
	if (r == 0 && unlink(broken) < 0 && errno != ENOENT)
		r = err_set(e, -errno, "removing %s: %m", broken);
	if (r == 0)
		nginx_cache_remove(root, app);
	return r < 0 ? err_wrap(e, r, "taking %s out of nginx", app) : certificate_remove(root, app, e);
}

/* One app's file with the list as it is now, tested and taken as in a deployment. */
static int renew_acl(const char *root, const struct host *host, const char *app, struct strv *notes,
		     struct err **e)
{
	_cleanup_(freep) char *path = root_path(root, NGINX_LIVE "/%s.conf", app), *text = NULL,
			      *changed = NULL;
	_cleanup_(nginx_facts_done) struct nginx_facts f = { 0 };
	_cleanup_(closep) int lock = lock_router(root, e);
	int r = lock < 0 ? lock : file_read(path, CONF_MAX, &text, NULL, e);

	if (r == 0)
		r = nginx_acl_renew(root, text, &changed, e);
	if (r < 0 || !changed)
		return r == -ENOENT ? 0 : r;
	r = nginx_facts_find(&f, host, e);
	return r < 0 ? r : bring_in(root, host, &f, app, changed, false, notes, NULL, e);
}

/* The apps whose files have an access list. */
static int find_guarded(const char *root, struct strv *apps, struct err **e)
{
	_cleanup_(freep) char *dir = root_path(root, NGINX_LIVE);
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = dir_list(dir, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(dir, names.v[i]), *text = NULL;

		if (str_ends(names.v[i], ".conf") && file_read(path, CONF_MAX, &text, NULL, NULL) == 0 &&
		    nginx_has_acl(text))
			strv_push(apps, xstrndup(names.v[i], strlen(names.v[i]) - strlen(".conf")));
	}
	return r;
}

bool nginx_needs_tending(const char *root)
{
	_cleanup_(strv_done) struct strv apps = { 0 };

	return find_guarded(root, &apps, NULL) == 0 && apps.n > 0;
}

int nginx_tend(const char *root, const struct host *host, struct strv *notes, struct err **e)
{
	_cleanup_(strv_done) struct strv apps = { 0 };
	int r = find_guarded(root, &apps, e);

	if (r == 0 && apps.n)
		r = nginx_ranges_refresh(root, host, notes, e);
	for (size_t i = 0; r == 0 && i < apps.n; i++)
		r = renew_acl(root, host, apps.v[i], notes, e);
	return r;
}

static char *nginx_url(const struct host *host, const struct plan *plan)
{
	bool is_tls = plan->route.is_https_only;
	unsigned port = is_tls ? host->https_port : host->http_port;

	for (size_t i = 0; i < plan->route.hosts.n; i++) {
		const char *name = plan->route.hosts.v[i];

		if (*name == '*')
			continue;
		return port == (is_tls ? 443 : 80)
			       ? xasprintf("http%s://%s", is_tls ? "s" : "", name)
			       : xasprintf("http%s://%s:%u", is_tls ? "s" : "", name, port);
	}
	return NULL;
}

const struct router_ops router_nginx = {
	.name = "nginx",
	.validate = nginx_validate,
	.apply = nginx_apply,
	.remove = nginx_remove,
	.url = nginx_url,
};
