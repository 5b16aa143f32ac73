/* Environments and Piku's settings dialect: see env.h. */
#include "base/env.h"

#include <ctype.h>
#include <stdint.h>

static struct env_var *find(const struct env *env, const char *name, size_t n)
{
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i].name, name, n) == 0 && env->v[i].name[n] == '\0')
			return &env->v[i];
	return NULL;
}

void env_set(struct env *env, const char *name, const char *value, const char *origin)
{
	struct env_var *var = find(env, name, strlen(name));

	if (!var) {
		var = GROW(&env->v, &env->n);
		var->name = xstrdup(name);
	}
	str_set(&var->value, value);
	str_set(&var->origin, origin);
}

void env_setf(struct env *env, const char *name, const char *origin, const char *fmt, ...)
{
	_cleanup_(freep) char *value = NULL;
	va_list args;

	va_start(args, fmt);
	value = xvasprintf(fmt, args);
	va_end(args);
	env_set(env, name, value, origin);
}

const char *env_get(const struct env *env, const char *name)
{
	const struct env_var *var = find(env, name, strlen(name));

	return var ? var->value : NULL;
}

const char *env_origin(const struct env *env, const char *name)
{
	const struct env_var *var = find(env, name, strlen(name));

	return var ? var->origin : NULL;
}

static void var_done(struct env_var *var)
{
	free(var->name);
	free(var->value);
	free(var->origin);
}

void env_unset(struct env *env, const char *name)
{
	struct env_var *var = find(env, name, strlen(name));

	if (!var)
		return;
	size_t at = (size_t) (var - env->v);

	var_done(var);
	memmove(var, var + 1, (env->n - at - 1) * sizeof *var);
	env->n--;
}

void env_copy(struct env *to, const struct env *from)
{
	for (size_t i = 0; i < from->n; i++)
		env_set(to, from->v[i].name, from->v[i].value, from->v[i].origin);
}

void env_strings(const struct env *env, struct strv *ret)
{
	for (size_t i = 0; i < env->n; i++)
		strv_addf(ret, "%s=%s", env->v[i].name, env->v[i].value);
}

void env_done(struct env *env)
{
	for (size_t i = 0; i < env->n; i++)
		var_done(&env->v[i]);
	free(env->v);
	*env = (struct env){ 0 };
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char) c) || c == '_';
}

char *env_expand(const struct env *env, const char *text)
{
	struct strb out = STRB(ENV_TOTAL_MAX_BYTES);
	int r = 0;

	while (*text && r == 0) {
		size_t plain = strcspn(text, "$"), n = 0, used = 0;
		const char *name = NULL;

		r = strb_add(&out, text, plain);
		text += plain;
		if (!*text || r < 0)
			break;
		if (text[1] == '{') {
			n = strcspn(text + 2, "}");
			name = text + 2;
			used = text[2 + n] ? n + 3 : 0;
		} else {
			while (is_name_char(text[1 + n]))
				n++;
			name = text + 1;
			used = n + 1;
		}
		const struct env_var *var = used && n ? find(env, name, n) : NULL;

		r = var ? strb_adds(&out, var->value) : strb_add(&out, text, used ? used : 1);
		text += used ? used : 1;
	}
	if (r < 0)
		strb_done(&out);
	return r < 0 ? NULL : strb_take(&out);
}

bool env_name_is_legal(const char *name)
{
	if (!*name || *name == '#')
		return false;
	for (; *name; name++)
		if (*name == '=' || isspace((unsigned char) *name) || iscntrl((unsigned char) *name))
			return false;
	return true;
}

bool env_name_is_identifier(const char *name)
{
	if (!*name || isdigit((unsigned char) *name))
		return false;
	for (; *name; name++)
		if (!is_name_char(*name))
			return false;
	return true;
}

/* A line cut in two; name.n == 0: not a setting. */
struct setting_line {
	struct span name, value;
	bool is_blank, is_bad;
};

static struct setting_line read_line(const char *from, const char *to)
{
	struct setting_line line = { 0 };
	const char *equals = memchr(from, '=', (size_t) (to - from));

