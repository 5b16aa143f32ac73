/* config.toml -> struct host: one table says which keys there are and what each may be. See host.h. */
#include "plan/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stddef.h>

#include "base/file.h"
#include "base/sandbox.h"
#include "base/toml.h"

static const char file_name[] = "config.toml";

enum key_kind { KEY_TEXT, KEY_FLAG, KEY_NUMBER };

struct key {
	const char *section, *name;
	enum key_kind kind;
	size_t offset; /* in struct host */
	unsigned min, max;
	const char *(*check)(const char *text); /* what was expected, or NULL: all is well */
};

static const char *check_domain(const char *s)
{
	size_t n = strlen(s);
	bool is_legal = n > 0 && n < 254 && s[0] != '.' && s[0] != '-' && s[n - 1] != '.' &&
			!strstr(s, "..") &&
			strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n;

	return is_legal ? NULL : "a domain name such as \"apps.example.org\"";
}

static const char *check_router(const char *s)
{
	return str_eq(s, "nginx") || str_eq(s, "none") ? NULL : "\"nginx\" or \"none\"";
}

static const char *check_ipv4(const char *s)
{
	struct in_addr a;

	return inet_pton(AF_INET, s, &a) == 1 ? NULL : "an IPv4 address such as \"0.0.0.0\"";
}

static const char *check_ipv6(const char *s)
{
	size_t n = strlen(s);
	bool in_brackets = n > 2 && s[0] == '[' && s[n - 1] == ']';
	_cleanup_(freep) char *bare = in_brackets ? xstrndup(s + 1, n - 2) : NULL;
	struct in6_addr a;

	return n == 0 || (bare && inet_pton(AF_INET6, bare, &a) == 1)
		       ? NULL
		       : "an IPv6 address in brackets such as \"[::]\", or \"\" for none";
}

