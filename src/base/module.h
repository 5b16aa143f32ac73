/*
 * Libraries that are rarely needed are not linked but loaded when first used: each is wrapped in a small
 * shared object beside the executable (or in ../lib/slipway) that exports one const struct of functions.
 */
#pragma once

#include "base/err.h"

/* Loads slipway-NAME.so once and finds its symbol "slipway_NAME"; ERR_MISSING saying what to install. */
int module_load(const char *name, const void **ret, struct err **e);
