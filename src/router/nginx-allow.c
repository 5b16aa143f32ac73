/*
 * The directives that an unprivileged author may use in the system's nginx. A list of what is allowed, not of
 * what is forbidden: which modules a host has, nobody knows. The text is split into words exactly as nginx
 * splits it, or refused: else something could hide in the difference.
 */
#include "router/nginx-allow.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"

enum { DEPTH_MAX = 16, WORD_MAX = 4096 };

/* Sorted by what they are about. */
static const char *const allowed[] = {
	/* structure */
	"server",
	"location",
	"upstream",
	"if",
	"limit_except",
	"map",
	"geo",
	"types",
	"split_clients",
	/* where and who */
	"listen",
	"server_name",
	"server_name_in_redirect",
	"port_in_redirect",
	"absolute_redirect",
	"http2",
	"keepalive_timeout",
	"keepalive_requests",
	"keepalive_time",
	"lingering_close",
	"lingering_time",
	"lingering_timeout",
	"reset_timedout_connection",
	"send_timeout",
	"sendfile",
	"sendfile_max_chunk",
	"tcp_nodelay",
	"tcp_nopush",
	"aio",
	"directio",
	"output_buffers",
	"postpone_output",
	"server_tokens",
	"large_client_header_buffers",
	"client_header_buffer_size",
	"client_header_timeout",
	"client_max_body_size",
	"client_body_buffer_size",
	"client_body_timeout",
	"client_body_in_single_buffer",
	"ignore_invalid_headers",
	"underscores_in_headers",
	"merge_slashes",
	"chunked_transfer_encoding",
	"max_ranges",
	"msie_padding",
	"msie_refresh",
	"if_modified_since",
	"etag",
	"real_ip_header",
	"real_ip_recursive",
	"set_real_ip_from",
	"resolver",
	"resolver_timeout",
	/* files */
	"root",
	"alias",
	"index",
	"try_files",
	"autoindex",
	"autoindex_exact_size",
	"autoindex_format",
	"autoindex_localtime",
	"default_type",
	"charset",
	"charset_types",
	"override_charset",
	"source_charset",
	"disable_symlinks",
	"open_file_cache",
	"open_file_cache_errors",
	"open_file_cache_min_uses",
	"open_file_cache_valid",
	"limit_rate",
	"limit_rate_after",
	"log_not_found",
	"log_subrequest",
	"mp4",
	"mp4_buffer_size",
	"mp4_max_buffer_size",
	"flv",
	"random_index",
	"read_ahead",
	"internal",
	"satisfy",
	"recursive_error_pages",
	"error_page",
	"expires",
	"add_header",
	"add_trailer",
	"ssi",
	"ssi_types",
	"sub_filter",
	"sub_filter_last_modified",
	"sub_filter_once",
	"sub_filter_types",
	"addition_types",
	"add_before_body",
	"add_after_body",
	"stub_status",
	"secure_link",
	"secure_link_md5",
	"secure_link_secret",
	"valid_referers",
	"empty_gif",
	"mirror",
	"mirror_request_body",
	/* decisions */
	"allow",
	"deny",
	"auth_basic",
	"auth_basic_user_file",
	"auth_request",
	"auth_request_set",
	"break",
	"return",
	"rewrite",
	"rewrite_log",
	"set",
	"uninitialized_variable_warn",
	"map_hash_bucket_size",
	"map_hash_max_size",
	"limit_conn",
	"limit_conn_dry_run",
	"limit_conn_log_level",
	"limit_conn_status",
	"limit_conn_zone",
	"limit_req",
	"limit_req_dry_run",
	"limit_req_log_level",
	"limit_req_status",
	"limit_req_zone",
	/* compression */
	"gzip",
	"gzip_buffers",
	"gzip_comp_level",
	"gzip_disable",
	"gzip_http_version",
	"gzip_min_length",
	"gzip_proxied",
	"gzip_static",
	"gzip_types",
	"gzip_vary",
	"gunzip",
	"gunzip_buffers",
	/* TLS */
	"ssl_buffer_size",
	"ssl_certificate",
	"ssl_certificate_key",
	"ssl_ciphers",
	"ssl_client_certificate",
	"ssl_dhparam",
	"ssl_early_data",
	"ssl_ecdh_curve",
	"ssl_prefer_server_ciphers",
	"ssl_protocols",
	"ssl_reject_handshake",
	"ssl_session_cache",
	"ssl_session_tickets",
	"ssl_session_timeout",
	"ssl_stapling",
	"ssl_stapling_verify",
	"ssl_trusted_certificate",
	"ssl_verify_client",
	"ssl_verify_depth",
	/* other servers */
	"zone",
	"hash",
	"ip_hash",
	"keepalive",
	"least_conn",
	"random",
	"proxy_buffer_size",
	"proxy_buffering",
	"proxy_buffers",
	"proxy_cache",
	"proxy_cache_background_update",
	"proxy_cache_bypass",
	"proxy_cache_convert_head",
	"proxy_cache_key",
	"proxy_cache_lock",
	"proxy_cache_lock_age",
	"proxy_cache_lock_timeout",
	"proxy_cache_max_range_offset",
	"proxy_cache_methods",
	"proxy_cache_min_uses",
	"proxy_cache_path",
	"proxy_cache_revalidate",
	"proxy_cache_use_stale",
	"proxy_cache_valid",
	"proxy_busy_buffers_size",
	"proxy_connect_timeout",
	"proxy_cookie_domain",
	"proxy_cookie_flags",
	"proxy_cookie_path",
	"proxy_force_ranges",
	"proxy_headers_hash_bucket_size",
	"proxy_headers_hash_max_size",
	"proxy_hide_header",
	"proxy_http_version",
	"proxy_ignore_client_abort",
	"proxy_ignore_headers",
	"proxy_intercept_errors",
	"proxy_limit_rate",
	"proxy_max_temp_file_size",
	"proxy_method",
	"proxy_next_upstream",
	"proxy_next_upstream_timeout",
	"proxy_next_upstream_tries",
	"proxy_no_cache",
	"proxy_pass",
	"proxy_pass_header",
	"proxy_pass_request_body",
	"proxy_pass_request_headers",
	"proxy_read_timeout",
	"proxy_redirect",
	"proxy_request_buffering",
	"proxy_send_lowat",
	"proxy_send_timeout",
	"proxy_set_body",
	"proxy_set_header",
	"proxy_socket_keepalive",
	"proxy_ssl_name",
	"proxy_ssl_protocols",
	"proxy_ssl_server_name",
	"proxy_ssl_session_reuse",
	"proxy_ssl_verify",
	"proxy_ssl_verify_depth",
	"proxy_temp_file_write_size",
	"fastcgi_buffer_size",
	"fastcgi_buffering",
	"fastcgi_buffers",
	"fastcgi_connect_timeout",
	"fastcgi_hide_header",
	"fastcgi_index",
	"fastcgi_intercept_errors",
	"fastcgi_keep_conn",
	"fastcgi_param",
	"fastcgi_pass",
	"fastcgi_pass_header",
	"fastcgi_read_timeout",
	"fastcgi_request_buffering",
	"fastcgi_send_timeout",
	"fastcgi_split_path_info",
	"uwsgi_buffering",
	"uwsgi_buffers",
	"uwsgi_cache",
	"uwsgi_cache_bypass",
	"uwsgi_cache_key",
	"uwsgi_cache_min_uses",
	"uwsgi_cache_path",
	"uwsgi_cache_valid",
	"uwsgi_connect_timeout",
	"uwsgi_hide_header",
	"uwsgi_modifier1",
	"uwsgi_modifier2",
	"uwsgi_no_cache",
	"uwsgi_param",
	"uwsgi_pass",
	"uwsgi_pass_header",
	"uwsgi_read_timeout",
	"uwsgi_request_buffering",
	"uwsgi_send_timeout",
	"grpc_connect_timeout",
	"grpc_hide_header",
	"grpc_pass",
	"grpc_read_timeout",
	"grpc_send_timeout",
	"grpc_set_header",
};