static const char *check_user(const char *s)
{
	size_t n = strlen(s);

	return n && *s != '-' &&
			       strspn(s,
				      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
				       n
		       ? NULL
		       : "the name of a user";
}

static const char *check_cgroup(const char *s)
{
	return *s == '/' || str_eq(s, "none")
		       ? NULL
		       : "an absolute directory such as \"/sys/fs/cgroup/slipway\", or \"none\"";
}

/* Below 1000 are the system's own users, from 2^31 on those that programs mistake for negative. */
static bool read_range(const char *s, unsigned *first, unsigned *last)
{
	const char *dash = s ? strchr(s, '-') : NULL;
	_cleanup_(freep) char *from = dash ? xstrndup(s, (size_t) (dash - s)) : NULL;
	long a, b;

	if (!dash || !str_to_long(from, 1000, INT32_MAX, &a) || !str_to_long(dash + 1, a, INT32_MAX, &b))
		return false;
	*first = (unsigned) a;
	*last = (unsigned) b;
	return true;
}

bool host_users(const struct host *h, unsigned *first, unsigned *last)
{
	return read_range(h->users, first, last);
}

static const char *check_users(const char *s)
{
	unsigned first, last;

	return read_range(s, &first, &last) ? NULL
					    : "a range of user ids from 1000 on, such as \"20000-29999\"";
}

static const char *check_path(const char *s)
{
	return *s == '/' ? NULL : "absolute directories with ':' between them";
}

static const char *check_level(const char *s)
{
	enum sandbox_level level;

	return sandbox_level_read(&level, s) ? NULL : "\"both\", \"bwrap\", \"landlock\" or \"off\"";
}

static const char *check_directory(const char *s)
{
	return *s == '/' && !strpbrk(s, "\"\\$;{}'") && strlen(s) < 1000 ? NULL : "an absolute directory";
}

static const char *check_url(const char *s)
{
	return strncmp(s, "https://", 8) == 0 || strncmp(s, "http://", 7) == 0 ? NULL
									       : "a URL of http or https";
}

static const char *check_socket(const char *s)
{
	return *s == '/' && strlen(s) < 108 ? NULL : "the absolute path of a socket, of at most 107 bytes";
}

#define AT(member) offsetof(struct host, member)
static const struct key keys[] = {
	{ "build", "path", KEY_TEXT, AT(tool_path), .check = check_path },
	{ "instances", "cgroup", KEY_TEXT, AT(cgroup), .check = check_cgroup },
	{ "instances", "start_at_once", KEY_NUMBER, AT(start_at_once), 1, 10000 },
	{ "instances", "users", KEY_TEXT, AT(users), .check = check_users },
	{ "nginx", "cache", KEY_TEXT, AT(nginx_cache), .check = check_directory },
	{ "nginx", "cloudflare_ranges", KEY_TEXT, AT(cloudflare_ranges), .check = check_url },
	{ "nginx", "helper", KEY_TEXT, AT(nginx_helper), .check = check_socket },
	{ "nginx", "http_port", KEY_NUMBER, AT(http_port), 1, 65535 },
	{ "nginx", "https_port", KEY_NUMBER, AT(https_port), 1, 65535 },
	{ "nginx", "listen_ipv4", KEY_TEXT, AT(listen_ipv4), .check = check_ipv4 },
	{ "nginx", "listen_ipv6", KEY_TEXT, AT(listen_ipv6), .check = check_ipv6 },
	{ "nginx", "private", KEY_FLAG, AT(nginx_is_private) },
	{ "nginx", "user", KEY_TEXT, AT(nginx_user), .check = check_user },
	{ "ports", "first", KEY_NUMBER, AT(port_first), 1, 65535 },
	{ "ports", "last", KEY_NUMBER, AT(port_last), 1, 65535 },
	{ "releases", "keep", KEY_NUMBER, AT(keep_releases), 0, 10000 },
	{ "router", "default_domain", KEY_TEXT, AT(default_domain), .check = check_domain },
	{ "router", "kind", KEY_TEXT, AT(router), .check = check_router },
	{ "sandbox", "landlock_abi", KEY_NUMBER, AT(landlock_abi), 1, 1000 },
	{ "sandbox", "level", KEY_TEXT, AT(sandbox_level), .check = check_level },
	{ "sandbox", "read", KEY_TEXT, AT(sandbox_read), .check = check_path },
};
static const char defaults_section[] = "defaults";

static const char *kind_name(enum toml_kind kind)
{
	static const char *const names[] = {
		[TOML_TABLE] = "a table",
		[TOML_ARRAY] = "an array",
		[TOML_TEXT] = "a text",
		[TOML_INTEGER] = "a number",
		[TOML_FLOAT] = "a number with a fraction",
		[TOML_BOOL] = "true or false",
		[TOML_DATE] = "a date",
	};

	return names[kind];
}

static void PRINTF(3, 4) complain(struct problems *p, const struct toml_node *node, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	problem_add(p, SEVERITY_ERROR, file_name, node->line, node->column, "%s", text);
}

static void read_text(const struct key *key, const struct toml_node *node, char **ret, struct problems *p)
{
	const char *expected = strpbrk(node->text, "\n\r") ? "a text of one line"
			       : key->check                ? key->check(node->text)
							   : NULL;

	if (expected)
		complain(p, node, "[%s] %s is \"%s\"; expected %s", key->section, key->name, node->text,
			 expected);
	else
		str_set(ret, node->text);
}

static void read_number(const struct key *key, const struct toml_node *node, unsigned *ret,
			struct problems *p)
{
	if (node->integer < (int64_t) key->min || node->integer > (int64_t) key->max)
		complain(p, node, "[%s] %s is %" PRId64 "; expected a number from %u to %u", key->section,
			 key->name, node->integer, key->min, key->max);
	else
		*ret = (unsigned) node->integer;
}

static void read_key(struct host *h, const struct key *key, const struct toml_node *node, struct problems *p)
{
	static const enum toml_kind wanted[] = {
		[KEY_TEXT] = TOML_TEXT, [KEY_FLAG] = TOML_BOOL, [KEY_NUMBER] = TOML_INTEGER
	};
	void *at = (char *) h + key->offset;

	if (node->kind != wanted[key->kind])
		complain(p, node, "[%s] %s is %s; expected %s", key->section, key->name,
			 kind_name(node->kind), kind_name(wanted[key->kind]));
	else if (key->kind == KEY_TEXT)
		read_text(key, node, at, p);
	else if (key->kind == KEY_NUMBER)
		read_number(key, node, at, p);
	else
		*(bool *) at = node->flag;
}

/* One setting for every app. Numbers and true/false become text, as they would be in an ENV file. */
static void read_default(struct host *h, const struct toml_node *node, struct problems *p)
{
	_cleanup_(freep) char *origin = xasprintf("%s:%d", file_name, node->line);

	if (!env_name_is_legal(node->key))
		complain(p, node, "[defaults] '%s' is no name of a setting", node->key);
	else if (node->kind == TOML_TEXT && strchr(node->text, '\n'))
		complain(p, node, "[defaults] %s has more than one line; a setting has one", node->key);
	else if (node->kind == TOML_TEXT)
		env_set(&h->defaults, node->key, node->text, origin);
	else if (node->kind == TOML_INTEGER)
		env_setf(&h->defaults, node->key, origin, "%" PRId64, node->integer);
	else if (node->kind == TOML_BOOL)
		env_set(&h->defaults, node->key, node->flag ? "true" : "false", origin);
	else
		complain(p, node, "[defaults] %s is %s; expected a text", node->key, kind_name(node->kind));
}

static void unknown_key(const struct toml_node *section, const struct toml_node *node, struct problems *p)
{
	const char *names[COUNT(keys)], *near;
	size_t n = 0;

	for (size_t i = 0; i < COUNT(keys); i++)
		if (str_eq(keys[i].section, section->key))
			names[n++] = keys[i].name;
	near = str_nearest(node->key, names, n);
	complain(p, node, "unknown key '%s' in [%s]%s%s%s", node->key, section->key,
		 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static const struct key *find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < COUNT(keys); i++)
		if (str_eq(keys[i].section, section) && str_eq(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static void read_section(struct host *h, const struct toml_node *section, struct problems *p)
{
	for (size_t i = 0; i < section->n_children; i++) {
		const struct toml_node *node = section->child[i];
		const struct key *key = find_key(section->key, node->key);

		if (str_eq(section->key, defaults_section))
			read_default(h, node, p);
		else if (key)
			read_key(h, key, node, p);
		else
			unknown_key(section, node, p);
	}
}

static void unknown_section(const struct toml_node *node, struct problems *p)
{
	const char *names[COUNT(keys) + 1], *near;

	for (size_t i = 0; i < COUNT(keys); i++)
		names[i] = keys[i].section;
	names[COUNT(keys)] = defaults_section;
	near = str_nearest(node->key, names, COUNT(names));
	complain(p, node, "unknown section [%s]%s%s%s", node->key, near ? "; did you mean [" : "",
		 near ? near : "", near ? "]?" : "");
}

static bool section_is_known(const char *name)
{
	for (size_t i = 0; i < COUNT(keys); i++)
		if (str_eq(keys[i].section, name))
			return true;
	return str_eq(name, defaults_section);
}

/* A key that stands outside of any section; says where it belongs when that is plain. */
static void stray_key(const struct toml_node *node, struct problems *p)
{
	const struct key *found = NULL;

	for (size_t i = 0; i < COUNT(keys) && !found; i++)
		if (str_eq(keys[i].name, node->key))
			found = &keys[i];
	if (section_is_known(node->key))
		complain(p, node, "%s is %s; expected the section [%s]", node->key, kind_name(node->kind),
			 node->key);
	else
		complain(p, node, "unknown key '%s'%s%s%s", node->key, found ? "; it belongs into [" : "",
			 found ? found->section : "", found ? "]" : "");
}

static void read_tree(struct host *h, const struct toml_node *top, struct problems *p)
{
	const struct toml_node *first = toml_get(toml_get(top, "ports"), "first");
	const struct toml_node *last = toml_get(toml_get(top, "ports"), "last");

	for (size_t i = 0; i < top->n_children; i++) {
		const struct toml_node *node = top->child[i];

		if (node->kind != TOML_TABLE)
			stray_key(node, p);
		else if (section_is_known(node->key))
			read_section(h, node, p);
		else
			unknown_section(node, p);
	}
	if (h->port_first > h->port_last)
		complain(p, last ? last : first, "[ports] last is %u, below first, which is %u", h->port_last,
			 h->port_first);
}

/* Puts dirs in front of *path, but for those that are in it already. */
static void put_in_front(char **path, const char *const *dirs, size_t n)
{
	_cleanup_(strv_done) struct strv have = { 0 }, all = { 0 };

	strv_split(&have, *path, ":");
	for (size_t i = 0; i < n; i++)
		if (!strv_has(&have, dirs[i]))
			STRV_ADD(&all, dirs[i]);
	for (size_t i = 0; i < have.n; i++)
		STRV_ADD(&all, have.v[i]);
	free(*path);
	*path = strv_join(&all, ":");
}

/* PATH as Piku extends it (spec section 3), told apart by component. */
static char *default_tool_path(void)
{
	static const char *const sbin[] = { "/usr/local/sbin", "/usr/sbin", "/sbin" };
	const char *path = getenv("PATH"), *home = getenv("HOME");
	char *ret = xstrdup(path && *path ? path : "/usr/local/bin:/usr/bin:/bin");

	if (!home || !*home) {
		const struct passwd *pw = getpwuid(getuid());

		home = pw ? pw->pw_dir : NULL;
	}
	put_in_front(&ret, sbin, COUNT(sbin));
	if (home) {
		_cleanup_(freep) char *local = path_join(home, ".local/bin"), *bin = path_join(home, "bin");

		put_in_front(&ret, (const char *const[]){ bin, local }, 2);
	}
	return ret;
}

static unsigned processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 && n < 1024 ? (unsigned) n : 1;
}

static void set_defaults(struct host *h)
{
	*h = (struct host){ .router = xstrdup("nginx"),
			    .nginx_helper = xstrdup("/run/slipway-nginx.sock"),
			    .cloudflare_ranges = xstrdup("https://api.cloudflare.com/client/v4/ips"),
			    .nginx_cache = xstrdup("/var/lib/slipway-nginx/cache"),
			    .http_port = 80,
			    .https_port = 443,
			    .listen_ipv4 = xstrdup("0.0.0.0"),
			    .listen_ipv6 = xstrdup("[::]"),
			    .port_first = 20000,
			    .port_last = 29999,
			    .keep_releases = 5,
			    .sandbox_level = xstrdup(sandbox_level_name(SANDBOX_BOTH)),
			    .start_at_once = 4 * processors(),
			    .tool_path = default_tool_path() };
}

/* All problems as one error, a line each. */
static int refuse(const struct problems *p, const char *root, struct err **e)
{
	struct strb text = STRB(1 << 20);

	for (size_t i = 0; i < p->n; i++) {
		_cleanup_(freep) char *line = problem_text(&p->v[i]);

		(void) strb_addf(&text, "%s%s/%s", i ? "\n" : "", root, line);
	}
	_cleanup_(freep) char *all = strb_take(&text);

	return err_set(e, ERR_REFUSED, "%s", all);
}

int host_read(struct host *ret, const char *root, struct err **e)
{
	_cleanup_(freep) char *path = path_join(root, file_name), *text = NULL;
	_cleanup_(toml_freep) struct toml_node *top = NULL;
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(host_done) struct host h = { 0 };
	size_t n;

	set_defaults(&h);
	if (file_exists(path)) {
		int r = file_read(path, 1 << 20, &text, &n, e);

		if (r >= 0)
			r = toml_parse(&top, text, n, file_name, &problems, e);
		if (r < 0 && problems.n == 0)
			return r;
		if (top)
			read_tree(&h, top, &problems);
		if (problems.n)
			return refuse(&problems, root, e);
	}
	*ret = h;
	h = (struct host){ 0 };
	return 0;
}

void host_done(struct host *h)
{
	free(h->default_domain);
	free(h->router);
	free(h->nginx_helper);
	free(h->nginx_cache);
	free(h->cloudflare_ranges);
	free(h->nginx_user);
	free(h->listen_ipv4);
	free(h->listen_ipv6);
	free(h->tool_path);
	free(h->sandbox_level);
	free(h->sandbox_read);
	free(h->cgroup);
	free(h->users);
	env_done(&h->defaults);
	*h = (struct host){ 0 };
}
