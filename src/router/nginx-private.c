/*
 * The private nginx: its main configuration and how it is started. All that apps have in common is here, in
 * http{}, so that an app's include file can override it.
 */
#include "router/nginx-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "plan/root.h"

#define WORKERS_MAX 4
#define CONNECTIONS 4096
#define TEMPORARY_FILES                                                                                      \
	"cache/.nginx" /* cache/ is the directory that nginx's workers may enter; no app is called so */

static const char types[] =
	"\ttypes {\n"
	"\t\ttext/html html htm shtml;\n\t\ttext/css css;\n\t\ttext/javascript js mjs;\n\t\ttext/xml xml;\n"
	"\t\ttext/plain txt log conf;\n\t\ttext/markdown md;\n\t\ttext/csv csv;\n\t\ttext/calendar "
	"ics;\n\t\ttext/vcard vcf;\n"
	"\t\ttext/vtt vtt;\n\t\tapplication/json json map;\n\t\tapplication/ld+json jsonld;\n"
	"\t\tapplication/manifest+json webmanifest;\n\t\tapplication/atom+xml atom;\n\t\tapplication/rss+xml "
	"rss;\n"
	"\t\tapplication/xhtml+xml xhtml;\n\t\tapplication/wasm wasm;\n\t\tapplication/pdf pdf;\n"
	"\t\tapplication/epub+zip epub;\n\t\tapplication/zip zip;\n\t\tapplication/gzip gz tgz;\n"
	"\t\tapplication/x-7z-compressed 7z;\n\t\tapplication/x-tar tar;\n\t\tapplication/java-archive jar "
	"war;\n"
	"\t\tapplication/rtf rtf;\n\t\tapplication/msword doc;\n\t\tapplication/vnd.ms-excel xls;\n"
	"\t\tapplication/vnd.ms-powerpoint ppt;\n\t\tapplication/vnd.ms-fontobject eot;\n"
	"\t\tapplication/vnd.openxmlformats-officedocument.wordprocessingml.document docx;\n"
	"\t\tapplication/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx;\n"
	"\t\tapplication/vnd.openxmlformats-officedocument.presentationml.presentation pptx;\n"
	"\t\tapplication/vnd.oasis.opendocument.text "
	"odt;\n\t\tapplication/vnd.oasis.opendocument.spreadsheet ods;\n"
	"\t\tapplication/octet-stream bin iso img deb rpm exe dll dmg;\n\t\tapplication/geo+json geojson;\n"
	"\t\tapplication/vnd.android.package-archive apk;\n\t\tapplication/postscript ps eps;\n"
	"\t\tfont/woff woff;\n\t\tfont/woff2 woff2;\n\t\tfont/ttf ttf;\n\t\tfont/otf otf;\n"
	"\t\timage/svg+xml svg svgz;\n\t\timage/png png;\n\t\timage/jpeg jpg jpeg;\n\t\timage/gif gif;\n"
	"\t\timage/webp webp;\n\t\timage/avif avif;\n\t\timage/x-icon ico;\n\t\timage/bmp "
	"bmp;\n\t\timage/tiff tif tiff;\n"
	"\t\taudio/mpeg mp3;\n\t\taudio/ogg ogg oga opus;\n\t\taudio/mp4 m4a;\n\t\taudio/flac "
	"flac;\n\t\taudio/wav wav;\n"
	"\t\tvideo/mp4 mp4 m4v;\n\t\tvideo/webm webm;\n\t\tvideo/ogg ogv;\n\t\tvideo/quicktime "
	"mov;\n\t\tvideo/mp2t ts;\n"
	"\t\tapplication/vnd.apple.mpegurl m3u8;\n\t}\n"
	"\tdefault_type application/octet-stream;\n";

/* For all of an nginx that is ours. */
static const char common[] =
	"\taccess_log off;\n\tlog_not_found off;\n\tserver_tokens off;\n"
	"\tsendfile on;\n\ttcp_nopush on;\n\tkeepalive_timeout 65s;\n\tkeepalive_requests 10000;\n"
	"\treset_timedout_connection on;\n"
	"\tserver_names_hash_max_size 8192;\n\tserver_names_hash_bucket_size 320;\n"
	"\tvariables_hash_max_size 2048;\n";

#define COMPRESSED                                                                                           \
	"text/plain text/xml text/css text/javascript text/js text/markdown text/csv "                       \
	"application/x-javascript application/javascript application/json application/ld+json "              \
	"application/manifest+json application/xml application/xml+rss application/rss+xml "                 \
	"application/atom+xml application/wasm image/svg+xml"

