/* Services of a manifest that run in uWSGI. */
#pragma once

#include "manifest/manifest.h"

struct settings;

/* Does uWSGI load the command itself? Else it is a command that serves HTTP, like that of a web service. */
bool uwsgi_serves(enum service_kind kind, const char *command);
/* Fills in services[].uwsgi by the UWSGI_* settings; file: the manifest, for what is wrong. */
void uwsgi_compile(struct plan *p, const struct manifest_input *in, const char *file,
		   const struct settings *s);
