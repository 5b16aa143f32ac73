/* Names, the root's layout, and the plan's and spec's files: what is written is what is read, and nothing
 * else is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "plan/environment.h"
#include "plan/mark.h"
#include "plan/name.h"
#include "plan/origin.h"
#include "plan/plan.h"
#include "plan/root.h"
#include "plan/spec.h"

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

#define LETTERS_62 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"

static const struct name_row {
	const char *name, *text, *want, *says; /* want NULL: refused, saying this */
} name_rows[] = {
	{ "piku-A07 a legal name", "my-app_1.0", "my-app_1.0" },
	{ "quotes from git", "'app'", "app" },
	{ "double quotes", "\"app\"", "app" },
	{ "a leading slash", "/app", "app" },
	{ "a home", "~/app", "app" },
	{ "all of it", "'/Blog.git'", "blog" },
	{ "a trailing slash", "app/", "app" },
	{ "a trailing slash and .git", "app.git/", "app" },
	{ "one .git only", "app.git.git", "app.git" },
	{ "upper case", "MyApp", "myapp" },
	{ "a digit first", "0app", "0app" },
	{ "63 bytes", LETTERS_62 "z", LETTERS_62 "z" },
	{ "piku-A09 64 bytes", LETTERS_62 "zz", NULL, "'" LETTERS_62 "z' would be one" },
	{ "piku-A07 a path", "/etc/passwd", NULL, "'/etc/passwd' cannot be the name of an app" },
	{ "piku-A07 a path, suggested", "/etc/passwd", NULL, "'etcpasswd' would be one" },
	{ "piku-A07 a command", "app; rm -rf /", NULL, "'apprm-rf' would be one" },
	{ "piku-A06 a path and more", "no/such;app", NULL, "'nosuchapp' would be one" },
	{ "piku-A08 nothing", "", NULL, "beginning with a letter or digit" },
	{ "piku-A08 a slash", "/", NULL, "'/' cannot be" },
	{ "piku-A08 a dot", ".", NULL, "'.' cannot be" },
	{ "piku-A08 two dots", "..", NULL, "'..' cannot be" },
	{ "piku-A09 an option", "-rf", NULL, "'rf' would be one" },
	{ "piku-A09 hidden", ".hidden", NULL, "'hidden' would be one" },
	{ "piku-A09 not ASCII", "\xc3\xbcn\xc3\xaf", NULL, "'n' would be one" },
	{ "a blank", "my app", NULL, "'myapp' would be one" },
	{ "a colon", "foo:bar", NULL, "'foobar' would be one" },
	{ "an escape sequence is not printed", "a\033[31mb", NULL, "'a?[31mb'" },
	{ "two slashes", "//app", NULL, "'app' would be one" },
	{ "only .git", ".git", NULL, "'git' would be one" },
	{ "quotes that do not match", "'app\"", NULL, "'app' would be one" },
};

static void reads_name(void **state)
{
	const struct name_row *row = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *got = NULL;
	int r = app_name_read(&got, row->text, &e);

	if (row->want) {
		assert_int_equal(r, 0);
		assert_string_equal(got, row->want);
		assert_true(app_name_is_legal(got));
	} else {
		assert_int_equal(r, ERR_REFUSED);
		assert_null(got);
		assert_has(e->msg, row->says);
	}
}

static void knows_service_names(void **state)
{
	(void) state;
	assert_true(service_name_is_legal("web"));
	assert_true(service_name_is_legal("Cron-1_a.b"));
	assert_true(service_name_is_legal(LETTERS_62 "Z"));
	assert_false(service_name_is_legal(LETTERS_62 "ZZ"));
	assert_false(service_name_is_legal(""));
	assert_false(service_name_is_legal("."));
	assert_false(service_name_is_legal(".."));
	assert_false(service_name_is_legal("a/b"));
	assert_false(service_name_is_legal("a b"));
}

/* --- the root directory --- */

static int make_directory(void **state)
{
	char template[] = "/tmp/slipway-plan.XXXXXX";

	*state = xstrdup(mkdtemp(template));
	return 0;
}

static int remove_directory(void **state)
{
	(void) tree_remove(*state, NULL);
	free(*state);
	return 0;
}