/* Blocks whose lines are data, not directives. */
static const char *const tables[] = { "map", "geo", "types", "split_clients" };

static bool is_one_of(const char *word, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(word, names[i]))
			return true;
	return false;
}

struct reader {
	const char *at, *end;
	unsigned line;
	bool was_quoted; /* after a closing quote a blank, ';', '{' or ')' has to follow */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char next(struct reader *r)
{
	char c = *r->at++;

	if (c == '\n')
		r->line++;
	return c;
}

/* At a word's first character: takes it to its end. false: the text ends in it, or it is too long. */
static bool read_word(struct reader *r, char word[static WORD_MAX])
{
	char quote = *r->at == '"' || *r->at == '\'' ? next(r) : '\0';
	bool is_variable = false;
	size_t n = 0;

	while (r->at < r->end && n + 2 < WORD_MAX) {
		char c = *r->at;

		if (!quote && (is_blank(c) || c == ';' || (c == '{' && !is_variable))) {
			word[n] = '\0';
			return true;
		}
		(void) next(r);
		if (quote && c == quote) {
			word[n] = '\0';
			r->was_quoted = true;
			return true;
		}
		word[n++] = c;
		if (c == '\\' && r->at < r->end)
			word[n++] = next(r);
		is_variable = c == '$' || (c == '{' && is_variable);
	}
	return false;
}

static bool is_off(const char *name, const char *value)
{
	return str_eq(name, "access_log") && str_eq(value, "off");
}

static char *judge_name(const char *name, const char *value, bool in_table)
{
	if (in_table)
		return str_eq(name, "include") ? xstrdup("\"include\" is not allowed in a file of slipway's")
					       : NULL;
	if (is_one_of(name, allowed, COUNT(allowed)) || is_off(name, value))
		return NULL;
	return xasprintf("\"%.64s\" is not allowed in a file of slipway's: nginx would do it as root", name);
}

/* Sockets are made, and engines loaded, by the master. A certificate that a variable names is loaded later.
 */
static char *judge_value(const char *name, const char *value)
{
	if (str_eq(name, "listen") && str_starts(value, "unix:"))
		return xstrdup("\"listen unix:\" is not allowed in a file of slipway's: nginx would make the "
			       "socket as root");
	if (is_one_of(name,
		      (const char *const[]){ "ssl_certificate", "ssl_certificate_key",
					     "ssl_client_certificate", "ssl_trusted_certificate",
					     "ssl_dhparam" },
		      5) &&
	    *value != '/')
		return xasprintf("\"%s\" has to name a file by its whole path in a file of slipway's", name);
	return NULL;
}

#define ZONES_MAX 4 /* a file has one cache, or one for each way to its app */

/* One directive, up to its ';' or '{'; and the caches that the directives before it have made. */
struct directive {
	char name[WORD_MAX], value[WORD_MAX], zone[WORD_MAX];
	unsigned words, line;
	char zones[ZONES_MAX][256];
	size_t n_zones;
};

static bool is_name(const char *s, size_t n)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyz0123456789._-@";

