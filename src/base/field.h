/* A named value: a field of a log line, or a parameter bound to an SQL statement. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct field {
	const char *key, *text;
	int64_t num;
	bool is_num;
};

static inline struct field field_text(const char *k, const char *v)
{
	return (struct field){ k, v, 0, false };
}

static inline struct field field_num(const char *k, int64_t v)
{
	return (struct field){ k, NULL, v, true };
}

#define F(k, v)     _Generic((v), char * : field_text, const char * : field_text, default : field_num)(k, v)
#define FIELDS(...) (const struct field[]){ __VA_ARGS__ }, COUNT(((const struct field[]){ __VA_ARGS__ }))
