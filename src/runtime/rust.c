/*
 * Rust: cargo build in src for every release. Where rustup manages the tool chains, the one that
 * rust-toolchain.toml asks for is used directly: rustup itself would want to fetch what it lacks.
 */
#include "runtime/runtime-internal.h"

#include <limits.h>

#include "base/file.h"

static int rust_detect(const struct runtime_input *in, char **missing)
{
	static const struct tool tools[] = { { "rustc", "rustc" }, { "cargo", "cargo" }, { NULL, NULL } };

	if (!input_has(in, "Cargo.toml") || !input_has(in, "rust-toolchain.toml"))
		return 0;
	return input_has_tools(in, "Cargo.toml", tools, missing);
}

/* The text at TABLE.KEY of a parsed file ("" for none: KEY of the top), or NULL. */
static const char *text_at(const struct toml_node *file, const char *table, const char *key)
{
	const struct toml_node *at = *table && file ? toml_get(file, table) : file;

	at = at && at->kind == TOML_TABLE ? toml_get(at, key) : NULL;
	return at && at->kind == TOML_TEXT ? at->text : NULL;
}

/* Where rustup keeps its tool chains when cargo (absolute) is one of its shims; NULL: it is none. To be
 * freed. */
static char *rustup_home(const char *cargo)
{
	const char *given = getenv("RUSTUP_HOME");
	char real[PATH_MAX];

	if (!realpath(cargo, real) || !str_ends(real, "/.cargo/bin/rustup"))
		return NULL;
	if (given && *given)
		return xstrdup(given);
	real[strlen(real) - strlen("/.cargo/bin/rustup")] = '\0';
	return xasprintf("%s/.rustup", real);
}

static char *default_channel(const char *home)
{
	_cleanup_(freep) char *path = path_join(home, "settings.toml"), *text = NULL;
	_cleanup_(toml_freep) struct toml_node *settings = NULL;
	size_t n = 0;

	if (file_read(path, 1 << 20, &text, &n, NULL) < 0 ||
	    toml_parse(&settings, text, n, path, NULL, NULL) < 0)
		return NULL;
	return xstrdup(text_at(settings, "", "default_toolchain"));
}

/* "stable-x86_64-unknown-linux-gnu" for "stable": the shortest name that begins so, or NULL. To be freed. */
static char *find_toolchain(const char *home, const char *channel)
{
	_cleanup_(freep) char *dir = path_join(home, "toolchains"), *start = xasprintf("%s-", channel);
	_cleanup_(strv_done) struct strv names = { 0 };
	const char *best = NULL;

	(void) dir_list(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++)
		if (str_eq(names.v[i], channel) ||
		    (str_starts(names.v[i], start) && (!best || strlen(names.v[i]) < strlen(best))))
			best = names.v[i];
	return best ? path_join(dir, best) : NULL;
}

static bool is_plain_name(const char *channel)
{
	return *channel && *channel != '.' && !strchr(channel, '/');
}

/* The cargo to call: that of rustup's tool chain, else the one that is found. */
static int find_cargo(char **ret, struct build *b, const struct runtime_input *in, struct err **e)
{
	_cleanup_(freep) char *cargo = find_program("cargo", in->tool_path), *home = NULL, *channel = NULL,
			      *chain = NULL;
	_cleanup_(toml_freep) struct toml_node *file = NULL;
	int r = input_read_toml(&file, in, "rust-toolchain.toml", e);

	if (r < 0)
		return r;
	if (!cargo)
		return err_set(e, ERR_MISSING, "there is no cargo here: install it (apt-get install cargo)");
	channel = xstrdup(text_at(file, "toolchain", "channel"));
	home = rustup_home(cargo);
	if (!home) {
		*ret = build_tool(b, in, "cargo");
		if (channel && !str_eq(channel, "stable"))
			strv_addf(&b->notices,
				  "rust-toolchain.toml asks for %s: without rustup, %s is used as it is",
				  channel, cargo);
		return 0;
	}
	if (!channel)
		channel = default_channel(home);
	if (!channel || !is_plain_name(channel) || !(chain = find_toolchain(home, channel)))
		return err_set(e, ERR_MISSING,
			       "rust-toolchain.toml asks for %s, which is not in %s/toolchains: run 'rustup "
			       "toolchain install %s' there, as the user whose rustup it is",
			       channel ? channel : "no channel, and rustup has no default", home,
			       channel ? channel : "stable");
	build_read(b, chain);
	env_setf(&b->env, "PATH", "rust", "%s/bin:$PATH", chain);
	*ret = path_join(chain, "bin/cargo");
	return 0;
}

static int rust_fill(struct build *b, const struct runtime_input *in, struct err **e)
{
	_cleanup_(freep) char *cargo = NULL;
	struct build_step *s;
	int r = find_cargo(&cargo, b, in, e);

	if (r < 0)
		return r;
	build_cache(b, in, "CARGO_HOME", "cargo");
	s = build_src_step(b, in, "cargo build");
	STRV_ADD(&s->argv, cargo, "build");
	return 0;
}

static int rust_plan(struct build *ret, const struct runtime_input *in, const char *deps_parent UNUSED,
		     struct err **e)
{
	struct build b = { 0 };

	return build_hand_over(ret, &b, rust_fill(&b, in, e));
}

const struct runtime_ops runtime_rust = {
	.name = "rust",
	.label = "Rust",
	.detect = rust_detect,
	.plan = rust_plan,
};
