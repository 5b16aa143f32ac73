/* TOML by way of the module that wraps toml++: see toml.h. */
#include "base/toml.h"

#include <errno.h>

#include "base/module.h"
#include "base/str.h"
#include "base/toml-internal.h"

int toml_parse(struct toml_node **ret, const char *text, size_t n, const char *file,
	       struct problems *problems, struct err **e)
{
	struct toml_fault fault = { 0 };
	const void *found;
	int r = module_load("toml", &found, e);

	if (r < 0)
		return err_wrap(e, r, "reading %s", file);
	r = ((const struct toml_module *) found)->parse(ret, text, n, &fault);
	if (r == -ENOMEM)
		abort(); /* allocation does not fail: style.md */
	if (r < 0) {
		const char *message = fault.message ? fault.message : "not TOML";

		problem_add(problems, SEVERITY_ERROR, file, fault.line, fault.column, "%s", message);
		r = err_set(e, ERR_REFUSED, "%s:%d:%d: %s", file, fault.line, fault.column, message);
	}
	free(fault.message);
	return r;
}

const struct toml_node *toml_get(const struct toml_node *table, const char *key)
{
	for (size_t i = 0; table && table->kind == TOML_TABLE && i < table->n_children; i++)
		if (str_eq(table->child[i]->key, key))
			return table->child[i];
	return NULL;
}

struct toml_node *toml_free(struct toml_node *node)
{
	if (!node)
		return NULL;
	for (size_t i = 0; i < node->n_children; i++)
		toml_free(node->child[i]);
	free(node->child);
	free(node->key);
	free(node->text);
	free(node);
	return NULL;
}
