/* Helpers around jansson: see json.h. */
#include "base/json.h"

#include <stdint.h>

#include "base/file.h"

const char *json_text(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

int64_t json_num(const json_t *j, const char *key, int64_t def)
{
	const json_t *v = json_object_get(j, key);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

bool json_flag(const json_t *j, const char *key, bool def)
{
	const json_t *v = json_object_get(j, key);

	return json_is_boolean(v) ? json_boolean_value(v) : def;
}

/* The length of the well-formed UTF-8 character at s (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char from, to, min, max; /* of the first byte, of the second */
		size_t n;
	} forms[] = {
		{ 0x01, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < COUNT(forms); i++) {
		if (*s < forms[i].from || *s > forms[i].to)
			continue;
		if (forms[i].n > 1 && (s[1] < forms[i].min || s[1] > forms[i].max))
			return 0;
		for (size_t k = 2; k < forms[i].n; k++)
			if (s[k] < 0x80 || s[k] > 0xbf)
				return 0;
		return forms[i].n;
	}
	return 0;
}

/* Bytes that are not UTF-8 are kept as private-use characters U+F700 + byte. A text that has such a character
 * itself has its bytes kept the same way. */
enum { RAW_BYTE = 0xf700 };

/* The byte that the character at s stands for, 0x80 to 0xff, or 0. */
static unsigned raw_byte_at(const unsigned char *s)
{
	unsigned c = s[0] == 0xef && s[1] && s[2] ? 0xf000u | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu) : 0;

	return c >= RAW_BYTE + 0x80 && c <= RAW_BYTE + 0xff ? c - RAW_BYTE : 0;
}

/* Copies s; each byte b that is no UTF-8 becomes the character base + b (U+FFFD when base is 0). */
static json_t *text_with(const char *text, unsigned base)
{
	const unsigned char *s = (const unsigned char *) text;
	struct strb out = STRB(SIZE_MAX / 2);

	while (*s) {
		size_t n = utf8_length(s);
		unsigned c = base ? base + *s : 0xfffd;

		if (n && !(base && raw_byte_at(s)))
			(void) strb_add(&out, (const char *) s, n);
		else
			(void) strb_addf(&out, "%c%c%c", (int) (0xe0 | c >> 12),
					 (int) (0x80 | (c >> 6 & 0x3f)), (int) (0x80 | (c & 0x3f)));
		s += n && !(base && raw_byte_at(s)) ? n : 1;
	}
	_cleanup_(freep) char *clean = strb_take(&out);

	return json_string(clean);
}

json_t *json_text_new(const char *s)
{
	json_t *j = json_string(s);

	return j ? j : text_with(s, 0);
}

void json_put_text(json_t *j, const char *key, const char *value)
{
	if (value)
		(void) json_object_set_new(j, key, json_text_new(value));
}

void json_put_num(json_t *j, const char *key, int64_t value)
{
	(void) json_object_set_new(j, key, json_integer(value));
}

void json_put_flag(json_t *j, const char *key, bool value)
{
	(void) json_object_set_new(j, key, json_boolean(value));
}

void json_put_strv(json_t *j, const char *key, const struct strv *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < v->n; i++)
		(void) json_array_append_new(a, json_text_new(v->v[i]));
	(void) json_object_set_new(j, key, a);
}

void json_get_strv(const json_t *j, const char *key, struct strv *v)
{
	const json_t *a = json_object_get(j, key);
	json_t *at;
	size_t i;

	json_array_foreach(a, i, at) if (json_is_string(at)) strv_push(v, xstrdup(json_string_value(at)));
}

json_t *json_from_env(const struct env *env)
{
	json_t *a = json_array();

	for (size_t i = 0; i < env->n; i++) {
		json_t *var = json_object();

		(void) json_object_set_new(var, "name", text_with(env->v[i].name, RAW_BYTE));
		(void) json_object_set_new(var, "value", text_with(env->v[i].value, RAW_BYTE));
		json_put_text(var, "origin", env->v[i].origin);
		(void) json_array_append_new(a, var);
	}
	return a;
}

static char *without_raw_bytes(const char *text)
{
	const unsigned char *s = (const unsigned char *) text;
	struct strb out = STRB(SIZE_MAX / 2);

	while (*s) {
		unsigned byte = raw_byte_at(s);

		if (byte) {
			(void) strb_addf(&out, "%c", (int) byte);
			s += 3;
		} else {
			(void) strb_add(&out, (const char *) s++, 1);
		}
	}
	return strb_take(&out);
}

void json_to_env(const json_t *j, struct env *env)
{
	json_t *at;
	size_t i;

	json_array_foreach(j, i, at)
	{
		const char *name = json_text(at, "name"), *value = json_text(at, "value");

		if (name && value) {
			_cleanup_(freep) char *raw_name = without_raw_bytes(name),
					      *raw = without_raw_bytes(value);

			env_set(env, raw_name, raw, json_text(at, "origin"));
		}
	}
}

int json_read_file(const char *path, json_t **ret, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	json_error_t why;
	size_t n;
	int r = file_read(path, 64 << 20, &text, &n, e);

	if (r < 0)
		return r;
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(j)) {
		json_decref(j);
		return err_set(e, ERR_REFUSED, "%s:%d:%d: %s", path, why.line, why.column,
			       j ? "expected a JSON object" : why.text);
	}
	*ret = j;
	return 0;
}

int json_write_file(const char *path, const json_t *j, mode_t mode, struct err **e)
{
	_cleanup_(freep) char *text = json_dumps(j, JSON_INDENT(2)), *line = xasprintf("%s\n", text);

	return file_replace(path, line, strlen(line), mode, e);
}

void json_print(const json_t *j)
{
	(void) json_dumpf(j, stdout, JSON_INDENT(2));
	(void) putchar('\n');
}
