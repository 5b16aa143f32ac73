/* config.toml: defaults, every key, and all that can be wrong with it at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "base/file.h"
#include "base/str.h"
#include "plan/host.h"

static int read_text(const char *text, struct host *h, struct err **e)
{
	char dir[] = "/tmp/slipway-host-XXXXXX";
	_cleanup_(freep) char *path = NULL;

	assert_non_null(mkdtemp(dir));
	path = path_join(dir, "config.toml");
	if (text)
		assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
	int r = host_read(h, dir, e);
	assert_int_equal(tree_remove(dir, NULL), 0);
	return r;
}

static void defaults(void **state UNUSED)
{
	_cleanup_(host_done) struct host h = { 0 };

	assert_int_equal(read_text(NULL, &h, NULL), 0);
	assert_null(h.default_domain);
	assert_string_equal(h.router, "nginx");
	assert_false(h.nginx_is_private);
	assert_null(h.nginx_user);
	assert_int_equal(h.http_port, 80);
	assert_int_equal(h.https_port, 443);
	assert_string_equal(h.listen_ipv4, "0.0.0.0");
	assert_string_equal(h.listen_ipv6, "[::]");
	assert_int_equal(h.port_first, 20000);
	assert_int_equal(h.port_last, 29999);
	assert_int_equal(h.keep_releases, 5);
	assert_true(h.start_at_once >= 4);
	assert_int_equal(h.defaults.n, 0);
}

static void every_key(void **state UNUSED)
{
	static const char text[] =
		"[router]\ndefault_domain = \"localhost\"\nkind = \"none\"\n"
		"[nginx]\nprivate = true\nuser = \"www-data\"\nhttp_port = 8080\nhttps_port = 8443\n"
		"listen_ipv4 = \"127.0.0.1\"\nlisten_ipv6 = \"\"\n"
		"[ports]\nfirst = 3000\nlast = 3100\n[releases]\nkeep = 0\n"
		"[build]\npath = \"/a:/b\"\n[instances]\ncgroup = \"none\"\nstart_at_once = 3\nusers = "
		"\"2000-2999\"\n[defaults]\nTZ = "
		"\"UTC\"\nWORKERS = 4\nDEBUG = false\n";
	_cleanup_(host_done) struct host h = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	unsigned first = 0, last = 0;

	assert_int_equal(read_text(text, &h, &e), 0);
	assert_string_equal(h.default_domain, "localhost");
	assert_string_equal(h.router, "none");
	assert_true(h.nginx_is_private);
	assert_string_equal(h.nginx_user, "www-data");
	assert_int_equal(h.http_port, 8080);
	assert_int_equal(h.https_port, 8443);
	assert_string_equal(h.listen_ipv4, "127.0.0.1");
	assert_string_equal(h.listen_ipv6, "");
	assert_int_equal(h.port_first, 3000);
	assert_int_equal(h.port_last, 3100);
	assert_int_equal(h.keep_releases, 0);
	assert_int_equal(h.start_at_once, 3);
	assert_string_equal(h.tool_path, "/a:/b");
	assert_string_equal(h.cgroup, "none");
	assert_true(host_users(&h, &first, &last));
	assert_int_equal(first, 2000);
	assert_int_equal(last, 2999);
	assert_string_equal(env_get(&h.defaults, "TZ"), "UTC");
	assert_string_equal(env_get(&h.defaults, "WORKERS"), "4");
	assert_string_equal(env_get(&h.defaults, "DEBUG"), "false");
	assert_string_equal(env_origin(&h.defaults, "TZ"), "config.toml:23");
}

static const struct row {
	const char *name, *text;
	const char *says[4]; /* in this order */
} rows[] = {
	{ "users of the system",
	  "[instances]\nusers = \"100-2000\"\n",
	  { "config.toml:2:1: [instances] users is \"100-2000\"; expected a range of user ids from 1000 "
	    "on" } },
	{ "users the wrong way round",
	  "[instances]\nusers = \"3000-2000\"\n",
	  { "expected a range of user ids" } },
	{ "no TOML", "[nginx\n", { "config.toml:1:" } },
	{ "an unknown key",
	  "[releases]\n  kepe = 3\n",
	  { "config.toml:2:3: unknown key 'kepe' in [releases]; did you mean 'keep'?" } },
	{ "an unknown section",
	  "[ngnix]\na = 1\n",
	  { "config.toml:1:2: unknown section [ngnix]; did you mean [nginx]?" } },
	{ "a key outside of its section",
	  "http_port = 1\n",
	  { "config.toml:1:1: unknown key 'http_port'; it belongs into [nginx]" } },
	{ "a section that is none",
	  "nginx = 1\n",
	  { "config.toml:1:1: nginx is a number; expected the section [nginx]" } },
	{ "a wrong type",
	  "[nginx]\nhttp_port = \"80\"\n",
	  { "config.toml:2:1: [nginx] http_port is a text; expected a number" } },
	{ "all at once",
	  "[nginx]\nprivate = 1\nhttp_port = 70000\nx = 1\n[ports]\nfirst = 5\nlast = 4\n",
	  { "config.toml:2:1: [nginx] private is a number; expected true or false",
	    "config.toml:3:1: [nginx] http_port is 70000; expected a number from 1 to 65535",
	    "config.toml:4:1: unknown key 'x' in [nginx]",
	    "config.toml:7:1: [ports] last is 4, below first, which is 5" } },
	{ "a router that is none", "[router]\nkind = \"apache\"\n", { "expected \"nginx\" or \"none\"" } },
	{ "addresses",
	  "[nginx]\nlisten_ipv4 = \"1.2.3\"\nlisten_ipv6 = \"::1\"\n",
	  { "config.toml:2:1: [nginx] listen_ipv4", "config.toml:3:1: [nginx] listen_ipv6" } },
	{ "text that would end up in nginx.conf",
	  "[nginx]\nuser = \"a; b\"\n[router]\ndefault_domain = \"a b\"\n",
	  { "config.toml:2:1:", "config.toml:4:1:" } },
	{ "a port range whose first is too high",
	  "[ports]\nfirst = 30000\n",
	  { "config.toml:2:1: [ports] last is 29999" } },
	{ "defaults",
	  "[defaults]\n\"a b\" = \"1\"\nL = [1]\nM = \"a\\nb\"\n",
	  { "config.toml:2:1: [defaults] 'a b' is no name", "config.toml:3:1: [defaults] L is an array",
	    "config.toml:4:1: [defaults] M has more than one line" } },
};

