/* TOML files as a tree with line and column, by toml++ in a module of its own (toml.cc, module.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/problem.h"

enum toml_kind { TOML_TABLE, TOML_ARRAY, TOML_TEXT, TOML_INTEGER, TOML_FLOAT, TOML_BOOL, TOML_DATE };

struct toml_node {
	enum toml_kind kind;
	char *key; /* of a table's member; else NULL */
	int line, column;
	char *text; /* TOML_TEXT, and TOML_DATE as written */
	int64_t integer;
	double real;
	bool flag;
	struct toml_node **child; /* of a table or array */
	size_t n_children;
};

/* Parses text; a syntax error is one problem and ERR_REFUSED. The tree is released with toml_free(). */
int toml_parse(struct toml_node **ret, const char *text, size_t n, const char *file,
	       struct problems *problems, struct err **e);
/* The member of a table, or NULL. */
const struct toml_node *toml_get(const struct toml_node *table, const char *key);
struct toml_node *toml_free(struct toml_node *node);
DEFINE_CLEANUP(struct toml_node *, toml_free)
