/* config.toml: the operator's settings for the whole host (docs/settings.md). */
#pragma once

#include <stdbool.h>

#include "base/env.h"
#include "base/err.h"

struct host {
	char *default_domain;  /* [router] default_domain: APP.DOMAIN for apps without host names; NULL: none
				*/
	char *router;          /* [router] kind: "nginx" or "none" */
	bool nginx_is_private; /* [nginx] private: slipwayd runs nginx itself, unprivileged or not */
	char *nginx_helper;    /* [nginx] helper: the socket of slipway-nginx, for the system's nginx */
	char *nginx_cache;     /* [nginx] cache: where the system's nginx keeps what it caches, as
				  slipway-nginx says; default "/var/lib/slipway-nginx/cache" */
	char *cloudflare_ranges; /* [nginx] cloudflare_ranges: URL of Cloudflare's own addresses */
	char *nginx_user;    /* [nginx] user: of the workers of a private nginx started as root; NULL: nginx's
				own */
	unsigned http_port;  /* [nginx] http_port, default 80 */
	unsigned https_port; /* [nginx] https_port, default 443 */
	char *listen_ipv4;   /* [nginx] listen_ipv4, default "0.0.0.0" */
	char *listen_ipv6;   /* [nginx] listen_ipv6, default "[::]"; "" listens on IPv4 only */
	unsigned port_first, port_last; /* [ports] first, last: for instances, default 20000 to 29999 */
	unsigned keep_releases;         /* [releases] keep, default 5: besides the live one */
	char *sandbox_level;            /* [sandbox] level, default "both" (base/sandbox.h) */
	char *sandbox_read;             /* [sandbox] read: paths that every app may read; NULL: none */
	unsigned
		landlock_abi; /* [sandbox] landlock_abi: the newest version to use; default 0: the kernel's */
	unsigned start_at_once; /* [instances] start_at_once, default 4 for each processor: after a boot */
	char *tool_path; /* [build] path: where programs are looked for; default: PATH, extended as in Piku */
	char *cgroup; /* [instances] cgroup: the tree to make groups in, or "none"; NULL: that of slipwayd */
	char *users;  /* [instances] users: "20000-29999", of apps when slipwayd is root; NULL: apps run as
			 slipwayd does */
	struct env defaults; /* [defaults]: settings below every app's own */
};

/* Reads ROOT/config.toml; a missing file gives the defaults. Unknown keys and wrong types are refused, all of
 * them at once, with line and column. */
int host_read(struct host *ret, const char *root, struct err **e);
/* [instances] users as numbers; false: not set. */
bool host_users(const struct host *h, unsigned *first, unsigned *last);
void host_done(struct host *h);
