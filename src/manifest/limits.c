/* LIMIT_MEMORY="256M web=1G build=none": one value for the services, the release command and `run`, and
 * others by name. */
#include <ctype.h>

#include "manifest/settings-internal.h"

/* A struct limits in a plan that has a name of its own. */
struct target {
	const char *name;
	struct limits *limits;
	bool is_build; /* what is said for all does not count: builds need more than what they make */
};

struct targets {
	struct target *v;
	size_t n;
};

static void add(struct targets *t, const char *name, struct limits *limits, bool is_build)
{
	*GROW(&t->v, &t->n) = (struct target){ name, limits, is_build };
}

static void find_targets(struct targets *t, struct plan *p)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].kind != SERVICE_STATIC)
			add(t, p->services[i].name, &p->services[i].limits, false);
	add(t, "build", &p->build_limits, true);
	add(t, "release", &p->release_limits, false);
	add(t, "run", &p->run_limits, false);
}

static void unknown_name(const struct settings *s, const char *setting, const struct targets *t,
			 const char *name)
{
	const char **names = xcalloc(t->n, sizeof *names), *near, *origin = env_origin(s->env, setting);

	for (size_t i = 0; i < t->n; i++)
		names[i] = t->v[i].name;
	near = str_nearest(name, names, t->n);
	if (!str_starts(origin ? origin : "", "config.toml:")) /* which may name services of other apps */
		setting_problem(s, SEVERITY_ERROR, setting,
				"names '%s', which is no service, nor build, release or run%s%s%s", name,
				near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	free(names);
}

/* One word: VALUE or NAME=VALUE; what it says is put into values, is_set tells for whom. */
static void read_word(const struct settings *s, enum limit kind, const struct targets *t, const char *word,
		      uint64_t *values, bool *is_set)
{
	const char *equals = strchr(word, '='), *expected;
	_cleanup_(freep) char *name = xstrndup(word, equals ? (size_t) (equals - word) : 0);
	bool is_known = false;
	uint64_t value;

	if (!limit_parse(kind, equals ? equals + 1 : word, &value, &expected)) {
		setting_problem(s, SEVERITY_ERROR, limit_setting(kind), "has '%s': expected %s", word,
				expected);
		return;
	}
	for (size_t i = 0; i < t->n; i++) {
		bool is_meant = equals ? str_eq(t->v[i].name, name) : !t->v[i].is_build;

		if (is_meant && (equals || !is_set[i]))
			values[i] = value;
		is_set[i] |= is_meant && equals;
		is_known |= is_meant;
	}
	if (equals && !is_known)
		unknown_name(s, limit_setting(kind), t, name);
}

static void read_words(const struct settings *s, enum limit kind, const struct targets *t, uint64_t *values)
{
	_cleanup_(strv_done) struct strv words = { 0 };
	_cleanup_(freep) bool *is_set = xcalloc(t->n, sizeof *is_set);
	_cleanup_(freep) char *text = xstrdup(setting_text(s, limit_setting(kind)));
	size_t n = strlen(text ? text : "");

	if (n > 1 && (*text == '"' || *text == '\'') && text[n - 1] == *text) /* quotes are kept in an ENV */
		text[0] = text[n - 1] = ' ';
	strv_split(&words, text ? text : "", ", \t");
	for (size_t i = 0; i < words.n; i++)
		read_word(s, kind, t, words.v[i], values, is_set);
}

/* What the operator says for all apps, the code may lower and not raise. */
static void cap(const struct manifest_input *in, const struct settings *s, enum limit kind,
		const struct targets *t, uint64_t *values)
{
	_cleanup_(freep) uint64_t *most = xcalloc(t->n, sizeof *most);
	const struct settings defaults = { in->host ? &in->host->defaults : NULL, s->problems };
	struct problems ignored = { 0 };
	const struct settings quiet = { defaults.env, &ignored };

	if (!defaults.env || !setting_is_of_code(s, limit_setting(kind)))
		return;
	read_words(&quiet, kind, t, most); /* it names services of other apps too */
	problems_done(&ignored);
	for (size_t i = 0; i < t->n; i++)
		if (most[i] && (!values[i] || most[i] < values[i]))
			values[i] = most[i];
}

/* LIMIT_MEM is a mistake, LIMIT_UPLOADS the app's own. */
static void warn_of_typos(const struct settings *s)
{
	static const char prefix[] = "LIMIT_";
	const char *known[LIMIT_COUNT];

	for (enum limit i = 0; i < LIMIT_COUNT; i++)
		known[i] = limit_setting(i) + strlen(prefix);
	for (size_t i = 0; i < s->env->n; i++) {
		const char *name = s->env->v[i].name, *near;
		bool is_known = !str_starts(name, prefix);

		for (enum limit k = 0; k < LIMIT_COUNT; k++)
			is_known = is_known || str_eq(name, limit_setting(k));
		near = is_known ? NULL : str_nearest(name + strlen(prefix), known, LIMIT_COUNT);
		if (near)
			setting_problem(s, SEVERITY_WARNING, name, "limits nothing; did you mean %s%s?",
					prefix, near);
	}
}

void limits_compile(struct plan *p, const struct manifest_input *in, const struct settings *s)
{
	struct targets t = { 0 };

	find_targets(&t, p);
	for (enum limit kind = 0; kind < LIMIT_COUNT; kind++) {
		_cleanup_(freep) uint64_t *values = xcalloc(t.n, sizeof *values);

		read_words(s, kind, &t, values);
		cap(in, s, kind, &t, values);
		for (size_t i = 0; i < t.n; i++)
			t.v[i].limits->max[kind] = values[i];
	}
	free(t.v);
	warn_of_typos(s);
}
