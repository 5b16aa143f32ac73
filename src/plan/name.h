/* App names: the one place that decides what is a legal one (design.md, "Decided": Names). */
#pragma once

#include <stdbool.h>

#include "base/err.h"

bool app_name_is_legal(const char *name); /* ^[a-z0-9][a-z0-9._-]{0,62}$ */
/*
 * Reads a name as people and git write it: surrounding quotes, leading '/' or '~/', one trailing '/' and one
 * trailing '.git' are dropped, upper case is folded. *ret: the legal name, to be freed. ERR_REFUSED
 * otherwise, naming the nearest legal one.
 */
int app_name_read(char **ret, const char *text, struct err **e);
/* A Procfile's process type: [A-Za-z0-9_.-]{1,63}, not '.' or '..'. */
bool service_name_is_legal(const char *name);