	if (from == to || *from == '#' || span_trim(from, to).n == 0) {
		line.is_blank = true;
		return line;
	}
	line.name = span_trim(from, equals ? equals : to);
	line.is_bad = !equals || line.name.n == 0 || memchr(from, '\0', (size_t) (to - from));
	if (equals)
		line.value = span_trim(equals + 1, to);
	return line;
}

/* The value to set, to be freed; NULL when it would be too large. left: bytes of what may yet be set. */
static char *expanded(const struct env *env, const char *raw, size_t *left)
{
	_cleanup_(freep) char *value = env_expand(env, raw);
	size_t n = value ? strlen(value) : 0;

	if (!value || n >= ENV_VALUE_MAX_BYTES || n > *left)
		return NULL;
	*left -= n;
	return TAKE(value);
}

void env_parse(struct env *env, const char *text, size_t n, const char *file, const char *origin, bool expand,
	       struct problems *problems)
{
	const char *end = text + n, *at = text;
	size_t left = ENV_TOTAL_MAX_BYTES;

	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* an editor's byte order mark */
		at += 3;
	for (int number = 1; at < end; number++) {
		const char *eol = memchr(at, '\n', (size_t) (end - at)), *stop = eol ? eol : end;
		struct setting_line line = read_line(at, stop);

		if (line.is_bad) {
			problem_add(problems, SEVERITY_SKIPPED, file, number, 1,
				    line.name.n ? "expected NAME=VALUE; this line is ignored"
						: "expected a name before '='; this line is ignored");
		} else if (!line.is_blank) {
			_cleanup_(freep) char *name = span_dup(line.name), *raw = span_dup(line.value);
			_cleanup_(freep) char *value = expand ? expanded(env, raw, &left) : xstrdup(raw);
			_cleanup_(freep) char *place = xasprintf("%s:%d", file, number);

			if (str_starts(name, "export "))
				problem_add(problems, SEVERITY_WARNING, file, number, 1,
					    "this sets a variable named '%s'; leave out 'export '", name);
			if (value)
				env_set(env, name, value, origin ? origin : place);
			else
				problem_add(
					problems, SEVERITY_ERROR, file, number, 1,
					"the value of '%s' is too large with its $NAMES replaced: a program "
					"can be given %d KiB in one and %d in all",
					name, ENV_VALUE_MAX_BYTES >> 10, ENV_TOTAL_MAX_BYTES >> 10);
		}
		at = eol ? eol + 1 : end;
	}
}

static const char byte_order_mark[] = "\xef\xbb\xbf"; /* of an editor */

/* The next line of *text, which then is the rest, with its newline. false: there is none. */
static bool next_line(const char **text, const char **from, const char **to, struct setting_line *line)
{
	if (!**text)
		return false;
	*from = *text;
	const char *stop = *from + strcspn(*from, "\n");

	*to = *text = *stop ? stop + 1 : stop;
	*line = read_line(*from, stop);
	return true;
}

static bool sets(const struct setting_line *line, const char *name)
{
	return !line->is_blank && !line->is_bad && span_eq(line->name, name);
}

char *env_edit(const char *text, const char *name, const char *value)
{
	const char *from, *to, *last = NULL, *rest;
	struct strb out = STRB(SIZE_MAX / 2);
	struct setting_line line;

	if (str_starts(text, byte_order_mark)) {
		(void) strb_adds(&out, byte_order_mark);
		text += strlen(byte_order_mark);
	}
	for (rest = text; next_line(&rest, &from, &to, &line);)
		if (sets(&line, name))
			last = from;
	for (rest = text; next_line(&rest, &from, &to, &line);) {
		if (value && from == last)
			(void) strb_addf(&out, "%s=%s\n", name, value);
		else if (value || !sets(&line, name))
			(void) strb_add(&out, from, (size_t) (to - from));
	}
	if (value && !last) {
		if (out.len && out.s[out.len - 1] != '\n' && *text)
			(void) strb_adds(&out, "\n");
		(void) strb_addf(&out, "%s=%s\n", name, value);
	}
	return strb_take(&out);
}
