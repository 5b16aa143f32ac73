/* Self-signed certificates, so that HTTPS works from the first deployment on. */
#pragma once

#include "base/err.h"
#include "base/str.h"

/*
 * Sees to it that ROOT/certs/APP.crt and APP.key are there and hold all names. Makes a self-signed pair when
 * there is none or the one that was made here is for other names; what an operator put there is never
 * overwritten: a lone key is kept and gets a certificate.
 */
int certificate_ensure(const char *root, const char *app, const struct strv *names, struct err **e);
/* Removes the pair if it was made here. */
int certificate_remove(const char *root, const char *app, struct err **e);