static void refused(void **state)
{
	const struct row *row = *state;
	_cleanup_(host_done) struct host h = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	const char *at;

	assert_int_equal(read_text(row->text, &h, &e), ERR_REFUSED);
	at = e->msg;
	for (size_t i = 0; i < COUNT(row->says) && row->says[i]; i++) {
		const char *found = strstr(at, row->says[i]);

		if (!found)
			fail_msg("'%s' is not in '%s'", row->says[i], at);
		at = found + 1;
	}
	assert_null(h.router); /* untouched */
}

static const struct path_row {
	const char *name, *path, *home, *want;
} path_rows[] = {
	{ "path: extended in front", "/usr/bin:/bin", "/h",
	  "/h/bin:/h/.local/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin" },
	{ "path: by component, not by substring", "/opt/sbinx:/h/.local/binx:/h/binary", "/h",
	  "/h/bin:/h/.local/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/sbinx:/h/.local/binx:/h/binary" },
	{ "path: what is there stays where it is", "/h/bin:/usr/sbin:/bin", "/h",
	  "/h/.local/bin:/usr/local/sbin:/sbin:/h/bin:/usr/sbin:/bin" },
	{ "path: none", NULL, "/h",
	  "/h/bin:/h/.local/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin" },
};

static void tool_path(void **state)
{
	const struct path_row *row = *state;
	_cleanup_(freep) char *old_path = xstrdup(getenv("PATH")), *old_home = xstrdup(getenv("HOME"));
	_cleanup_(host_done) struct host h = { 0 };

	if (row->path)
		assert_int_equal(setenv("PATH", row->path, 1), 0);
	else
		assert_int_equal(unsetenv("PATH"), 0);
	assert_int_equal(setenv("HOME", row->home, 1), 0);
	assert_int_equal(read_text(NULL, &h, NULL), 0);
	assert_int_equal(setenv("PATH", old_path ? old_path : "", 1), 0);
	assert_int_equal(setenv("HOME", old_home ? old_home : "", 1), 0);
	assert_string_equal(h.tool_path, row->want);
}

int main(void)
{
	struct CMUnitTest tests[COUNT(rows) + COUNT(path_rows) + 2] = { cmocka_unit_test(defaults),
									cmocka_unit_test(every_key) };
	size_t n = 2;

	for (size_t i = 0; i < COUNT(rows); i++)
		tests[n++] = (struct CMUnitTest){ rows[i].name, refused, NULL, NULL, (void *) &rows[i] };
	for (size_t i = 0; i < COUNT(path_rows); i++)
		tests[n++] = (struct CMUnitTest){ path_rows[i].name, tool_path, NULL, NULL,
						  (void *) &path_rows[i] };
	return _cmocka_run_group_tests("host", tests, n, NULL, NULL);
}
