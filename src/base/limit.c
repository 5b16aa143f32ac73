/* One table says how each limit is called, written, and enforced without a cgroup. */
#include "base/limit.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/json.h"

static const struct kind {
	const char *name, *setting, *json, *rlimit, *expected;
	uint64_t min, max;
} kinds[] = {
	[LIMIT_MEMORY] = { "memory", "LIMIT_MEMORY", "memory_bytes", "--data",
			   "a size from 1M on, like 256M or 1G, or none", 1 << 20, INT64_MAX },
	[LIMIT_CPU] = { "cpu", "LIMIT_CPU", "cpu_permille", NULL,
			"a number of processors from 0.01 to 1024, like 0.5, 50% or 2, or none", 10,
			1024000 },
	[LIMIT_PIDS] = { "pids", "LIMIT_PIDS", "pids", "--nproc",
			 "a number of processes from 1 to 4194304, or none", 1, 4194304 },
	[LIMIT_NOFILE] = { "nofile", "LIMIT_NOFILE", "nofile", "--nofile",
			   "a number of open files from 16 to 1048576, or none", 16, 1048576 },
};

const char *limit_setting(enum limit kind)
{
	return kinds[kind].setting;
}

const char *limit_name(enum limit kind)
{
	return kinds[kind].name;
}

enum limit_by limit_by(enum limit kind, const struct limit_means *m)
{
	if (m->cgroup[kind])
		return LIMIT_BY_CGROUP;
	if (!kinds[kind].rlimit || (kind == LIMIT_PIDS && !m->has_own_user))
		return LIMIT_BY_NOTHING;
	return LIMIT_BY_RLIMIT;
}

const char *limit_by_name(enum limit_by by)
{
	static const char *const names[] = { "nothing", "cgroup", "rlimit" };

	return names[by];
}

/* ---- text ---- */

/* "256M", "256MB", "256MiB": powers of 1024. 0: it is none. */
static uint64_t read_size(const char *text)
{
	static const char units[] = "KMGT";
	uint64_t value = 0, factor = 1;

	if (!isdigit((unsigned char) *text))
		return 0;
	for (; isdigit((unsigned char) *text); text++) {
		value = value * 10 + (uint64_t) (*text - '0');
		if (value > INT64_MAX / 16)
			return 0;
	}
	const char *unit = *text ? strchr(units, toupper((unsigned char) *text)) : NULL;

	if (unit)
		factor = UINT64_C(1) << (10 * (unit - units + 1));
	text += unit != NULL;
	if (*text && strcasecmp(text, "b") != 0 && (!unit || strcasecmp(text, "ib") != 0))
		return 0;
	return value <= INT64_MAX / factor ? value * factor : 0;
}

/* "0.5", "2", "50%" as thousandths. 0: it is none. */
static uint64_t read_cpu(const char *text)
{
	uint64_t value = 0, unit = 1000;

	if (!isdigit((unsigned char) *text))
		return 0;
	for (; isdigit((unsigned char) *text) && value < 1000000; text++)
		value = value * 10 + (uint64_t) (*text - '0');
	value *= 1000;
	if (*text == '.')
		for (text++; isdigit((unsigned char) *text); text++) {
			unit /= 10;
			value += unit * (uint64_t) (*text - '0');
		}
	if (*text == '%') {
		value /= 100;
		text++;
	}
	return *text ? 0 : value;
}

bool limit_parse(enum limit kind, const char *text, uint64_t *ret, const char **expected)
{
	const struct kind *k = &kinds[kind];
	uint64_t value = 0;
	long number;

	*expected = k->expected;
	*ret = 0;
	if (strcasecmp(text, "none") == 0)
		return true;
	if (kind == LIMIT_MEMORY)
		value = read_size(text);
	else if (kind == LIMIT_CPU)
		value = read_cpu(text);
	else if (str_to_long(text, 1, (long) k->max, &number))
		value = (uint64_t) number;
	if (value < k->min || value > k->max)
		return false;
	*ret = value;
	return true;
}

static char *size_text(uint64_t value)
{
	static const char units[] = "KMGT";
	int n = 0;

	while (n < 4 && value % 1024 == 0) {
		value /= 1024;
		n++;
	}
	return n ? xasprintf("%" PRIu64 "%c", value, units[n - 1]) : xasprintf("%" PRIu64, value);
}

static char *cpu_text(uint64_t value)
{
	char *text = xasprintf("%" PRIu64 ".%03" PRIu64, value / 1000, value % 1000);
	size_t n = strlen(text);

	while (text[n - 1] == '0')
		text[--n] = '\0';
	if (text[n - 1] == '.')
		text[n - 1] = '\0';
	return text;
}

char *limit_text(enum limit kind, uint64_t value)
{
	if (value == 0)
		return xstrdup("none");
	if (kind == LIMIT_MEMORY)
		return size_text(value);
	return kind == LIMIT_CPU ? cpu_text(value) : xasprintf("%" PRIu64, value);
}

/* ---- all of them ---- */

bool limits_any(const struct limits *l)
{
	for (enum limit i = 0; i < LIMIT_COUNT; i++)
		if (l->max[i])
			return true;
	return false;
}

void limits_lower(struct limits *l, const struct limits *by)
{
	for (enum limit i = 0; i < LIMIT_COUNT; i++)
		if (by->max[i] && (!l->max[i] || by->max[i] < l->max[i]))
			l->max[i] = by->max[i];
}

void limits_prefix(const struct limits *l, const struct limit_means *m, struct strv *argv)
{
	bool has_any = false;

	for (enum limit i = 0; i < LIMIT_COUNT; i++) {
		if (!l->max[i] || limit_by(i, m) != LIMIT_BY_RLIMIT)
			continue;
		if (!has_any)
			STRV_ADD(argv, "/usr/bin/prlimit");
		has_any = true;
		/* soft and hard alike: an app may lower it, and not raise it again */
		strv_addf(argv, "%s=%" PRIu64 ":%" PRIu64, kinds[i].rlimit, l->max[i], l->max[i]);
	}
	if (has_any)
		STRV_ADD(argv, "--");
}

json_t *limits_to_json(const struct limits *l)
{
	json_t *j = json_object();

	for (enum limit i = 0; i < LIMIT_COUNT; i++)
		json_put_num(j, kinds[i].json, (int64_t) l->max[i]);
	return j;
}

bool limits_from_json(const json_t *j, struct limits *l)
{
	bool is_right = json_object_size(j) == LIMIT_COUNT;

	for (enum limit i = 0; is_right && i < LIMIT_COUNT; i++) {
		int64_t value = json_num(j, kinds[i].json, -1);

		is_right = value >= 0;
		l->max[i] = is_right ? (uint64_t) value : 0;
	}
	return is_right;
}