/* What apps rely on. In the system's nginx it stands in their servers, so that nobody else's are changed. */
static const char *const defaults[] = {
	"absolute_redirect off",
	"client_max_body_size 64m",
	"client_body_buffer_size 64k",
	"large_client_header_buffers 4 16k",
	"proxy_headers_hash_max_size 1024",
	"proxy_headers_hash_bucket_size 128",
	"proxy_connect_timeout 5s",
	"proxy_next_upstream error",
	"proxy_buffer_size 16k",
	"proxy_buffers 8 16k",
	"gzip on",
	"gzip_comp_level 2",
	"gzip_min_length 2048",
	"gzip_proxied any",
	"gzip_vary on",
	"gzip_types " COMPRESSED,
	"ssl_protocols TLSv1.2 TLSv1.3",
	"ssl_session_cache shared:_slipway:2m",
	"ssl_session_timeout 1h",
};

void nginx_put_defaults(struct strb *b, const char *include)
{
	for (size_t i = 0; i < COUNT(defaults); i++)
		if (!str_has_word(include, defaults[i], strcspn(defaults[i], " "), "$"))
			nginx_put(b, "\t%s;\n", defaults[i]);
}

/* An empty header is not sent: the upstream's connection stays open unless it becomes something else. */
void nginx_put_maps(struct strb *b)
{
	nginx_put(
		b,
		"\tmap $http_upgrade $slipway_connection {\n\t\tdefault upgrade;\n\t\t\"\" \"\";\n\t\t~*h2c "
		"\"\";\n\t}\n"
		"\tmap $http_upgrade $slipway_upgrade {\n\t\tdefault $http_upgrade;\n\t\t~*h2c \"\";\n\t}\n");
}

static long workers(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : n;
}

/* What stands before http{}. A test has files of its own: it must not touch those of the nginx that runs. */
static void put_process(struct strb *b, const char *root, const struct nginx_facts *f, bool is_test)
{
	_cleanup_(freep) char *pid = root_path(root, is_test ? "run/nginx-test.pid" : "run/nginx.pid");
	_cleanup_(freep) char *log = root_path(root, "logs/nginx-error.log");
	_cleanup_(freep) char *pid_quoted = nginx_quote(pid), *log_quoted = nginx_quote(log);
	struct rlimit files = { .rlim_max = 1024 };

	(void) getrlimit(RLIMIT_NOFILE, &files);
	nginx_put(b, "# Made by slipway anew at every start of nginx; settings are in config.toml.\n");
	if (f->user)
		nginx_put(b, "user %s%s%s;\n", f->user, f->group ? " " : "", f->group ? f->group : "");
	nginx_put(b, "worker_processes %ld;\nworker_rlimit_nofile %u;\npcre_jit on;\npid %s;\n", workers(),
		  files.rlim_max < 4U * CONNECTIONS ? (unsigned) files.rlim_max : 4U * CONNECTIONS,
		  pid_quoted);
	nginx_put(b, "error_log %s notice;\nevents {\n\tworker_connections %d;\n}\n",
		  is_test ? "stderr" : log_quoted, CONNECTIONS);
}

