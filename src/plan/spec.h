/*
 * The spec of a release: everything needed to run a command of it, rendered by `stage` into
 * releases/APP/vN/spec.json (0600, it holds the environment). The supervisor, `run` and hooks read nothing
 * else.
 */
#pragma once

#include "base/env.h"
#include "base/err.h"
#include "base/limit.h"
#include "base/sandbox.h"

struct spec_service {
	char *name;
	char *command;     /* for sh -c */
	char *stop_signal; /* "TERM" */
	unsigned stop_timeout_ms;
	struct limits limits;
	struct strv uwsgi; /* as in the plan; then command is part of it */
};

struct spec {
	char *app;
	long version;
	char *cwd;      /* the release's src/ */
	struct env env; /* complete but for PORT, PROC_TYPE and SLIPWAY_INSTANCE */
	struct sandbox sandbox;
	size_t log_max_bytes;
	unsigned web_group; /* of the web server, which reaches the sockets of uWSGI; 0: it is ours */
	struct limits build_limits, release_limits, run_limits;
	struct spec_service *services;
	size_t n_services;
};

int spec_read(struct spec *ret, const char *root, const char *app, long version, struct err **e);
int spec_write(const struct spec *s, const char *root, struct err **e);
struct spec_service *spec_find_service(const struct spec *s, const char *name);
void spec_done(struct spec *s);
