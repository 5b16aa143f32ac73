/* What recovery reads of texts that others wrote: pure functions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* apps/APP -> "../releases/APP/vN/src". */
bool recover_live_link(const char *target, const char *app, long *version);
/* "APP:SERVICE.N", as FIFOs are called. app and service are to be freed. */
bool recover_fifo_name(const char *name, char **app, char **service, unsigned *ordinal);
/* /proc/PID/environ of what runs service.ordinal: the release and the port it was given (0: none). */
bool recover_environment(const char *text, size_t n, const char *service, unsigned ordinal, long *version,
			 unsigned *port);
/* The ports behind "\tserver ADDRESS:PORT;" of an app's nginx configuration; *ret is to be freed. */
void recover_nginx_ports(const char *text, unsigned **ret, size_t *n);
/* "deploy-ID.log"; 0: it is none. */
long recover_log_number(const char *name);
/* "vN"; 0: it is none. */
long recover_version(const char *name);
