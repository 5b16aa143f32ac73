/* What the files of the nginx router share. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "router/router.h"

extern const struct router_ops router_nginx;

/* --- nginx-program.c: what this machine has --- */

enum http2 {
	HTTP2_NONE,      /* nginx was built without it */
	HTTP2_LISTEN,    /* a word of "listen": before 1.25.1 */
	HTTP2_DIRECTIVE, /* "http2 on" */
};

struct nginx_facts {
	char *program;    /* path */
	unsigned version; /* 1022001 is 1.22.1 */
	enum http2 http2;
	bool has_ipv6;      /* the kernel has it */
	bool has_threads;   /* nginx can read files in threads of their own */
	bool has_realip;    /* nginx can take a client's address from a header */
	char *helper;       /* the socket of slipway-nginx: the system's nginx is used; NULL: a private one */
	char *user, *group; /* of the workers, when they are not ours; else NULL */
	uid_t uid;
	gid_t gid;
};

/* Searches PATH and the directories of system programs; to be freed. NULL: not there. */
char *nginx_find_program(const char *name);
int nginx_facts_find(struct nginx_facts *ret, const struct host *host, struct err **e);
/* Reads version and http2 out of what `nginx -V` says. */
void nginx_read_version(struct nginx_facts *f, const char *text);
void nginx_facts_done(struct nginx_facts *f);
/* Can the workers read what is in the directory? If not, adds a sentence that says which directory is in the
 * way. */
void nginx_check_reachable(const struct nginx_facts *f, const char *dir, struct strv *notes);

/* --- nginx-check.c: nothing gets into the configuration that could end what it stands in --- */

/* Can the text stand between double quotes in nginx's configuration and mean itself? */
bool nginx_is_quotable(const char *s);
/* "text", escaped; to be freed. s has to be quotable. */
char *nginx_quote(const char *s);
int nginx_check_root(const char *root, struct err **e);
int nginx_check_app(const struct router_app *a, struct err **e);
/* Do other files in ROOT/nginx answer to one of the names? ERR_REFUSED, naming the app. */
int nginx_check_collision(const char *root, const char *app, const struct strv *hosts, struct err **e);
/* Does HTTP go to instances of the app? If not, to files only. */
bool nginx_is_proxied(const struct plan *plan);

/* The static mappings: those of the route, and the static service unless one of them stands for it. */
struct nginx_static {
	char *url;    /* "/static/" */
	char *dir;    /* absolute, no '/' at its end */
	char *from;   /* no link below this directory is followed; NULL: of the operator, not of the app */
	bool is_file; /* dir is a file, and url the whole path */
	bool is_fallback;  /* what is no file goes to the app */
	bool is_immutable; /* inside the release: never changes at the same path */
	bool has_large;    /* nginx_links_find(): a file of 8 MiB or more is in it */
	bool is_code;      /* the app's whole directory: not all of it is for everybody */
};
struct nginx_statics {
	struct nginx_static *v;
	size_t n;
};
int nginx_statics_find(struct nginx_statics *ret, const struct router_app *a, struct err **e);
void nginx_statics_done(struct nginx_statics *s);
/* The app's own directory (its code, data or cache) that real (without links) lies in; to be freed. NULL:
 * none. */
char *nginx_confines_of(const struct router_app *a, const char *real);
/* Is it the same encoded and decoded, and fit for a location? */
bool nginx_is_plain_url(const char *url);

/* --- nginx-links.c --- */

/* Adds the links below the app's directories that lead to what it may have served, as they are now. include:
 * the text of the app's include file, which comes first. */
void nginx_links_find(struct nginx_statics *all, const struct router_app *a, const char *include);

/* --- nginx-include.c --- */

/* The text of NGINX_INCLUDE_FILE, expanded; to be freed. "" when there is none. */
int nginx_include_read(const struct router_app *a, char **ret, struct err **e);
/* NULL, or what makes the text unfit to be pasted into a block: it would end it or go beyond it. */
const char *nginx_include_fault(const char *text);

/* --- nginx-cache.c --- */

/* Where nginx keeps an app's answers; all NULL: it keeps none. */
struct nginx_cache {
	char *dir;  /* nginx makes it */
	char *zone; /* of memory */
};

/* Has it a cache and instances to fill it? */
bool nginx_has_cache(const struct router_app *a);
/* Finds the directory, and makes the ones above it. */
int nginx_cache_prepare(const struct router_app *a, const struct nginx_facts *f, struct nginx_cache *ret,
			struct err **e);
void nginx_cache_done(struct nginx_cache *c);
/* Of http{}, and of the server: nothing without a cache. */
void nginx_put_cache_zone(struct strb *b, const struct router_app *a, const struct nginx_cache *c);
void nginx_put_cache_location(struct strb *b, const struct router_app *a, const struct nginx_cache *c);
/* What is kept of an app that is served no more. */
void nginx_cache_remove(const char *root, const char *app);

/* --- nginx-cloudflare.c --- */

/* "10.0.0.0/8", printed anew; false: it is none, or one too many. */
bool nginx_range_add(struct strv *to, const char *text);
/* What Cloudflare answers: {"success": true, "result": {"ipv4_cidrs": [...], "ipv6_cidrs": [...]}}. */
int nginx_ranges_parse(struct strv *to, const char *text, struct err **e);
/* Fetches the list when the kept one is a day old. ERR_MISSING: there is none at all. notes may be NULL. */
int nginx_ranges_refresh(const char *root, const struct host *host, struct strv *notes, struct err **e);
/* Of http{}: who may come in; of the server: others may not. Nothing without the setting. */
int nginx_put_acl(struct strb *b, const struct router_app *a, const struct nginx_facts *f, struct err **e);
void nginx_put_acl_server(struct strb *b, const struct router_app *a);
/* Is it the text of an app's file with such a list? */
bool nginx_has_acl(const char *text);
/* The same with the kept list in it, to be freed; NULL: it is in it already. */
int nginx_acl_renew(const char *root, const char *text, char **ret, struct err **e);

