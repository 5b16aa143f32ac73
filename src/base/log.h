/*
 * The log of daemon and deployments, for operators: a constant message, the varying parts as fields. Never a
 * secret or an environment. To standard error, one line each; with JOURNAL_STREAM set, levels are prefixed
 * for the journal ("<6>", sd-daemon(3)).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

#include "base/field.h"

#define log_error(msg, ...)   log_emit(LOG_ERR, msg, FIELDS(__VA_ARGS__))
#define log_warning(msg, ...) log_emit(LOG_WARNING, msg, FIELDS(__VA_ARGS__))
#define log_info(msg, ...)    log_emit(LOG_INFO, msg, FIELDS(__VA_ARGS__))
#define log_debug(msg, ...)   log_emit(LOG_DEBUG, msg, FIELDS(__VA_ARGS__))

void log_emit(int level, const char *msg, const struct field *f, size_t n);
/* Least urgent level that is written: SLIPWAY_LOG (error, warning, info, debug), default info. */
void log_init(void);
