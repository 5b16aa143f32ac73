/* Small helpers around jansson, so that reading what programs wrote is one line a field. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/env.h"
#include "base/err.h"

static inline json_t *json_release(json_t *j)
{
	json_decref(j);
	return NULL;
}
DEFINE_CLEANUP(json_t *, json_release)

/* NULL or def when the member is missing or of another type. The text is borrowed from j. */
const char *json_text(const json_t *j, const char *key);
int64_t json_num(const json_t *j, const char *key, int64_t def);
bool json_flag(const json_t *j, const char *key, bool def);
/* Sets only when value is not NULL; text that is not UTF-8 has its bad bytes replaced by U+FFFD. */
void json_put_text(json_t *j, const char *key, const char *value);
void json_put_num(json_t *j, const char *key, int64_t value);
void json_put_flag(json_t *j, const char *key, bool value);
void json_put_strv(json_t *j, const char *key, const struct strv *v);
void json_get_strv(const json_t *j, const char *key, struct strv *v);
/* A JSON string of s with bytes that are not UTF-8 replaced. New reference. */
json_t *json_text_new(const char *s);
/* [{"name", "value", "origin"}]. Values may hold any bytes but NUL; those that are not UTF-8 become the
 * characters U+F700 + byte, which json_to_env() turns back. */
json_t *json_from_env(const struct env *env);
void json_to_env(const json_t *j, struct env *env);

/* Reads a JSON object from a file; ERR_REFUSED with line and column when it is none. */
int json_read_file(const char *path, json_t **ret, struct err **e);
/* Writes it with indentation and a final newline by file_replace(). */
int json_write_file(const char *path, const json_t *j, mode_t mode, struct err **e);
/* Indented, with a final newline, on standard output. */
void json_print(const json_t *j);
