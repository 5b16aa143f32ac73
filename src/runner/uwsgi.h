/* Services that run in uWSGI: an instance is one uWSGI of its own, supervised like any other command. */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "plan/plan.h"
#include "plan/spec.h"

/* Are uWSGI and the plugins of the plan's services here, and root short enough for sockets? ERR_MISSING names
 * the package. Nothing to look for: 0. */
int uwsgi_probe(const struct plan *p, const char *root, struct err **e);

/*
 * Before each start: makes uwsgi/PORT, which the instance's user may write to and the web server may pass
 * through, with the ini in it, and takes what is uWSGI's own (UWSGI_*) out of spec->env, as uWSGI would read
 * it as options. argv: the program and its arguments are added. dir: to be freed; to be shown writable.
 */
int uwsgi_prepare(struct spec *spec, const struct spec_service *s, const char *root, unsigned port, uid_t uid,
		  struct strv *argv, char **dir, struct err **e);
