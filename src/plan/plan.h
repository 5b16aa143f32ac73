/*
 * The plan: what an app consists of, whatever manifest said so. Pure data, printable as JSON (docs/plan.md).
 * It holds no secrets: the environment is kept beside it (plan/spec.h).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/env.h"
#include "base/err.h"
#include "base/limit.h"
#include "base/str.h"

enum service_kind {
	SERVICE_WEB,    /* a command that serves HTTP on BIND_ADDRESS:PORT */
	SERVICE_WORKER, /* a command that is kept alive */
	SERVICE_STATIC, /* files served by the router; nothing runs */
	SERVICE_CRON,   /* a command at times */
	SERVICE_WSGI,
	SERVICE_JWSGI,
	SERVICE_RWSGI,
	SERVICE_PHP, /* inside uWSGI */
};
const char *service_kind_name(enum service_kind kind); /* "web", "worker" ... */

/* Is an instance of it kept alive: neither served as files nor run at times? */
bool service_is_kept(enum service_kind kind);

enum check_kind { CHECK_PROCESS, CHECK_TCP, CHECK_HTTP, CHECK_UWSGI };

struct plan_check {
	enum check_kind kind;
	char *path; /* CHECK_HTTP, CHECK_UWSGI: "/up"; NULL for the latter: its worker has to answer */
	unsigned timeout_ms; /* until healthy, at most */
	unsigned uptime_ms;  /* CHECK_PROCESS: has to stay alive for this long */
};

struct plan_service {
	char *name; /* "web" */
	enum service_kind kind;
	char *command;      /* for sh -c; SERVICE_STATIC: as written (see plan_route.statics); SERVICE_CRON:
			       without the time fields */
	char *schedule;     /* SERVICE_CRON: the time fields; else NULL */
	int line;           /* in the manifest; 0: none */
	unsigned instances; /* wanted */
	bool is_routed;     /* the router brings HTTP to it */
	bool is_parallel;   /* old and new may run beside each other for a moment */
	struct plan_check check;
	char *stop_signal;        /* "TERM" */
	unsigned stop_timeout_ms; /* then KILL */
	struct limits limits;     /* of each instance */
	struct strv
		uwsgi; /* directives ("threads = 4") of the uWSGI that runs it; empty: command is for sh */
};
/* Does the router speak to it by the uwsgi protocol, on the socket of root_uwsgi()? */
bool service_has_socket(const struct plan_service *s);

struct plan_static {
	char *url;  /* "/static/": always with '/' at both ends, "/" for the whole site */
	char *path; /* relative to the app's directory, without slashes around ("." for all), or absolute */
};

/* What nginx keeps of the app's answers. */
struct plan_cache {
	struct strv prefixes; /* of URL paths, without the '/' in front; empty: nothing is kept */
	char *path;           /* NGINX_CACHE_PATH: the operator's directory for it; NULL: slipway's own */
	unsigned size_gb;     /* at most on disk */
	unsigned time_s, redirects_s, any_s; /* that 200 and 304; 301 and 307; the rest are kept */
	unsigned control_s;                  /* max-age that clients are told */
	unsigned expiry_s;                   /* until what nobody asks for leaves the disk */
};

struct plan_route {
	struct strv hosts; /* the first names the certificate; empty: not routed by name */
	struct plan_static *statics;
	size_t n_statics;
	char *catch_all; /* try_files' last resort of the static mappings; NULL: none */
	bool is_https_only;
	bool has_ipv6;
	bool allows_git;                   /* NGINX_ALLOW_GIT_FOLDERS */
	char *ipv4_address, *ipv6_address; /* to listen on */
	char *include_file; /* NGINX_INCLUDE_FILE, relative to the app's directory; NULL: none */
	struct plan_cache cache;
	bool is_cloudflare_only; /* NGINX_CLOUDFLARE_ACL */
	char *deployer; /* the address that the deployment was asked for from, which may come in too; NULL:
			   none */
};

struct plan {
	char *app;
	char *manifest; /* "procfile" */
	char *runner;   /* "native" */
	char *router;   /* "nginx", "none" */
	char *runtime;  /* "python" ...: see runtime/runtime.h */
	struct plan_service *services;
	size_t n_services;
	char *preflight, *release; /* commands; NULL: none */
	struct plan_route route;
	char *bind_address;  /* BIND_ADDRESS */
	unsigned fixed_port; /* PORT set by the app or its operator; 0: assigned */
	unsigned keep_releases;
	unsigned drain_timeout_ms;
	unsigned build_timeout_ms, release_timeout_ms;
	struct strv shared_paths; /* SHARED_PATHS: relative, kept in data/APP/shared */
	char *deploy_branch;      /* DEPLOY_BRANCH; NULL: any */
	bool is_auto_restart;     /* PIKU_AUTO_RESTART: activate at deployment */
	size_t log_max_bytes;     /* UWSGI_LOG_MAXSIZE */
	struct limits build_limits, release_limits, run_limits; /* of each command of them */
};

struct plan_service *plan_find_service(const struct plan *p, const char *name); /* NULL: none */
/* The service that HTTP goes to, or NULL. */
struct plan_service *plan_routed_service(const struct plan *p);
/* Has it files that the router serves, whatever runs? */
bool plan_serves_files(const struct plan *p);
json_t *plan_to_json(const struct plan *p);
/* What plan_to_json() wrote, or ERR_REFUSED. *ret is released with plan_done(). */
int plan_from_json(struct plan *ret, const json_t *j, struct err **e);
int plan_read(struct plan *ret, const char *path, struct err **e);
int plan_write(const struct plan *p, const char *path, struct err **e);
void plan_done(struct plan *p);
