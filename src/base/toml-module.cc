// toml++ behind one table of C functions: a parsed file becomes a tree of struct toml_node. No exception leaves it.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sstream>
#include <string_view>
#include <vector>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <toml++/toml.h>

extern "C" {
#include "base/toml-internal.h"
}

namespace
{

void release(toml_node *node) noexcept
{
	if (!node)
		return;
	for (size_t i = 0; i < node->n_children; i++)
		release(node->child[i]);
	free(node->child);
	free(node->key);
	free(node->text);
	free(node);
}

struct owner {
	toml_node *node;
	~owner() { release(node); }
};

char *copy(std::string_view s)
{
	auto *c = static_cast<char *>(malloc(s.size() + 1));

	if (!c)
		throw std::bad_alloc();
	memcpy(c, s.data(), s.size());
	c[s.size()] = '\0';
	return c;
}

toml_node *convert(const toml::node &from);

void adopt(toml_node *parent, toml_node *child)
{
	owner mine { child };
	auto *grown = static_cast<toml_node **>(
		realloc(parent->child, (parent->n_children + 1) * sizeof *parent->child));

	if (!grown)
		throw std::bad_alloc();
	parent->child = grown;
	parent->child[parent->n_children++] = child;
	mine.node = nullptr;
}

void place(toml_node *node, const toml::source_region &region)
{
	node->line = static_cast<int>(region.begin.line);
	node->column = static_cast<int>(region.begin.column);
}

// toml++ keeps tables sorted by name; people read files from the top.
bool stands_before(const toml_node *a, const toml_node *b)
{
	return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void convert_table(toml_node *node, const toml::table &table)
{
	node->kind = TOML_TABLE;
	for (auto &&[key, value] : table) {
		owner member { convert(value) };

		member.node->key = copy(key.str());
		if (key.source().begin) // where the key stands, not the value
			place(member.node, key.source());
		toml_node *taken = member.node;
		member.node = nullptr;
		adopt(node, taken);
	}
	std::sort(node->child, node->child + node->n_children, stands_before);
}

template <typename T> char *written(const T &value)
{
	std::ostringstream out;

	out << value;
	return copy(out.str());
}

void convert_scalar(toml_node *node, const toml::node &from)
{
	if (auto *s = from.as_string()) {
		node->kind = TOML_TEXT;
		node->text = copy(s->get());
	} else if (auto *i = from.as_integer()) {
		node->kind = TOML_INTEGER;
		node->integer = i->get();
	} else if (auto *f = from.as_floating_point()) {
		node->kind = TOML_FLOAT;
		node->real = f->get();
	} else if (auto *b = from.as_boolean()) {
		node->kind = TOML_BOOL;
		node->flag = b->get();
	} else {
		node->kind = TOML_DATE;
		if (auto *d = from.as_date())
			node->text = written(d->get());
		else if (auto *t = from.as_time())
			node->text = written(t->get());
		else if (auto *dt = from.as_date_time())
			node->text = written(dt->get());
	}
}

toml_node *convert(const toml::node &from)
{
	owner made { static_cast<toml_node *>(calloc(1, sizeof(toml_node))) };

	if (!made.node)
		throw std::bad_alloc();
	place(made.node, from.source());
	if (auto *table = from.as_table()) {
		convert_table(made.node, *table);
	} else if (auto *array = from.as_array()) {
		made.node->kind = TOML_ARRAY;
		for (auto &&element : *array)
			adopt(made.node, convert(element));
	} else {
		convert_scalar(made.node, from);
	}
	toml_node *taken = made.node;
	made.node = nullptr;
	return taken;
}

int parse(toml_node **ret, const char *text, size_t n, toml_fault *fault) noexcept
{
	try {
		*ret = convert(toml::parse(std::string_view(text, n)));
		return 0;
	} catch (const toml::parse_error &e) {
		fault->line = static_cast<int>(e.source().begin.line);
		fault->column = static_cast<int>(e.source().begin.column);
		fault->message = strdup(std::string(e.description()).c_str());
		return -EINVAL;
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	} catch (...) {
		fault->message = strdup("toml++ cannot read it");
		return -EINVAL;
	}
}

} // namespace

extern "C" const struct toml_module slipway_toml = { parse };