	return n > 0 && n < 256 && *s != '.' && strspn(s, legal) >= n;
}

/* A cache's directory is made, and given to the workers, by the master: only in root's own directory. */
static char *judge_cache_path(struct directive *d, const char *caches)
{
	size_t n = caches ? strlen(caches) : 0, zone = strcspn(d->zone, ":");

	if (!caches || strncmp(d->value, caches, n) != 0 || d->value[n] != '/' ||
	    !is_name(d->value + n + 1, strlen(d->value + n + 1)))
		return xasprintf("a cache may only be a directory in %s in a file of slipway's: nginx would "
				 "make it as root",
				 caches ? caches : "(none)");
	if (!is_name(d->zone, zone) || d->n_zones >= ZONES_MAX)
		return xasprintf("\"%s\" has to have one keys_zone of a plain name in a file of slipway's",
				 d->name);
	memcpy(d->zones[d->n_zones], d->zone, zone);
	d->zones[d->n_zones++][zone] = '\0';
	return NULL;
}

/* Another's cache could be read through this one's host names, or filled with what is not its own. */
static char *judge_cache(const struct directive *d)
{
	for (size_t i = 0; i < d->n_zones; i++)
		if (str_eq(d->value, d->zones[i]))
			return NULL;
	return str_eq(d->value, "off")
		       ? NULL
		       : xasprintf("\"%s\" has to name a cache of this very file in a file of slipway's",
				   d->name);
}

