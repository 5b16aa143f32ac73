/* The root directory ($SLIPWAY_ROOT): where everything of one slipway lies. Paths only, besides root_make().
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

/*
 * SLIPWAY_ROOT, else PIKU_ROOT, else ~/.slipway (HOME, else the passwd entry). Absolute, to be freed. The
 * directory need not exist.
 */
int root_find(char **ret, struct err **e);
/* Makes the directories of design.md with their modes; those that exist keep what is in them. made may be
 * NULL: gets the paths that were new. */
int root_make(const char *root, struct strv *made, struct err **e);

/* Is there a release of any app? Then there has been a store. */
bool root_has_releases(const char *root);
/* Looks at these directories without changing any: adds a sentence for each that is not there, not ours, open
 * to whom it should not be, or closed to the web server. */
void root_check(const char *root, struct strv *faults);

/* All to be freed. */
char *root_path(const char *root, const char *fmt, ...) PRINTF(2, 3);
char *root_release(const char *root, const char *app, long version);       /* releases/APP/vN */
char *root_repo(const char *root, const char *app);                        /* repos/APP */
char *root_deploy_log(const char *root, const char *app, long deployment); /* logs/APP/deploy-ID.log */
char *root_log(const char *root, const char *app, const char *service,
	       unsigned ordinal);    /* logs/APP/S.N.log */
char *root_socket(const char *root); /* run/slipwayd.sock */
char *root_store(const char *root);  /* state.db */
/* The log FIFO of an instance: run/fifo/APP:SERVICE.N; beside it NAME.max, the size limit of the log. */
char *root_fifo(const char *root, const char *app, const char *service, unsigned ordinal);
/* What an instance in uWSGI has for itself, by its port, short as a socket's path may be: uwsgi/PORT, and in
 * it "sock" and "ini". */
char *root_uwsgi(const char *root, unsigned port);
char *root_uwsgi_socket(const char *root, unsigned port);
char *root_cgroup(const char *root); /* run/cgroup.json: base/cgroup.h */
/* The settings file of the operator: config/APP/ENV. */
char *root_settings(const char *root, const char *app);
char *root_scaling(const char *root, const char *app); /* config/APP/SCALING */
