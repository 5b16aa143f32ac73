/*
 * Settings files: the first line is an edit NAME=VALUE, the rest is the file. What was read can be written
 * and read again, an edit does what it says and nothing else, and values cannot grow without bound.
 */
#include "fuzz.h"

#include "base/env.h"
#include "base/json.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";

static void must_be_equal(const struct env *a, const struct env *b)
{
	MUST(a->n == b->n);
	for (size_t i = 0; i < a->n; i++) {
		MUST(str_eq(a->v[i].name, b->v[i].name));
		MUST(str_eq(a->v[i].value, b->v[i].value));
	}
}

static void read_file(struct env *env, const char *text, bool expand)
{
	_cleanup_(problems_done) struct problems problems = { 0 };

	env_parse(env, text, strlen(text), "ENV", NULL, expand, &problems);
}

static void edit(const char *text, const char *name, const char *value)
{
	_cleanup_(freep) char *set = env_edit(text, name, value), *unset = env_edit(set, name, NULL);
	_cleanup_(env_done) struct env before = { 0 }, with = { 0 }, without = { 0 };

	read_file(&before, text, false);
	read_file(&with, set, false);
	read_file(&without, unset, false);
	MUST(str_eq(env_get(&with, name), value));
	MUST(!env_get(&without, name));
	env_unset(&before, name);
	env_unset(&with, name);
	must_be_equal(&before, &with);
	must_be_equal(&before, &without);
}

/* Can the name and value stand in a settings file and mean themselves? */
static bool is_writable(const char *name, const char *value)
{
	struct span trimmed = span_trim(value, value + strlen(value));

	return env_name_is_legal(name) && trimmed.n == strlen(value) && strlen(value) < 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(env_done) struct env env = { 0 }, again = { 0 };
	_cleanup_(freep) char *name = fuzz_line(&data, &size), *text = fuzz_text(data, size);
	char *equals = strchr(name, '=');
	size_t total = 0;

	if (equals) {
		*equals = '\0';
		/* one that begins a later line would be taken for the file's when the lines before go */
		if (is_writable(name, equals + 1) && !strstr(text + 1 - !*text, byte_order_mark) &&
		    !strstr(name, byte_order_mark))
			edit(text, name, equals + 1);
	}
	env_parse(&env, (const char *) data, size, "ENV", NULL, true, &problems);
	for (size_t i = 0; i < env.n; i++)
		total += strlen(env.v[i].value);
	MUST(total <= 4 << 20);

	_cleanup_(json_releasep) json_t *j = json_from_env(&env);
	json_to_env(j, &again);
	must_be_equal(&env, &again);

	_cleanup_(freep) char *expanded = env_expand(&env, text);
	MUST(!expanded || strlen(expanded) <= ENV_TOTAL_MAX_BYTES);
	return 0;
}
