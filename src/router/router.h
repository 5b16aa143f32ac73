/* Routers: bring HTTP to an app. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "plan/host.h"
#include "plan/plan.h"

/* What the router is to serve for one app. */
struct router_app {
	const char *root;
	const struct host *host;
	const struct plan *plan;
	const char *src;          /* absolute path of the release's code */
	const char *include_copy; /* the release's own copy of its include file; NULL or not there: in src */
	const struct env *env;    /* of the app: for the include file's $NAMES */
	const unsigned *ports;    /* of the routed service's instances */
	size_t n_ports;
	bool is_stopped;    /* answer 503 */
	bool may_be_down;   /* the router need not run: it finds this when it is back. For putting back. */
	struct strv *notes; /* gets what people should be told though nothing failed, a sentence each; may be
			       NULL */
};

/* Which processes still serve what was there before the switch, so that retire can wait for them. */
struct router_old {
	pid_t *pids;
	size_t n;
};

struct router_ops {
	const char *name; /* "nginx" */
	/* Everything that can be said to be wrong before a side effect: NULL when nothing can. */
	int (*validate)(const struct router_app *a, struct err **e);
	/*
	 * Renders a candidate, tests it, swaps it in, reloads and returns when the router has taken it. On
	 * failure what was served before still is, and *e has the router's own words. old: may be NULL;
	 * router_old_done().
	 */
	int (*apply)(const struct router_app *a, struct router_old *old, struct err **e);
	/* Takes the app out: nothing of it is served any more. Not there already counts as removed. */
	int (*remove)(const char *root, const struct host *host, const char *app, struct err **e);
	/* Where people reach the app ("http://blog.localhost:8080"), to be freed; NULL: not by this router.
	 */
	char *(*url)(const struct host *host, const struct plan *plan);
};

const struct router_ops *router_find(
	const char *name); /* NULL: no such router; "none" is one that does nothing */
void router_old_done(struct router_old *o);
/* The group of the web server's workers, which read what is served as files; 0: there is none, or it is
 * root's. */
gid_t router_group(const struct host *host);

/*
 * The private nginx: the main configuration (run/nginx.conf) and the command that runs it in the foreground,
 * for the supervisor to keep alive. Writes files; leaves nothing running. To be called before every start, as
 * it clears what a killed nginx left behind, and before a HUP after config.toml has changed. argv is added
 * to.
 */
int nginx_private_prepare(const char *root, const struct host *host, struct strv *argv, struct err **e);

/* What nginx's configuration needs while nobody deploys: Cloudflare's addresses, once a day. notes: sentences
 * for the log. */
int nginx_tend(const char *root, const struct host *host, struct strv *notes, struct err **e);
bool nginx_needs_tending(const char *root); /* Is there anything for it to do? */

/* The system's nginx: has slipway-nginx "test" or "take" what is in ROOT. 0: good. 1: refused, with nginx's
 * words (may be NULL; to be freed). ERR_MISSING: the helper, or nginx, does not run. */
int nginx_helper_ask(const char *socket, const char *what, char **words, struct err **e);
bool nginx_system_runs(void); /* Does any nginx have workers on this machine? */
