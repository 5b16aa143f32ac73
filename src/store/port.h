/* Ports: each instance of a routed service has two reserved ones that take turns. */
#pragma once

#include "store/store.h"

/*
 * The port of slot 0 or 1 of an instance, reserved on first use within [first, last] and kept until the app
 * goes. is_free() is asked for each new candidate (a bind test); 1: free.
 */
int store_port_get(struct store *st, const char *app, const char *service, unsigned ordinal, unsigned slot,
		   unsigned first, unsigned last, bool (*is_free)(unsigned port), unsigned *ret,
		   struct err **e);
/* Gives one back: the next store_port_get() of the slot looks for another. */
int store_port_drop(struct store *st, const char *app, const char *service, unsigned ordinal, unsigned slot,
		    struct err **e);
/* Gives back those of ordinals above keep. */
int store_port_trim(struct store *st, const char *app, const char *service, unsigned keep, struct err **e);
/* The app that holds the port, to be freed; NULL: none. */
int store_port_owner(struct store *st, unsigned port, char **ret, struct err **e);