static char *judge(struct directive *d, const char *caches, bool in_table)
{
	char *fault = judge_name(d->name, d->value, in_table);

	if (fault || in_table)
		return fault;
	if (str_eq(d->name, "proxy_cache_path") || str_eq(d->name, "uwsgi_cache_path"))
		return judge_cache_path(d, caches);
	if (str_eq(d->name, "proxy_cache") || str_eq(d->name, "uwsgi_cache"))
		return judge_cache(d);
	return d->words < 2 ? NULL : judge_value(d->name, d->value);
}

/* The next directive into *d; returns ';', '{', '}', '\0' at the end, or '!' for what cannot be read. */
static char read_directive(struct reader *r, struct directive *d)
{
	char word[WORD_MAX];

	d->words = 0;
	d->name[0] = d->value[0] = d->zone[0] = '\0';
	r->was_quoted = false;
	while (r->at < r->end) {
		char c = *r->at;
		bool may_begin = !r->was_quoted;

		r->was_quoted = false;
		if (is_blank(c)) {
			(void) next(r);
		} else if (c == ';' || c == '{') {
			(void) next(r);
			return d->words ? c : '!';
		} else if (c == '}' && may_begin) {
			(void) next(r);
			return d->words ? '!' : c;
		} else if (c == '#' && may_begin) {
			while (r->at < r->end && *r->at != '\n')
				r->at++;
		} else {
			if (!may_begin && c != ')')
				return '!';
			if (!d->words)
				d->line = r->line;
			if (!read_word(r, word))
				return '!';
			if (d->words < 2)
				memcpy(d->words ? d->value : d->name, word, WORD_MAX);
			else if (str_starts(word, "keys_zone="))
				memcpy(d->zone, word + strlen("keys_zone="), WORD_MAX - strlen("keys_zone="));
			d->words++;
		}
	}
	return d->words ? '!' : '\0';
}

static char *check(const char *text, size_t n, const char *caches, unsigned *line, struct directive *d)
{
	struct reader r = { .at = text, .end = text + n, .line = 1 };
	unsigned depth = 0, table = 0; /* table: the depth of the table's block; 0: in none */

	for (;;) {
		char end = read_directive(&r, d);

		*line = r.line;
		if (end == '\0')
			return depth ? xstrdup("a '}' is missing") : NULL;
		if (end == '!')
			return xstrdup("it cannot be read: a quote, ';' or brace is missing or too many");
		if (end == '}') {
			if (depth == 0)
				return xstrdup("there is a '}' too many");
			if (depth-- == table)
				table = 0;
			continue;
		}
		*line = d->line;
		char *fault = judge(d, caches, table != 0);
		if (fault)
			return fault;
		if (end == '{' && (table || ++depth > DEPTH_MAX))
			return xstrdup("its blocks are nested too deeply");
		if (end == '{' && is_one_of(d->name, tables, COUNT(tables)))
			table = depth;
	}
}

char *nginx_allow_fault(const char *text, size_t n, const char *caches, unsigned *line)
{
	struct directive *d = xcalloc(1, sizeof *d);
	bool has_nul = memchr(text, '\0', n) != NULL; /* where one ends, others go on */

	*line = 1;
	char *fault = has_nul ? xstrdup("there is a NUL byte in it") : check(text, n, caches, line, d);

	free(d);
	return fault;
}