static mode_t mode_of(const char *root, const char *name)
{
	_cleanup_(freep) char *path = path_join(root, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void makes_root(void **state)
{
	static const char *const piku[] = { "apps",          "data",  "envs",  "repos",
					    "logs",          "nginx", "cache", "uwsgi-available",
					    "uwsgi-enabled", "uwsgi", "acme",  "plugins" };
	_cleanup_(freep) char *root = path_join(*state, "a/root");
	_cleanup_(strv_done) struct strv made = { 0 }, again = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	mode_t before = umask(077);

	assert_int_equal(root_make(root, &made, &e), 0);
	(void) umask(before);
	assert_true(strv_has(&made, root));
	for (size_t i = 0; i < COUNT(piku); i++)
		assert_true(mode_of(root, piku[i]) >= 0700);
	assert_int_equal(mode_of(root, "releases"), 0711);
	assert_int_equal(mode_of(root, "config"), 0700);
	assert_int_equal(mode_of(root, "envs"), 0700);
	assert_int_equal(mode_of(root, "certs"), 0700);
	assert_int_equal(mode_of(root, "run"), 0700);
	assert_int_equal(mode_of(root, "run/fifo"), 0700);
	assert_int_equal(mode_of(root, "nginx"), 0755);
	assert_int_equal(root_make(root, &again, &e), 0);
	assert_int_equal(again.n, 0);
}

static void closes_secrets(void **state)
{
	const char *root = *state;
	_cleanup_(freep) char *envs = path_join(root, "envs"), *data = path_join(root, "data");
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(mkdir(envs, 0700), 0);
	assert_int_equal(chmod(envs, 0755), 0);
	assert_int_equal(mkdir(data, 0700), 0);
	assert_int_equal(root_make(root, NULL, &e), 0);
	assert_int_equal(mode_of(root, "envs"), 0750);
	assert_int_equal(mode_of(root, "data"), 0700); /* the operator's own choice */
}

static void says_what_is_in_the_way(void **state)
{
	_cleanup_(freep) char *file = path_join(*state, "apps");
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(file_replace(file, "", 0, 0600, NULL), 0);
	assert_int_equal(root_make(*state, NULL, &e), -EEXIST);
	assert_has(e->msg, "/apps");
}

static void finds_root(void **state)
{
	static const struct {
		const char *slipway, *piku, *home, *want;
	} rows[] = {
		{ "/srv/s", "/srv/p", "/home/x", "/srv/s" },
		{ "/srv/s//", NULL, "/home/x", "/srv/s" },
		{ "", "/srv/p", "/home/x", "/srv/p" },
		{ NULL, NULL, "/home/x", "/home/x/.slipway" },
	};

	(void) state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_(freep) char *root = NULL;

		rows[i].slipway ? setenv("SLIPWAY_ROOT", rows[i].slipway, 1) : unsetenv("SLIPWAY_ROOT");
		rows[i].piku ? setenv("PIKU_ROOT", rows[i].piku, 1) : unsetenv("PIKU_ROOT");
		setenv("HOME", rows[i].home, 1);
		assert_int_equal(root_find(&root, NULL), 0);
		assert_string_equal(root, rows[i].want);
	}
	_cleanup_(freep) char *root = NULL;

	unsetenv("HOME"); /* piku-A02: from the passwd entry */
	assert_int_equal(root_find(&root, NULL), 0);
	assert_has(root, "/.slipway");
}

static void knows_paths(void **state)
{
	(void) state;
	_cleanup_(freep) char *release = root_release("/r", "blog", 7),
			      *log = root_log("/r", "blog", "web", 2);
	_cleanup_(freep) char *fifo = root_fifo("/r", "blog", "web", 2),
			      *deploy = root_deploy_log("/r", "blog", 9);

	assert_string_equal(release, "/r/releases/blog/v7");
	assert_string_equal(log, "/r/logs/blog/web.2.log");
	assert_string_equal(fifo, "/r/run/fifo/blog:web.2");
	assert_string_equal(deploy, "/r/logs/blog/deploy-9.log");
}

/* --- the plan's file --- */

static const char plan_text[] =
	"{\"app\": \"blog\", \"manifest\": \"procfile\", \"runner\": \"native\", \"router\": \"nginx\", "
	"\"runtime\": \"python\", \"preflight\": null, \"release\": \"./migrate\", \"bind_address\": "
	"\"127.0.0.1\", "
	"\"fixed_port\": 0, \"keep_releases\": 5, \"drain_timeout_ms\": 30000, \"build_timeout_ms\": 1, "
	"\"release_timeout_ms\": 2, \"shared_paths\": [\"uploads\"], \"deploy_branch\": null, "
	"\"is_auto_restart\": true, \"log_max_bytes\": 1048576, \"services\": ["
	"{\"name\": \"web\", \"kind\": \"web\", \"command\": \"./run \\\"x\\\"\", \"schedule\": null, "
	"\"line\": 3, "
	"\"instances\": 2, \"is_routed\": true, \"is_parallel\": true, \"stop_signal\": \"TERM\", "
	"\"stop_timeout_ms\": 10000, \"limits\": {\"memory_bytes\": 1048576, \"cpu_permille\": 500, "
	"\"pids\": 0, \"nofile\": 64}, \"uwsgi\": [\"threads = 4\"], \"check\": {\"kind\": \"http\", "
	"\"path\": \"/up\", \"timeout_ms\": "
	"30000, "
	"\"uptime_ms\": 1000}}, "
	"{\"name\": \"cron\", \"kind\": \"cron\", \"command\": \"x\", \"schedule\": \"@daily\", \"line\": 4, "
	"\"instances\": 1, \"is_routed\": false, \"is_parallel\": false, \"stop_signal\": \"TERM\", "
	"\"stop_timeout_ms\": 10000, \"limits\": {\"memory_bytes\": 1048576, \"cpu_permille\": 500, "
	"\"pids\": 0, \"nofile\": 64}, \"uwsgi\": [], \"check\": {\"kind\": \"process\", \"path\": null, "
	"\"timeout_ms\": "
	"30000, "
	"\"uptime_ms\": 1000}}], "
	"\"build_limits\": {\"memory_bytes\": 1048576, \"cpu_permille\": 500, \"pids\": 0, \"nofile\": 64}, "
	"\"release_limits\": {\"memory_bytes\": 1048576, \"cpu_permille\": 500, \"pids\": 0, \"nofile\": "
	"64}, \"run_limits\": {\"memory_bytes\": 1048576, \"cpu_permille\": 500, \"pids\": 0, \"nofile\": "
	"64}, "
	"\"route\": {\"hosts\": [\"a.example\"], \"catch_all\": null, \"is_https_only\": false, "
	"\"has_ipv6\": true, "
	"\"allows_git\": false, \"ipv4_address\": \"0.0.0.0\", \"ipv6_address\": \"[::]\", \"include_file\": "
	"null, "
	"\"cache\": {\"prefixes\": [\"img\"], \"path\": null, \"size_gb\": 1, \"time_s\": 3600, "
	"\"redirects_s\": 3600, \"any_s\": 3600, \"control_s\": 3600, \"expiry_s\": 86400}, "
	"\"acl\": {\"is_cloudflare_only\": true, \"deployer\": \"10.0.0.1\"}, "
	"\"statics\": [{\"url\": \"/s/\", \"path\": \"static\"}]}}";

/* plan_text with the first occurrence of from replaced. */
static json_t *edited_plan(const char *from, const char *to)
{
	const char *at = strstr(plan_text, from);
	_cleanup_(freep) char *text = NULL;

	assert_non_null(at);
	text = xasprintf("%.*s%s%s", (int) (at - plan_text), plan_text, to, at + strlen(from));
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

static void plan_comes_back(void **state)
{
	_cleanup_(freep) char *path = path_join(*state, "plan.json");
	_cleanup_(json_releasep) json_t *j = json_loads(plan_text, 0, NULL), *got = NULL;
	_cleanup_(plan_done) struct plan p = { 0 }, again = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	struct stat st;

	assert_int_equal(plan_from_json(&p, j, &e), 0);
	assert_string_equal(plan_find_service(&p, "web")->command, "./run \"x\"");
	assert_int_equal(plan_find_service(&p, "web")->check.kind, CHECK_HTTP);
	assert_ptr_equal(plan_routed_service(&p), plan_find_service(&p, "web"));
	assert_null(plan_find_service(&p, "we"));
	assert_null(p.preflight);
	assert_int_equal(plan_write(&p, path, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(plan_read(&again, path, &e), 0);
	got = plan_to_json(&again);
	assert_true(json_equal(j, got));
}

/* Releases that were made before there were limits or uWSGI are read on. */
static void limits_may_be_missing(void **state UNUSED)
{
	_cleanup_(json_releasep) json_t *j = json_loads(plan_text, 0, NULL);
	_cleanup_(plan_done) struct plan p = { 0 };

	(void) json_object_del(j, "build_limits");
	(void) json_object_del(json_array_get(json_object_get(j, "services"), 0), "limits");
	(void) json_object_del(json_array_get(json_object_get(j, "services"), 0), "uwsgi");
	assert_int_equal(plan_from_json(&p, j, NULL), 0);
	assert_int_equal(p.build_limits.max[LIMIT_MEMORY], 0);
	assert_int_equal(p.run_limits.max[LIMIT_MEMORY], 1 << 20);
}

static const struct strict_row {
	const char *name, *from, *to, *says;
} strict_rows[] = {
	{ "a member is missing", "\"runner\": \"native\", ", "", "the plan has no member 'runner'" },
	{ "a member is unknown", "\"app\"", "\"apple\": 1, \"app\"",
	  "the plan has an unknown member 'apple'" },
	{ "a text is a number", "\"native\"", "7", "the plan: 'runner' has the wrong type" },
	{ "a text is null", "\"native\"", "null", "the plan: 'runner' has the wrong type" },
	{ "a number is negative", "\"fixed_port\": 0", "\"fixed_port\": -1", "'fixed_port'" },
	{ "a number is too large", "\"fixed_port\": 0", "\"fixed_port\": 4294967296", "'fixed_port'" },
	{ "a number is real", "\"fixed_port\": 0", "\"fixed_port\": 0.5", "'fixed_port'" },
	{ "a flag is a text", "\"is_auto_restart\": true", "\"is_auto_restart\": \"yes\"",
	  "'is_auto_restart'" },
	{ "a vector holds a number", "[\"uploads\"]", "[\"uploads\", 1]", "'shared_paths'" },
	{ "a vector is a text", "[\"uploads\"]", "\"uploads\"", "'shared_paths'" },
	{ "a kind is unknown", "\"kind\": \"web\"", "\"kind\": \"webb\"", "a service: 'kind'" },
	{ "a limit is a number", "\"build_limits\": {", "\"build_limits\": 1, \"x\": {",
	  "'build_limits' has the wrong type" },
	{ "a check is unknown", "\"kind\": \"http\"", "\"kind\": \"udp\"",
	  "the check of service 'web': 'kind'" },
	{ "a check is missing",
	  "\"check\": {\"kind\": \"http\", \"path\": \"/up\", \"timeout_ms\": 30000, "
	  "\"uptime_ms\": 1000}",
	  "\"check\": null", "the check of service 'web' is not a JSON object" },
	{ "a service twice", "\"name\": \"cron\"", "\"name\": \"web\"", "the service 'web' twice" },
	{ "a schedule is missing", "\"schedule\": \"@daily\"", "\"schedule\": null",
	  "'cron': exactly those of kind cron" },
	{ "services are no array", "\"services\": [", "\"services\": 1, \"x\": [", "unknown member 'x'" },
	{ "the route is null", "\"route\": {", "\"route\": null, \"x\": {", "unknown member 'x'" },
	{ "a mapping has more", "\"url\": \"/s/\"", "\"url\": \"/s/\", \"z\": 1",
	  "a static mapping has an unknown member" },
};

static void reads_strictly(void **state)
{
	const struct strict_row *row = *state;
	_cleanup_(json_releasep) json_t *j = edited_plan(row->from, row->to);
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(plan_done) struct plan p = { 0 };

	assert_int_equal(plan_from_json(&p, j, &e), ERR_REFUSED);
	assert_has(e->msg, row->says);
	assert_null(p.app);
}

static void names_the_file(void **state)
{
	_cleanup_(freep) char *path = path_join(*state, "plan.json"), *text = NULL;
	_cleanup_(err_freep) struct err *e = NULL;
	struct plan p = { 0 };

	assert_int_equal(file_replace(path, "{}", 2, 0600, NULL), 0);
	assert_int_equal(plan_read(&p, path, &e), ERR_REFUSED);
	text = err_text(e);
	assert_has(text, "plan.json: the plan has no member 'app'");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(plan_read(&p, path, &e), -ENOENT);
}

/* --- the spec's file --- */

static void fill_spec(struct spec *s)
{
	*s = (struct spec){
		.app = xstrdup("blog"), .version = 7, .cwd = xstrdup("/r/src"), .log_max_bytes = 5
	};
	env_set(&s->env, "SECRET", "a\xff\n\"b", "config");
	env_set(&s->env, "EMPTY", "", "ENV:1");
	STRV_ADD(&s->sandbox.read, "/opt");
	STRV_ADD(&s->sandbox.write, "/r/data", "/r/cache");
	s->sandbox.level = SANDBOX_BWRAP;
	*GROW(&s->services, &s->n_services) =
		(struct spec_service){ xstrdup("web"), xstrdup("./run"), xstrdup("INT"), 9 };
}

static void spec_comes_back(void **state)
{
	_cleanup_(spec_done) struct spec s = { 0 }, got = { 0 };
	_cleanup_(freep) char *dir = root_release(*state, "blog", 7), *path = path_join(dir, "spec.json");
	_cleanup_(err_freep) struct err *e = NULL;
	struct stat st;

	fill_spec(&s);
	assert_int_equal(dir_make(dir, 0711, &e), 0);
	assert_int_equal(spec_write(&s, *state, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(spec_read(&got, *state, "blog", 7, &e), 0);
	assert_string_equal(got.cwd, "/r/src");
	assert_int_equal(got.log_max_bytes, 5);
	assert_string_equal(env_get(&got.env, "SECRET"), "a\xff\n\"b");
	assert_string_equal(env_origin(&got.env, "EMPTY"), "ENV:1");
	assert_int_equal(got.sandbox.level, SANDBOX_BWRAP);
	assert_string_equal(got.sandbox.write.v[1], "/r/cache");
	assert_string_equal(spec_find_service(&got, "web")->stop_signal, "INT");
	assert_int_equal(spec_find_service(&got, "web")->stop_timeout_ms, 9);
	assert_null(spec_find_service(&got, "worker"));
}

static void spec_is_of_its_release(void **state)
{
	_cleanup_(spec_done) struct spec s = { 0 };
	struct spec got = { 0 };
	_cleanup_(freep) char *dir = root_release(*state, "blog", 7),
			      *other = root_release(*state, "blog", 8);
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(freep) char *text = NULL;

	fill_spec(&s);
	assert_int_equal(dir_make(dir, 0711, &e), 0);
	assert_int_equal(spec_write(&s, *state, &e), 0);
	assert_int_equal(rename(dir, other), 0);
	assert_int_equal(spec_read(&got, *state, "blog", 8, &e), ERR_REFUSED);
	text = err_text(e);
	assert_has(text, "it is of blog v7");
	assert_int_equal(spec_read(&got, *state, "blog", 9, &e), -ENOENT);
}

/* --- the environment --- */

static void gives_the_base(void **state)
{
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	(void) state;
	setenv("USER", "anna", 1);
	assert_int_equal(environment_base(&env, "/r", "blog", "/r/releases/blog/v1/src", "/bin", &e), 0);
	assert_string_equal(env_get(&env, "APP"), "blog");
	assert_string_equal(env_get(&env, "LOG_ROOT"), "/r/logs");
	assert_string_equal(env_get(&env, "DATA_ROOT"), "/r/data/blog");
	assert_string_equal(env_get(&env, "HOME"), "/r/data/blog/home");
	assert_string_equal(env_get(&env, "USER"), "anna");
	assert_string_equal(env_get(&env, "LOGNAME"), "anna");
	assert_string_equal(env_get(&env, "PATH"), "/bin");
	assert_string_equal(env_get(&env, "PWD"), "/r/releases/blog/v1/src");
	assert_string_equal(env_get(&env, "LANG"), "C.UTF-8");
	assert_string_equal(env_origin(&env, "APP"), "base");
	assert_int_equal(env.n, 9);
	unsetenv("USER"); /* piku-A02: from the passwd entry */
	assert_int_equal(environment_base(&env, "/r", "blog", "/r/src", "/bin", &e), 0);
	assert_true(*env_get(&env, "USER") != '\0');
	assert_int_equal(environment_base(&env, "/r", "blog", "/r/src", "", &e), ERR_MISSING);
}

static void finishes(void **state)
{
	_cleanup_(json_releasep) json_t *j = json_loads(plan_text, 0, NULL);
	_cleanup_(plan_done) struct plan p = { 0 };
	_cleanup_(env_done) struct env env = { 0 };

	(void) state;
	assert_int_equal(plan_from_json(&p, j, NULL), 0);
	env_set(&env, "PIKU_INTERNAL_X", "1", "config"); /* piku-D14 */
	env_set(&env, "A", "1", "config");
	env_set(&env, "PIKU_INTERNAL_Y", "1", "config");
	env_set(&env, "NGINX_SERVER_NAME", "a.example,b.example", "config");
	env_set(&env, "NGINX_IPV4_ADDRESS", "127.0.0.2", "config");
	environment_finish(&env, &p);
	assert_null(env_get(&env, "PIKU_INTERNAL_X"));
	assert_null(env_get(&env, "PIKU_INTERNAL_Y"));
	assert_string_equal(env_get(&env, "NGINX_SERVER_NAME"), "a.example b.example");
	assert_string_equal(env_origin(&env, "NGINX_SERVER_NAME"), "config");
	assert_string_equal(env_get(&env, "NGINX_IPV4_ADDRESS"), "127.0.0.2");
	assert_string_equal(env_get(&env, "NGINX_IPV6_ADDRESS"), "[::]");
	assert_string_equal(env_get(&env, "BIND_ADDRESS"), "127.0.0.1");
	assert_string_equal(env_origin(&env, "BIND_ADDRESS"), "slipway");
}

static void finishes_workers(void **state)
{
	_cleanup_(json_releasep) json_t *j = edited_plan("\"is_routed\": true", "\"is_routed\": false");
	_cleanup_(plan_done) struct plan p = { 0 };
	_cleanup_(env_done) struct env env = { 0 };

	(void) state;
	assert_int_equal(plan_from_json(&p, j, NULL), 0);
	environment_finish(&env, &p);
	assert_int_equal(env.n, 0);
}

static void origin_comes_back(void **state)
{
	const char *root = *state;
	_cleanup_(freep) char *dir = root_release(root, "blog", 3), *other = root_release(root, "blog", 4),
			      *from = path_join(dir, "origin.json"), *to = path_join(other, "origin.json");
	struct origin o = { (char *) "blog", 3, (char *) "abc", NULL, 17, 1700000000 };
	_cleanup_(origin_done) struct origin got = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(dir_make(other, 0700, NULL), 0);
	assert_int_equal(origin_write(&o, root, &e), 0);
	assert_int_equal(origin_read(&got, root, "blog", 3, &e), 0);
	assert_string_equal(got.commit, "abc");
	assert_null(got.made_by);
	assert_int_equal(got.deployment, 17);
	assert_int_equal(got.created_at_s, 1700000000);
	assert_int_equal(link(from, to), 0);
	assert_int_equal(origin_read(&got, root, "blog", 4, &e), ERR_REFUSED);
}

static void marks_are_set_and_taken_away(void **state)
{
	const char *root = *state;
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(mark_set(root, "blog", MARK_HELD, false, &e), 0);
	assert_int_equal(mark_set(root, "blog", MARK_HELD, true, &e), 0);
	assert_int_equal(mark_set(root, "blog", MARK_HELD, true, &e), 0);
	assert_true(mark_is_set(root, "blog", MARK_HELD));
	assert_false(mark_is_set(root, "blog", MARK_STOPPED));
	assert_int_equal(mark_set(root, "blog", MARK_HELD, false, &e), 0);
	assert_false(mark_is_set(root, "blog", MARK_HELD));
}

static void knows_whether_there_were_releases(void **state)
{
	const char *root = *state;
	_cleanup_(freep) char *app = root_path(root, "releases/blog"), *dir = root_release(root, "blog", 1);

	assert_false(root_has_releases(root));
	assert_int_equal(dir_make(app, 0700, NULL), 0);
	assert_false(root_has_releases(root));
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_true(root_has_releases(root));
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(knows_service_names),
		cmocka_unit_test_setup_teardown(makes_root, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(closes_secrets, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(says_what_is_in_the_way, make_directory, remove_directory),
		cmocka_unit_test(finds_root),
		cmocka_unit_test(knows_paths),
		cmocka_unit_test_setup_teardown(plan_comes_back, make_directory, remove_directory),
		cmocka_unit_test(limits_may_be_missing),
		cmocka_unit_test_setup_teardown(names_the_file, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(spec_comes_back, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(spec_is_of_its_release, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(origin_comes_back, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(marks_are_set_and_taken_away, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(knows_whether_there_were_releases, make_directory,
						remove_directory),
		cmocka_unit_test(gives_the_base),
		cmocka_unit_test(finishes),
		cmocka_unit_test(finishes_workers),
	};
	struct CMUnitTest tests[COUNT(name_rows) + COUNT(strict_rows) + COUNT(others)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(name_rows); i++)
		tests[n++] = (struct CMUnitTest){ name_rows[i].name, reads_name, NULL, NULL,
						  (void *) &name_rows[i] };
	for (size_t i = 0; i < COUNT(strict_rows); i++)
		tests[n++] = (struct CMUnitTest){ strict_rows[i].name, reads_strictly, NULL, NULL,
						  (void *) &strict_rows[i] };
	for (size_t i = 0; i < COUNT(others); i++)
		tests[n++] = others[i];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
