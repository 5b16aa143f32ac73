/* One table of a struct's members serves writing it to JSON, reading it strictly, and releasing it. */
#include "plan/members-internal.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/limit.h"
#include "base/str.h"

static json_t *member_to_json(const void *from, const struct member *m)
{
	const void *at = (const char *) from + m->at;
	const char *text;
	json_t *texts;

	switch (m->type) {
	case MEMBER_TEXT:
	case MEMBER_TEXT_OR_NULL:
		text = *(char *const *) at;
		return text ? json_text_new(text) : m->type == MEMBER_TEXT ? json_string("") : json_null();
	case MEMBER_INT:
		return json_integer(*(const int *) at);
	case MEMBER_UNSIGNED:
	case MEMBER_ADDED_UNSIGNED:
		return json_integer(*(const unsigned *) at);
	case MEMBER_LONG:
		return json_integer(*(const long *) at);
	case MEMBER_SIZE:
		return json_integer((json_int_t) * (const size_t *) at);
	case MEMBER_FLAG:
		return json_boolean(*(const bool *) at);
	case MEMBER_TEXTS:
	case MEMBER_ADDED_TEXTS:
		texts = json_array();
		for (size_t i = 0; i < ((const struct strv *) at)->n; i++)
			(void) json_array_append_new(texts, json_text_new(((const struct strv *) at)->v[i]));
		return texts;
	case MEMBER_WORD:
		return json_string(m->words[*(const unsigned *) at]);
	case MEMBER_LIMITS:
		return limits_to_json(at);
	case MEMBER_OTHER:
	case MEMBER_LATER:
		break;
	}
	return NULL;
}

void members_write(json_t *j, const void *from, const struct member *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (m[i].type != MEMBER_OTHER && m[i].type != MEMBER_LATER)
			(void) json_object_set_new(j, m[i].name, member_to_json(from, &m[i]));
}

static bool read_number(const json_t *v, json_int_t min, json_int_t max, json_int_t *ret)
{
	*ret = json_integer_value(v);
	return json_is_integer(v) && *ret >= min && *ret <= max;
}

static bool read_texts(struct strv *to, const json_t *v)
{
	json_t *at;
	size_t i;

	json_array_foreach(v, i, at)
	{
		if (!json_is_string(at))
			return false;
		strv_push(to, xstrdup(json_string_value(at)));
	}
	return json_is_array(v);
}

static bool read_word(unsigned *to, const json_t *v, const struct member *m)
{
	for (unsigned i = 0; json_is_string(v) && i < m->n_words; i++) {
		*to = i;
		if (str_eq(m->words[i], json_string_value(v)))
			return true;
	}
	return false;
}

static bool read_member(void *to, const json_t *v, const struct member *m)
{
	void *at = (char *) to + m->at;
	json_int_t num;

	switch (m->type) {
	case MEMBER_TEXT:
	case MEMBER_TEXT_OR_NULL:
		if (json_is_string(v))
			str_set(at, json_string_value(v));
		return json_is_string(v) || (m->type == MEMBER_TEXT_OR_NULL && json_is_null(v));
	case MEMBER_INT:
		if (!read_number(v, INT_MIN, INT_MAX, &num))
			return false;
		*(int *) at = (int) num;
		return true;
	case MEMBER_UNSIGNED:
	case MEMBER_ADDED_UNSIGNED:
		if (!read_number(v, 0, UINT_MAX, &num))
			return false;
		*(unsigned *) at = (unsigned) num;
		return true;
	case MEMBER_LONG:
		if (!read_number(v, LONG_MIN, LONG_MAX, &num))
			return false;
		*(long *) at = (long) num;
		return true;
	case MEMBER_SIZE:
		if (!read_number(v, 0, LONG_MAX, &num))
			return false;
		*(size_t *) at = (size_t) num;
		return true;
	case MEMBER_FLAG:
		*(bool *) at = json_is_true(v);
		return json_is_boolean(v);
	case MEMBER_TEXTS:
	case MEMBER_ADDED_TEXTS:
		return read_texts(at, v);
	case MEMBER_WORD:
		return read_word(at, v, m);
	case MEMBER_LIMITS:
		return limits_from_json(v, at);
	case MEMBER_OTHER:
	case MEMBER_LATER:
		return true;
	}
	return false;
}

static bool is_known(const char *name, const struct member *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(m[i].name, name))
			return true;
	return false;
}

static bool may_be_missing(enum member_type type)
{
	return type == MEMBER_LATER || type == MEMBER_LIMITS || type == MEMBER_ADDED_TEXTS ||
	       type == MEMBER_ADDED_UNSIGNED;
}

int members_read(void *to, const json_t *j, const char *what, const struct member *m, size_t n,
		 struct err **e)
{
	const char *name;
	json_t *v;

	if (!json_is_object(j))
		return err_set(e, ERR_REFUSED, "%s is not a JSON object", what);
	for (size_t i = 0; i < n; i++) {
		v = json_object_get(j, m[i].name);
		if (!v && may_be_missing(m[i].type))
			continue;
		if (!v)
			return err_set(e, ERR_REFUSED, "%s has no member '%s'", what, m[i].name);
		if (!read_member(to, v, &m[i]))
			return err_set(e, ERR_REFUSED, "%s: '%s' has the wrong type or value", what,
				       m[i].name);
	}
	json_object_foreach((json_t *) j, name, v) if (!is_known(name, m, n)) return err_set(
		e, ERR_REFUSED, "%s has an unknown member '%s'", what, name);
	return 0;
}

void members_done(void *s, const struct member *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		void *at = (char *) s + m[i].at;

		if (m[i].type == MEMBER_TEXT || m[i].type == MEMBER_TEXT_OR_NULL)
			str_set(at, NULL);
		else if (m[i].type == MEMBER_TEXTS || m[i].type == MEMBER_ADDED_TEXTS)
			strv_done(at);
	}
}