/* --- nginx-render.c: the text of one app's file --- */

int nginx_render(const struct router_app *a, const struct nginx_facts *f, char **ret, struct err **e);
/* "listen" for IPv4 and IPv6. suffix: " ssl" ... */
void nginx_put_listen(struct strb *b, const struct host *host, const struct plan_route *route,
		      const struct nginx_facts *f, unsigned port, const char *suffix);
/* " ssl http2" or " ssl": what stands after a listen address for HTTPS. */
const char *nginx_tls_words(const struct nginx_facts *f);
/* A file in the app's directory that is for nobody outside. */
bool nginx_is_secret(const char *name);
/* How it is handed to the app, as directives' names begin: "proxy" or "uwsgi". */
const char *nginx_protocol(const struct router_app *a);
/* What hands a request to the app: the inside of a location. */
void nginx_put_pass(struct strb *b, const struct router_app *a);
/* The location of ACME's HTTP-01 challenges. */
void nginx_put_acme(struct strb *b, const char *root);
/* Appends; once something did not fit, b->max is 0 and the text is unfit for use. */
void nginx_put(struct strb *b, const char *fmt, ...) PRINTF(2, 3);
int nginx_put_end(struct strb *b, char **ret, struct err **e);

/* --- nginx-private.c --- */

/* Writes the main configuration that includes tree (a directory in ROOT): the real one, or the one for tests.
 */
int nginx_write_main(const char *root, const struct host *host, const struct nginx_facts *f, bool is_test,
		     struct err **e);
/* What in a private nginx stands in http{}, for one server of the system's: but for what include sets. */
void nginx_put_defaults(struct strb *b, const char *include);
/* The maps that put_proxy() uses. */
void nginx_put_maps(struct strb *b);
/* What answers to names that no app has. suffix: " default_server", or "". */
void nginx_put_fallback(struct strb *b, const char *root, const struct host *host,
			const struct nginx_facts *f, const char *suffix);

/* --- nginx-system.c: the system's nginx, through slipway-nginx --- */

/* All workers of any nginx on the machine that have not been told to quit. */
void nginx_system_workers(struct router_old *ret);
/*
 * Has ROOT/nginx taken, and waits like nginx_reload(). old: nginx_system_workers() before ROOT/nginx was
 * changed, as a path unit may be faster; those of other nginxs are taken out. ERR_MISSING: nginx does not
 * run, but will start with what is in ROOT/nginx.
 */
int nginx_system_reload(const struct host *host, const struct nginx_facts *f, const char *generation,
			struct router_old *old, struct err **e);
/* What _generation.conf holds for the system's nginx. */
void nginx_system_put(struct strb *b, const char *root, const struct host *host, const struct nginx_facts *f,
		      const char *generation);

/* --- nginx-tree.c: the candidate --- */

#define NGINX_LIVE       "nginx"
#define NGINX_CANDIDATE  "nginx.next"
#define NGINX_GENERATION "_generation.conf" /* no app can be called so */

/* Builds ROOT/nginx.next from ROOT/nginx with text as the app's file (NULL: without one). generation: to be
 * freed. */
int nginx_tree_build(const char *root, const struct host *host, const struct nginx_facts *f, const char *app,
		     const char *text, char **generation, struct err **e);
/*
 * Has nginx test it. ERR_REFUSED with nginx's own words when it is the app's own file; other files that are
 * broken by themselves are put aside (NAME.conf.broken) and noted. nginx_write_main() has written the main
 * configuration.
 */
int nginx_tree_test(const char *root, const struct nginx_facts *f, const char *app, struct strv *notes,
		    struct err **e);
/* The candidate becomes live and what was live the candidate; done twice, nothing has happened. */
int nginx_tree_swap(const char *root, struct err **e);
int nginx_tree_drop(const char *root, struct err **e); /* the candidate */

/* --- nginx-reload.c --- */

struct nginx_master {
	pid_t pid;
	int pidfd;
};

/* The master of our nginx: 0, or ERR_MISSING. */
int nginx_master_find(struct nginx_master *ret, const char *root, struct err **e);
void nginx_master_done(struct nginx_master *m);
void nginx_workers(const struct nginx_master *m, struct router_old *ret);
pid_t nginx_parent_of(pid_t pid); /* 0: it cannot be read */
/* A worker of this master that has not been told to quit? */
bool nginx_is_worker_of(pid_t master, pid_t pid);
/*
 * Sends HUP and waits until workers of this generation answer and the old ones accept no more. ERR_REFUSED
 * with nginx's words, or -ETIMEDOUT. old: nginx_workers() before. Touches nothing but the error log, which is
 * cut when it has grown.
 */
int nginx_reload(const struct nginx_master *m, const char *root, const char *generation,
		 const struct router_old *old, struct err **e);
/* HUP without waiting. */
void nginx_hup(const struct nginx_master *m);
/* The socket on which workers of a generation say so; to be freed. */
char *nginx_socket(const char *root, const char *generation);