static void put_temporary(struct strb *b, const char *root)
{
	static const char *const kinds[] = { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" };

	for (size_t i = 0; i < COUNT(kinds); i++) {
		_cleanup_(freep) char *path = root_path(root, TEMPORARY_FILES "/%s", kinds[i]);
		_cleanup_(freep) char *quoted = nginx_quote(path);

		nginx_put(b, "\t%s_temp_path %s;\n", kinds[i], quoted);
	}
}

/* Whoever asks for a name that no app has: 404, and over TLS no handshake, as there is no certificate for it.
 */
void nginx_put_fallback(struct strb *b, const char *root, const struct host *host,
			const struct nginx_facts *f, const char *suffix)
{
	_cleanup_(freep) char *tls = xasprintf("%s%s", nginx_tls_words(f), suffix);

	nginx_put(b, "\tserver {\n");
	nginx_put_listen(b, host, NULL, f, host->http_port, suffix);
	nginx_put(b, "\tserver_name _;\n");
	nginx_put_acme(b, root);
	nginx_put(b, "\tlocation / {\n\t\treturn 404;\n\t}\n\t}\n\tserver {\n");
	nginx_put_listen(b, host, NULL, f, host->https_port, tls);
	nginx_put(b, "\tserver_name _;\n\tssl_reject_handshake on;\n\t}\n");
}

static bool is_what_it_was(const char *path, const char *text)
{
	_cleanup_(freep) char *was = NULL;

	return file_read(path, 1 << 20, &was, NULL, NULL) >= 0 && str_eq(was, text);
}

int nginx_write_main(const char *root, const struct host *host, const struct nginx_facts *f, bool is_test,
		     struct err **e)
{
	struct strb b = STRB(1 << 20);
	_cleanup_(freep) char *path = root_path(root, is_test ? "run/nginx-test.conf" : "run/nginx.conf");
	_cleanup_(freep) char *apps = root_path(root, "%s/*.conf", is_test ? NGINX_CANDIDATE : NGINX_LIVE);
	_cleanup_(freep) char *apps_quoted = nginx_quote(apps), *text = NULL;

	put_process(&b, root, f, is_test);
	nginx_put(&b, "http {\n%s%s", types, common);
	nginx_put_defaults(&b, "");
	nginx_put_maps(&b);
	put_temporary(&b, root);
	nginx_put_fallback(&b, root, host, f, " default_server");
	nginx_put(&b, "\tinclude %s;\n}\n", apps_quoted);
	int r = nginx_put_end(&b, &text, e);
	if (r < 0)
		return r;
	if (is_test)
		return file_replace_unsynced(path, text, strlen(text), 0600, e);
	r = file_replace(path, text, strlen(text), 0600, e);
	if (err_is_temporary(r) && is_what_it_was(path, text)) {
		if (e)
			*e = err_free(*e);
		r = 0; /* on a full disk, too, it is started again */
	}
	return r;
}

static int make_directories(const char *root, struct err **e)
{
	static const struct {
		const char *name;
		mode_t mode;
	} dirs[] = { { "run", 0700 },   { "logs", 0750 },  { NGINX_LIVE, 0755 },     { "acme", 0711 },
		     { "certs", 0700 }, { "cache", 0711 }, { TEMPORARY_FILES, 0711 } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(dirs); i++) {
		_cleanup_(freep) char *path = root_path(root, "%s", dirs[i].name);

		r = dir_make(path, dirs[i].mode, e);
	}
	return r;
}

/* A killed nginx leaves its sockets behind, and the next one could not bind them. */
static int clear_sockets(const char *root, struct err **e)
{
	_cleanup_(freep) char *run = root_path(root, "run");
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = dir_list(run, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(run, names.v[i]);

		if (str_starts(names.v[i], "nginx-") && str_ends(names.v[i], ".sock") && unlink(path) < 0 &&
		    errno != ENOENT)
			r = err_set(e, -errno, "removing %s: %m", path);
	}
	return r;
}

/*
 * One broken file would keep nginx, and with it every app, from starting: it is put aside. The candidate is
 * without a change; when nothing is wrong with it, it is not even needed.
 */
static int heal(const char *root, const struct host *host, const struct nginx_facts *f, struct err **e)
{
	_cleanup_(strv_done) struct strv notes = { 0 };
	_cleanup_(freep) char *generation = NULL;
	int r = nginx_write_main(root, host, f, true, e);

	if (r == 0) /* no app has an empty name */
		r = nginx_tree_build(root, host, f, "", NULL, &generation, e);
	if (r == 0)
		r = nginx_tree_test(root, f, "", &notes, e);
	for (size_t i = 0; i < notes.n; i++) /* nobody is there to be told */
		log_warning("nginx configuration", F("note", notes.v[i]));
	if (r == 0)
		r = nginx_tree_swap(root, e);
	if (r == 0)
		r = nginx_tree_drop(root, e);
	return r;
}

int nginx_private_prepare(const char *root, const struct host *host, struct strv *argv, struct err **e)
{
	_cleanup_(nginx_facts_done) struct nginx_facts f = { 0 };
	_cleanup_(freep) char *conf = root_path(root, "run/nginx.conf"),
			      *log = root_path(root, "logs/nginx-error.log");
	_cleanup_(freep) char *lock_path = root_path(root, "run/router.lock");
	_cleanup_(closep) int lock = -1;
	struct nginx_master m = { .pidfd = -1 };
	int r = nginx_check_root(root, e);

	if (r == 0)
		r = nginx_facts_find(&f, host, e);
	if (r == 0)
		r = make_directories(root, e);
	if (r == 0)
		r = lock = file_lock(lock_path, true, e);
	if (r >= 0)
		r = nginx_write_main(root, host, &f, false, e);
	bool runs = r == 0 && nginx_master_find(&m, root, NULL) == 0;
	nginx_master_done(&m);
	if (r == 0 && !runs)
		r = clear_sockets(root, e);
	if (r == 0 && !runs)
		r = heal(root, host, &f, e);
	if (r < 0)
		return err_wrap(e, r, "preparing the private nginx");
	/* -c first: nginx_master_find() looks for it in the title, which may be cut */
	STRV_ADD(argv, f.program, "-c", conf, "-p", root, "-e", log, "-g", "daemon off;");
	return 0;
}
