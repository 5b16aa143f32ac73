/*
 * Schedules: classic cron's grammar over Piku's meaning of '*' + '/N', which is "the multiples of N" also
 * where counting begins at 1 (days 5, 10, 15 ...). Only upper limits are refused; what can never match is
 * warned of.
 */
#include "manifest/cron.h"

#include <ctype.h>
#include <strings.h>

#include "base/str.h"

struct field {
	const char *what;
	unsigned max;         /* the highest that may be written */
	unsigned first, last; /* that come up */
	const char *names;    /* three letters each */
	unsigned first_name;
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, N_FIELDS };

static const struct field fields[N_FIELDS] = {
	[MINUTE] = { "minute", 59, 0, 59, "", 0 },
	[HOUR] = { "hour", 24, 0, 23, "", 0 },
	[DAY] = { "day of the month", 31, 1, 31, "", 0 },
	[MONTH] = { "month", 12, 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec", 1 },
	[WEEKDAY] = { "weekday", 7, 0, 6, "sunmontuewedthufrisat", 0 },
};

static const struct {
	const char *word, *fields;
} nicknames[] = {
	{ "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" },
	{ "@weekly", "0 0 * * 0" },   { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
};

/* The text being read, and where it went wrong. */
struct reader {
	const char *line, *at;
	int *column;
};

static int refuse(struct reader *r, const char *at, struct err **e, const char *expected)
{
	*r->column = (int) (at - r->line) + 1;
	return err_set(e, ERR_REFUSED, "%s", expected);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct reader *r)
{
	r->at += strspn(r->at, " \t");
}

/* A number or a name of the field; false leaves the reader where it was. */
static bool read_value(struct reader *r, const struct field *f, unsigned *ret)
{
	if (isdigit((unsigned char) *r->at)) {
		*ret = 0;
		for (; isdigit((unsigned char) *r->at); r->at++)
			if (*ret < 1000)
				*ret = *ret * 10 + (unsigned) (*r->at - '0');
		return true;
	}
	for (unsigned i = 0; f->names[3 * i]; i++) {
		if (strncasecmp(r->at, f->names + 3 * i, 3) != 0 || isalnum((unsigned char) r->at[3]))
			continue;
		*ret = f->first_name + i;
		r->at += 3;
		return true;
	}
	return false;
}

static int read_limited(struct reader *r, const struct field *f, unsigned min, unsigned *ret, struct err **e)
{
	const char *start = r->at;
	_cleanup_(freep) char *expected = NULL;

	if (!read_value(r, f, ret))
		expected = xasprintf("expected '*'%s or a number up to %u for the %s",
				     *f->names ? ", a name" : "", f->max, f->what);
	else if (*ret > f->max || *ret < min)
		expected = xasprintf("%.*s is no %s: expected %u to %u", (int) (r->at - start), start,
				     min ? "step" : f->what, min, f->max);
	return expected ? refuse(r, start, e, expected) : 0;
}

static int read_step(struct reader *r, const struct field *f, unsigned *ret, struct err **e)
{
	static const char digits[] = "0123456789";

	r->at++;
	if (strspn(r->at, digits) == 0)
		return refuse(r, r->at, e, "expected a number after '/'");
	return read_limited(r, f, 1, ret, e);
}

/* '*', '*' + '/N', N, N-M or N-M/S. */
static int read_item(struct reader *r, const struct field *f, uint64_t *set, struct err **e)
{
	unsigned from = 0, to = f->last, step = 1;
	const char *start = r->at;
	int err = 0;

	if (*r->at == '*') {
		r->at++;
		if (*r->at == '/')
			err = read_step(r, f, &step, e);
		from = f->first ? step : 0; /* the multiples of N, not every Nth */
	} else {
		err = read_limited(r, f, 0, &from, e);
		to = from;
		if (err == 0 && *r->at == '-') {
			r->at++;
			err = read_limited(r, f, 0, &to, e);
			if (err == 0 && f == &fields[WEEKDAY] && to == 0 && from > 0)
				to = 7; /* fri-sun */
			if (err == 0 && to < from)
				return refuse(r, start, e, "a range goes from the lower to the higher value");
			if (err == 0 && *r->at == '/')
				err = read_step(r, f, &step, e);
		}
	}
	for (unsigned i = from; err == 0 && i <= to; i += step)
		*set |= 1ULL << i;
	return err;
}

static int read_field(struct reader *r, const struct field *f, uint64_t *set, struct err **e)
{
	_cleanup_(freep) char *expected = NULL;
	int err = read_item(r, f, set, e);

	while (err == 0 && *r->at == ',') {
		r->at++;
		err = read_item(r, f, set, e);
	}
	if (err < 0 || !*r->at || is_blank(*r->at))
		return err;
	expected = xasprintf("unexpected '%c' in the %s", isprint((unsigned char) *r->at) ? *r->at : '?',
			     f->what);
	return refuse(r, r->at, e, expected);
}

static int read_fields(struct reader *r, struct cron *ret, struct err **e)
{
	uint64_t set[N_FIELDS] = { 0 };
	bool is_starred[N_FIELDS];

	for (size_t i = 0; i < N_FIELDS; i++) {
		skip_blanks(r);
		is_starred[i] = *r->at == '*';
		if (!*r->at)
			return refuse(r, r->at, e,
				      "expected five time fields (minute, hour, day of the month, "
				      "month, weekday) and a command");
		int err = read_field(r, &fields[i], &set[i], e);

		if (err < 0)
			return err;
	}
	*ret = (struct cron){
		.minute = set[MINUTE],
		.hour = (uint32_t) set[HOUR],
		.day = (uint32_t) set[DAY],
		.month = (uint32_t) set[MONTH],
		.weekday = (uint32_t) ((set[WEEKDAY] | set[WEEKDAY] >> 7) & 0x7f),
		.is_any_of_days = !is_starred[DAY] && !is_starred[WEEKDAY],
	};
	return 0;
}

static int read_nickname(struct reader *r, struct cron *ret, struct err **e)
{
	size_t n = strcspn(r->at, " \t");

	for (size_t i = 0; i < COUNT(nicknames); i++) {
		struct reader inner = { nicknames[i].fields, nicknames[i].fields, r->column };

		if (!span_eq((struct span){ r->at, n }, nicknames[i].word))
			continue;
		r->at += n;
		return read_fields(&inner, ret, e);
	}
	return refuse(r, r->at, e,
		      "expected @hourly, @daily, @weekly, @monthly, @yearly or five time fields");
}

/* Is there any day in any year that matches? */
static bool has_day(const struct cron *c)
{
	static const unsigned days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	for (unsigned month = 1; month <= 12; month++) {
		uint32_t in_month = (uint32_t) ((1ULL << (days[month - 1] + 1)) - 2);

		if ((c->month >> month & 1) && (c->is_any_of_days || (c->day & in_month)))
			return true;
	}
	return false;
}

int cron_parse(struct cron *ret, const char *line, const char **command, int *column, char **warning,
	       struct err **e)
{
	struct reader r = { line, line, column };
	struct cron c = { 0 };
	int err;

	*warning = NULL;
	*column = 1;
	skip_blanks(&r);
	err = *r.at == '@' ? read_nickname(&r, &c, e) : read_fields(&r, &c, e);
	if (err < 0)
		return err;
	skip_blanks(&r);
	if (!*r.at)
		return refuse(&r, r.at, e, "expected a command after the time");
	if (!(c.hour & 0xffffff))
		*warning = xstrdup("this never runs: hours go from 0 to 23");
	else if (!has_day(&c))
		*warning = xstrdup("this never runs: no month has such a day");
	*ret = c;
	*command = r.at;
	return 0;
}
