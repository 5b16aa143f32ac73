/* What root's nginx may be given by others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "router/nginx-allow.h"

#define TEXT(s) s, sizeof(s) - 1

static const struct row {
	const char *name, *text;
	size_t n;
	const char *says; /* NULL: allowed */
	unsigned line;
} rows[] = {
	{ "nothing", TEXT(""), NULL, 0 },
	{ "a server", TEXT("server {\n\tlisten 80;\n\tlocation ~ \\.php$ { return 404; }\n}\n"), NULL, 0 },
	{ "a map is data", TEXT("map $http_upgrade $u { default upgrade; \"\" \"\"; error_log /x; }\n"), NULL,
	  0 },
	{ "no access log", TEXT("access_log off;"), NULL, 0 },
	{ "a variable in braces", TEXT("return 200 ${uri}x;"), NULL, 0 },
	{ "a quoted ';'", TEXT("return 200 \"a;b}{\";"), NULL, 0 },
	{ "an escaped ';'", TEXT("return 200 a\\;error_log;"), NULL, 0 },
	{ "a word in brackets", TEXT("if ($uri = \"x\") { return 404; }"), NULL, 0 },
	{ "a log", TEXT("server {\n error_log /etc/cron.d/x;\n}"), "\"error_log\" is not allowed", 2 },
	{ "an access log", TEXT("access_log /etc/cron.d/x;"), "\"access_log\" is not allowed", 1 },
	{ "a quoted name", TEXT("\"error_log\" /x;"), "\"error_log\" is not allowed", 1 },
	{ "an escaped name", TEXT("e\\rror_log /x;"), "\"e\\rror_log\" is not allowed", 1 },
	{ "after a comment", TEXT("# {\nerror_log /x;"), "\"error_log\" is not allowed", 2 },
	{ "no comment within a word", TEXT("return 200 a#b; error_log /x;"), "\"error_log\" is not allowed",
	  1 },
	{ "no quote within a word", TEXT("return 200 a\"; error_log /x; return 200 \";"),
	  "\"error_log\" is not allowed", 1 },
	{ "after a map", TEXT("map $a $b { x y; }\nerror_log /x;"), "\"error_log\" is not allowed", 2 },
	{ "a brace of a variable", TEXT("map $a $b { ${x y; }\nerror_log /x;"),
	  "\"error_log\" is not allowed", 2 },
	{ "an include", TEXT("include /etc/shadow;"), "\"include\" is not allowed", 1 },
	{ "an include in a table", TEXT("types { include /etc/shadow; }"), "\"include\" is not allowed", 1 },
	{ "a directory made by root", TEXT("client_body_temp_path /etc;"), "\"client_body_temp_path\" is not",
	  1 },
	{ "code", TEXT("location / { content_by_lua_block { x } }"), "\"content_by_lua_block\" is not", 1 },
	{ "a socket", TEXT("server { listen unix:/run/x; }"), "\"listen unix:\" is not allowed", 1 },
	{ "an engine", TEXT("ssl_certificate_key engine:x:y;"), "\"ssl_certificate_key\" has to name", 1 },
	{ "a cache in root's own directory",
	  TEXT("proxy_cache_path \"/var/c/blog\" levels=1:2 keys_zone=blog:20m;\n"
	       "server { location / { proxy_cache blog; proxy_cache off; } }"),
	  NULL, 0 },
	{ "a cache elsewhere", TEXT("\nproxy_cache_path /etc keys_zone=a:1m;"),
	  "a cache may only be a directory in /var/c", 2 },
	{ "a cache above", TEXT("proxy_cache_path /var/c/../../etc keys_zone=a:1m;"), "a cache may only be",
	  1 },
	{ "a cache above in one name", TEXT("proxy_cache_path /var/c/.. keys_zone=a:1m;"),
	  "a cache may only be", 1 },
	{ "a cache below", TEXT("proxy_cache_path /var/c/a/b keys_zone=a:1m;"), "a cache may only be", 1 },
	{ "all caches as one", TEXT("proxy_cache_path /var/c keys_zone=a:1m;"), "a cache may only be", 1 },
	{ "a cache beside", TEXT("proxy_cache_path /var/cc/a keys_zone=a:1m;"), "a cache may only be", 1 },
	{ "an escaped cache", TEXT("proxy_cache_path /var/c/a\\/b keys_zone=a:1m;"), "a cache may only be",
	  1 },
	{ "a cache without a zone", TEXT("proxy_cache_path /var/c/a levels=1;"),
	  "\"proxy_cache_path\" has to have", 1 },
	{ "a cache with an odd zone", TEXT("proxy_cache_path /var/c/a keys_zone=$x:1m;"),
	  "\"proxy_cache_path\" has to have", 1 },
	{ "another's cache", TEXT("server { proxy_cache blog; }"), "\"proxy_cache\" has to name", 1 },
	{ "a cache of two zones is that of the last",
	  TEXT("proxy_cache_path /var/c/a keys_zone=site:1m keys_zone=a:1m;\nserver { proxy_cache site; }"),
	  "\"proxy_cache\" has to name", 2 },
	{ "a cache that a variable names", TEXT("proxy_cache $host;"), "\"proxy_cache\" has to name", 1 },
	{ "a cache of uWSGI's elsewhere", TEXT("uwsgi_cache_path /etc keys_zone=a:1m;"),
	  "a cache may only be", 1 },
	{ "a store", TEXT("proxy_store /etc/x;"), "\"proxy_store\" is not allowed", 1 },
	{ "a brace too many", TEXT("server { } }"), "there is a '}' too many", 1 },
	{ "a brace missing", TEXT("server {\n"), "a '}' is missing", 2 },
	{ "a ';' missing", TEXT("server { listen 80 }"), "it cannot be read", 1 },
	{ "a quote missing", TEXT("return 200 \"x;"), "it cannot be read", 1 },
	{ "a word after a quote", TEXT("return 200 \"x\"y;"), "it cannot be read", 1 },
	{ "no directive", TEXT(";"), "it cannot be read", 1 },
	{ "NUL", TEXT("access_log off\0x;"), "there is a NUL byte", 1 },
};

static void judged(void **state)
{
	const struct row *row = *state;
	unsigned line = 0;
	_cleanup_(freep) char *fault = nginx_allow_fault(row->text, row->n, "/var/c", &line);

	if (!row->says) {
		assert_null(fault);
		return;
	}
	assert_non_null(fault);
	if (!str_starts(fault, row->says))
		fail_msg("%s", fault);
	assert_int_equal(line, row->line);
}

int main(void)
{
	struct CMUnitTest tests[COUNT(rows)];

	for (size_t i = 0; i < COUNT(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, judged, NULL, NULL, (void *) &rows[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
