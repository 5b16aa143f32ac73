/* Procfiles and settings: what they mean as a plan, and every complaint about them with its place. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/file.h"
#include "manifest/manifest.h"
#include "manifest/procfile.h"

/* What was parsed or compiled as one text, so that a row says all of it. */
static char *problems_as_text(const struct problems *p)
{
	struct strb b = STRB(65536);

	for (size_t i = 0; i < p->n; i++) {
		_cleanup_(freep) char *text = problem_text(&p->v[i]);

		(void) strb_addf(&b, "%c %s\n", "WSE"[p->v[i].severity], text);
	}
	return strb_take(&b);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* --- the parser: "name=command@line" for each entry, then the problems that have to be there, in order ---
 */

#define TEXT(s) s, sizeof s - 1
static const struct parse_row {
	const char *name, *text;
	size_t n;
	const char *entries;
	const char *problems[5];
} parse_rows[] = {
	{ "a service", TEXT("web: ./run\n"), "web=./run@1 ", { NULL } },
	{ "comments, blank lines, blanks around",
	  TEXT("\n# c\n  # d\n web :  ./run # x \n"),
	  "web=./run # x@4 ",
	  { NULL } },
	{ "no newline at the end", TEXT("web: ./run"), "web=./run@1 ", { NULL } },
	{ "piku-B01 empty", TEXT(""), "", { "E Procfile: Invalid Procfile" } },
	{ "piku-B01 only comments", TEXT("# web: x\n"), "", { "E Procfile: Invalid Procfile" } },
	{ "piku-B02 twice: the last wins, the place of the first stays",
	  TEXT("web: a\nworker: w\nweb: b\n"),
	  "web=b@3 worker=w@2 ",
	  { "W Procfile:3:1: 'web' is given twice: line 3 is used, line 1 is ignored" } },
	{ "piku-B03 web beside wsgi",
	  TEXT("wsgi: x:y\nworker: w\nweb: z\n"),
	  "wsgi=x:y@1 worker=w@2 ",
	  { "W Procfile:3:1: 'web' is ignored, because line 1 has 'wsgi'" } },
	{ "web beside jwsgi",
	  TEXT("web: z\njwsgi: x\n"),
	  "jwsgi=x@2 ",
	  { "W Procfile:1:1: 'web' is ignored" } },
	{ "web beside rwsgi",
	  TEXT("web: z\nrwsgi: x\n"),
	  "rwsgi=x@2 ",
	  { "W Procfile:1:1: 'web' is ignored" } },
	{ "web beside php and static stays",
	  TEXT("web: z\nphp: x\nstatic: s\n"),
	  "web=z@1 php=x@2 static=s@3 ",
	  { NULL } },
	{ "piku-B04 bad lines",
	  TEXT("nonsense\n: cmd\na/b: cmd\nworker: w\n"),
	  "worker=w@4 ",
	  { "S Procfile:1:9: misformatted entry: expected 'NAME: COMMAND'",
	    "S Procfile:2:1: misformatted entry: expected a name before ':'",
	    "S Procfile:3:1: misformatted entry: a name is 1 to 63" } },
	{ "bad lines only", TEXT("nonsense\n"), "", { "S Procfile:1:9", "E Procfile: Invalid Procfile" } },
	{ "piku-B05 the first colon counts",
	  TEXT("url: python x.py http://h:80/\n"),
	  "url=python x.py http://h:80/@1 ",
	  { NULL } },
	{ "piku-B06 no blank, CRLF, BOM",
	  TEXT("\xef\xbb\xbfweb:cmd\r\nworker: w x\r\n"),
	  "web=cmd@1 worker=w x@2 ",
	  { NULL } },
	{ "blanks in a name",
	  TEXT("my worker: x\n"),
	  "my-worker=x@1 ",
	  { "W Procfile:1:1: blanks in a name are read as '-': 'my-worker'" } },
	{ "63 bytes",
	  TEXT("a23456789012345678901234567890123456789012345678901234567890123: x\n"),
	  "a23456789012345678901234567890123456789012345678901234567890123=x@1 ",
	  { NULL } },
	{ "64 bytes",
	  TEXT("a234567890123456789012345678901234567890123456789012345678901234: x\nb: y\n"),
	  "b=y@2 ",
	  { "S Procfile:1:1: misformatted" } },
	{ "dots are no name",
	  TEXT("..: x\n.: y\nb.c_D-1: y\n"),
	  "b.c_D-1=y@3 ",
	  { "S Procfile:1:1", "S Procfile:2:1" } },
	{ "kind outside of ASCII",
	  TEXT("\xc3\xbcn: x\nb: y\n"),
	  "b=y@2 ",
	  { "S Procfile:1:1: misformatted" } },
	{ "not UTF-8", TEXT("web: caf\xe9\nb: y\n"), "b=y@2 ", { "E Procfile:1:1: this line is not UTF-8" } },
	{ "a NUL", TEXT("web: a\0b\nb: y\n"), "b=y@2 ", { "E Procfile:1:1: this line is not UTF-8" } },
	{ "an empty command", TEXT("static:\n"), "static=@1 ", { NULL } },
};

static void parses(void **state)
{
	const struct parse_row *row = *state;
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(procfile_done) struct procfile p = { 0 };
	struct strb entries = STRB(4096);
	size_t n = 0;

	procfile_parse(&p, row->text, row->n, "Procfile", &problems);
	for (size_t i = 0; i < p.n; i++)
		(void) strb_addf(&entries, "%s=%s@%d ", p.v[i].name, p.v[i].command, p.v[i].line);
	_cleanup_(freep) char *got = strb_take(&entries), *complaints = problems_as_text(&problems);

	assert_string_equal(got, row->entries);
	for (; n < COUNT(row->problems) && row->problems[n]; n++)
		assert_has(complaints, row->problems[n]);
	assert_int_equal(problems.n, n);
}

static void finds_columns(void **state)
{
	static const char text[] = "\n  cron1 :   0 3 * * * x\n";
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(procfile_done) struct procfile p = { 0 };

	(void) state;
	procfile_parse(&p, text, strlen(text), "Procfile", &problems);
	assert_int_equal(p.v[0].line, 2);
	assert_int_equal(p.v[0].column, 13);
}

static void has_a_ceiling(void **state)
{
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(procfile_done) struct procfile p = { 0 };
	_cleanup_(strb_done) struct strb text = STRB(65536);

	(void) state;
	for (int i = 0; i <= PROCFILE_MAX_ENTRIES; i++)
		(void) strb_addf(&text, "w%d: x\n", i);
	procfile_parse(&p, text.s, text.len, "Procfile", &problems);
	assert_int_equal(p.n, PROCFILE_MAX_ENTRIES);
	assert_int_equal(problems.n, 1);
	assert_has(problems.v[0].message, "more than 200 entries");
}

static const struct {
	const char *name;
	bool is_service;
	enum service_kind kind;
} kinds[] = {
	{ "web", true, SERVICE_WEB },        { "wsgi", true, SERVICE_WSGI },
	{ "jwsgi", true, SERVICE_JWSGI },    { "rwsgi", true, SERVICE_RWSGI },
	{ "php", true, SERVICE_PHP },        { "static", true, SERVICE_STATIC },
	{ "cron", true, SERVICE_CRON },      { "cron-night", true, SERVICE_CRON },
	{ "cronos", true, SERVICE_CRON },    { "worker", true, SERVICE_WORKER },
	{ "webs", true, SERVICE_WORKER },    { "Web", true, SERVICE_WORKER },
	{ "preflight", false, SERVICE_WEB }, { "release", false, SERVICE_WEB },
};

static void knows_kinds(void **state)
{
	(void) state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		enum service_kind kind = SERVICE_WEB;

		assert_int_equal(procfile_kind(kinds[i].name, &kind), kinds[i].is_service);
		assert_int_equal(kind, kinds[i].kind);
	}
}

/* --- the compiler: files of a directory and settings in, parts of the plan's JSON and problems out --- */

static const struct compile_row {
	const char *name, *procfile;
	const char *env;    /* the repository's ENV */
	const char *config; /* the operator's */
	const char *scaling;
	const char *plan[5]; /* have to be in the compact JSON of the plan, or with '!' in front must not */
	const char *problems[5]; /* in the problems, all of them */
	const char *refused;     /* in the error; NULL: it compiles */
} compile_rows[] = {
	{ "piku-B07 a worker alone has no route", "worker: sleep 1000\n",
	  .plan = { "\"router\": \"none\"", "\"kind\": \"worker\"", "\"is_parallel\": false",
		    "\"is_routed\": false", "\"hosts\": []" } },
	{ "web", "web: ./run\n",
	  .plan = { "\"is_routed\": true, \"is_parallel\": true",
		    "\"kind\": \"tcp\", \"path\": null, "
		    "\"timeout_ms\": 30000, \"uptime_ms\": 1000",
		    "\"stop_signal\": \"TERM\", \"stop_timeout_ms\": 10000",
		    "\"hosts\": [\"blog-x.apps.example\"]", "\"router\": \"nginx\"" } },
	{ "defaults", "web: ./run\n",
	  .plan = { "\"bind_address\": \"127.0.0.1\", \"fixed_port\": 0, \"keep_releases\": 7, "
		    "\"drain_timeout_ms\": 30000, \"build_timeout_ms\": 1800000, \"release_timeout_ms\": "
		    "1800000, "
		    "\"shared_paths\": [], \"deploy_branch\": null, \"is_auto_restart\": true, "
		    "\"log_max_bytes\": 1048576",
		    "\"ipv4_address\": \"0.0.0.0\", \"ipv6_address\": \"[::]\"", "\"has_ipv6\": true" } },
	{ "hooks are no services", "preflight: ./p\nrelease: ./r\nweb: x\n",
	  .plan = { "\"preflight\": \"./p\", \"release\": \"./r\"", "\"line\": 3", "!\"line\": 1" } },
	{ "an empty hook is none", "release:\nweb: x\n", .plan = { "\"release\": null" } },
	{ "hooks alone", "release: x\n",
	  .problems = { "E Procfile: Invalid Procfile: there is nothing to run" },
	  .refused = "nothing to run" },
	{ "piku-B01 refused", "# nothing\n", .problems = { "E Procfile: Invalid Procfile" },
	  .refused = "Invalid Procfile" },
	{ "a command is missing", "web: \nworker: x\n",
	  .problems = { "E Procfile:1:5: 'web' has no command" },
	  .refused = "Procfile:1:5: 'web' has no command" },
	{ "wsgi with Piku's defaults", "worker: w\nwsgi: blog.app:make()\n",
	  .plan = { "\"kind\": \"wsgi\"", "\"is_routed\": true, \"is_parallel\": true",
		    "\"check\": {\"kind\": \"uwsgi\", \"path\": null",
		    "\"max-requests = 1024\", \"listen = 16\", \"processes = 1\", \"procname-prefix = "
		    "blog_x.:wsgi:\", \"enable-threads = true\", \"log-x-forwarded-for = false\", \"plugin = "
		    "ping\", \"plugin = python3\", \"threads = 4\", \"module = blog.app:make()\"",
		    "!cheap" } },
	{ "uWSGI's settings", "wsgi: a:b\n",
	  .env = "UWSGI_PROCESSES=3\nUWSGI_LISTEN=8\nUWSGI_MAX_REQUESTS=0\nUWSGI_IDLE=60\nUWSGI_ENABLE_"
		 "THREADS=off\nUWSGI_LOG_X_FORWARDED_FOR=1\nCHECK_PATH=/up\n",
	  .plan = { "\"max-requests = 0\", \"listen = 8\", \"processes = 3\"", "\"enable-threads = false\"",
		    "\"log-x-forwarded-for = true\", \"idle = 60\", \"cheap = True\"",
		    "\"kind\": \"uwsgi\", \"path\": \"/up\"" } },
	{ "piku-F18 only the wrong one of uWSGI's settings is ignored", "wsgi: a:b\n",
	  .env = "UWSGI_THREADS=8\nUWSGI_IDLE=60\nUWSGI_ASYNCIO=x\n",
	  .plan = { "\"threads = 8\"", "\"idle = 60\"", "!async" },
	  .problems = { "W ENV:3:1: UWSGI_ASYNCIO is 'x', which is no number: it is ignored" } },
	{ "tasks instead of threads", "wsgi: a:b\n", .env = "UWSGI_ASYNCIO=50\nUWSGI_GEVENT=9\n",
	  .plan = { "\"plugin = asyncio_python3\"", "\"async = 50\"", "!\"threads = " },
	  .problems = { "W ENV:2:1: UWSGI_GEVENT has no effect" } },
	{ "settings that uWSGI cannot have", "wsgi: a:b\n",
	  .env = "UWSGI_PROCESSES=0\nUWSGI_THREADS=x\nPYTHON_VERSION=2\nUWSGI_INCLUDE_FILE=../x\n",
	  .problems = { "E ENV:1:1: UWSGI_PROCESSES is '0'", "E ENV:2:1: UWSGI_THREADS is 'x'",
			"E ENV:3:1: PYTHON_VERSION asks for Python 2",
			"E ENV:4:1: UWSGI_INCLUDE_FILE is '../x': expected a file below" },
	  .refused = "(and 3 more)" },
	{ "piku-F19 a missing file of uWSGI's", "wsgi: a:b\n", .env = "UWSGI_INCLUDE_FILE=none.ini\n",
	  .problems = { "E ENV:1:1: UWSGI_INCLUDE_FILE names 'none.ini', which cannot be read" },
	  .refused = "UWSGI_INCLUDE_FILE" },
	{ "no module", "wsgi: python app.py\n",
	  .problems = { "E Procfile:1:1: 'wsgi: python app.py': expected MODULE" },
	  .refused = "MODULE:CALLABLE" },
	{ "php", "php: /public/\n",
	  .plan = { "\"check-static = $(PWD)/public\", \"static-skip-ext = .php\", \"static-skip-ext = "
		    ".inc\", \"static-index = index.html\", \"php-docroot = $(PWD)/public\"" } },
	{ "php leads out", "php: ../x\n",
	  .problems = { "E Procfile:1:1: 'php: ../x': expected the directory" }, .refused = "php" },
	{ "Java in uWSGI", "jwsgi: site.Main:handle\n",
	  .problems = { "E Procfile:1:1: 'jwsgi: site.Main:handle': not run in uWSGI" }, .refused = "jwsgi" },
	{ "Ruby in uWSGI", "rwsgi: config.ru\n",
	  .problems = { "E Procfile:1:1: 'rwsgi: config.ru': not run in uWSGI" }, .refused = "rwsgi" },
	{ "Java by a command", "jwsgi: java -jar x.jar\n",
	  .plan = { "\"uwsgi\": []", "\"is_routed\": true", "\"kind\": \"tcp\"" } },
	{ "Ruby by a command", "rwsgi: bundle exec puma\n",
	  .plan = { "\"uwsgi\": []", "\"kind\": \"tcp\"" } },
	{ "two that serve HTTP", "wsgi: a:b\nphp: x\n",
	  .problems = { "E Procfile:2:1: 'wsgi' and 'php' both serve HTTP" }, .refused = "both serve" },
	{ "all problems at once", "wsgi: a;b\ncron: 60 * * * * y\n", .env = "CHECK_TIMEOUT=x\n",
	  .problems = { "E Procfile:1:1: 'wsgi: a;b'", "E Procfile:2:7: 'cron': 60 is no minute",
			"E ENV:1:1: CHECK_TIMEOUT is 'x'" },
	  .refused = "(and 2 more)" },
	{ "piku-C02 a bad schedule", "cron: 60 * * * * x\n",
	  .problems = { "E Procfile:1:7: 'cron': 60 is no minute" }, .refused = "cron" },
	{ "piku-C09 no schedule", "cron:\n", .problems = { "E Procfile:1:6: 'cron': expected five" },
	  .refused = "cron" },
	{ "piku-C03 a schedule that never runs", "cron: 0 24 * * * x\n",
	  .problems = { "W Procfile:1:7: 'cron': this never runs" } },
	{ "piku-C04 a schedule and its command", "cron1: 0 0 * * * rm -f tmp/*.log\n",
	  .plan = { "\"kind\": \"cron\", \"command\": \"rm -f tmp/*.log\", \"schedule\": \"0 0 * * *\"" } },
	{ "a schedule that is switched off", "cron: @daily x\n", .scaling = "cron:0\n",
	  .plan = { "\"instances\": 0" } },
	{ "how schedules run", "cron: @daily x\n",
	  .env = "CRON_OVERLAP=queue\nCRON_TIMEOUT=-1\nCRON_JITTER=x\nTZ=/etc/passwd\n",
	  .problems = { "E ENV:1:1: CRON_OVERLAP is 'queue': expected skip or allow",
			"E ENV:2:1: CRON_TIMEOUT is '-1'", "E ENV:3:1: CRON_JITTER is 'x'",
			"W ENV:4:1: TZ is '/etc/passwd', which is no time zone" },
	  .refused = "(and 2 more)" },

	{ "checks", "web: x\nworker: y\n", .env = "CHECK_PATH=/up?x=1\nCHECK_TIMEOUT=5\nCHECK_UPTIME=0\n",
	  .plan = { "\"kind\": \"http\", \"path\": \"/up?x=1\", \"timeout_ms\": 5000, \"uptime_ms\": 0",
		    "\"kind\": \"process\", \"path\": null, \"timeout_ms\": 5000" } },
	{ "a check's path is no URL", "web: x\n", .config = "CHECK_PATH=http://x/\n",
	  .problems = { "E config: CHECK_PATH is 'http://x/': expected the path of a URL" },
	  .refused = "CHECK_PATH" },
	{ "stopping", "web: x\n", .env = "STOP_SIGNAL=sigint\nSTOP_TIMEOUT=3\nDRAIN_TIMEOUT=0\n",
	  .plan = { "\"stop_signal\": \"INT\", \"stop_timeout_ms\": 3000", "\"drain_timeout_ms\": 0" } },
	{ "a limit for all", "web: x\nworker: y\n",
	  .env = "LIMIT_MEMORY=256M worker=1G, run=none\nLIMIT_CPU=50%\n",
	  .plan = { "\"limits\": {\"memory_bytes\": 268435456, \"cpu_permille\": 500, \"pids\": 0, "
		    "\"nofile\": 0}",
		    "\"limits\": {\"memory_bytes\": 1073741824, \"cpu_permille\": 500",
		    "\"build_limits\": {\"memory_bytes\": 0, \"cpu_permille\": 0",
		    "\"release_limits\": {\"memory_bytes\": 268435456",
		    "\"run_limits\": {\"memory_bytes\": 0" } },
	{ "limits by name, the build's too", "web: x\ncron-a: @daily y\n",
	  .env = "LIMIT_PIDS=\"build=9 cron-a=8\"\nLIMIT_NOFILE=64\n",
	  .plan = { "\"pids\": 8, \"nofile\": 64", "\"pids\": 0, \"nofile\": 64",
		    "\"build_limits\": {\"memory_bytes\": 0, \"cpu_permille\": 0, \"pids\": 9, \"nofile\": "
		    "0}" } },
	{ "limits that cannot be", "web: x\n",
	  .env = "LIMIT_MEMORY=25\nLIMIT_CPU=0\nLIMIT_PIDS=wbe=3\nLIMIT_NOFILE=web=\nLIMIT_MEMROY=1G\n",
	  .problems = { "E ENV:1:1: LIMIT_MEMORY has '25': expected a size from 1M on",
			"E ENV:2:1: LIMIT_CPU has '0'",
			"E ENV:3:1: LIMIT_PIDS names 'wbe', which is no service, nor "
			"build, release or run; did you mean 'web'?",
			"E ENV:4:1: LIMIT_NOFILE has 'web='",
			"W ENV:5:1: LIMIT_MEMROY limits nothing; did you mean LIMIT_MEMORY?" },
	  .refused = "(and 3 more)" },
	{ "a limit of the app's own", "web: x\n", .env = "LIMIT_UPLOADS=9\n",
	  .plan = { "\"memory_bytes\": 0" } },
	{ "no such signal", "web: x\n", .env = "\nSTOP_SIGNAL=STOP\n",
	  .problems = { "E ENV:2:1: STOP_SIGNAL is 'STOP'" }, .refused = "ENV:2:1: STOP_SIGNAL" },
	{ "numbers beyond their limits", "web: x\n",
	  .env = "DRAIN_TIMEOUT=-1\nKEEP_RELEASES=1.5\nPORT=70000\n",
	  .problems = { "E ENV:1:1: DRAIN_TIMEOUT",
			"E ENV:2:1: KEEP_RELEASES is '1.5': expected a number from 0",
			"E ENV:3:1: PORT is '70000': expected a number from 1 to 65535" },
	  .refused = "(and 2 more)" },
	{ "an empty setting is unset", "web: x\n",
	  .env = "CHECK_TIMEOUT=\nPORT=\nSTOP_SIGNAL=\nNGINX_SERVER_NAME=\n",
	  .plan = { "\"timeout_ms\": 30000", "\"fixed_port\": 0", "blog-x.apps.example" } },
	{ "the operator's setting wins", "web: x\n", .env = "KEEP_RELEASES=1\n",
	  .config = "KEEP_RELEASES=2\n", .plan = { "\"keep_releases\": 2" } },
	{ "a fixed port is not parallel", "web: x\n", .env = "PORT=5001\nBIND_ADDRESS=0.0.0.0\n",
	  .plan = { "\"fixed_port\": 5001", "\"is_parallel\": false", "\"bind_address\": \"0.0.0.0\"" } },
	{ "a fixed port for two instances", "web: x\n", .env = "PORT=5001\n", .scaling = "web:2\n",
	  .problems = { "E ENV:1:1: PORT is fixed to 5001, but 2 instances" }, .refused = "PORT is fixed" },
	{ "a fixed port that may be shared", "web: x\n", .env = "PORT=5001\nPARALLEL=web\n",
	  .scaling = "web:2\n", .plan = { "\"is_parallel\": true", "\"instances\": 2" } },
	{ "parallel by name", "web: x\nw1: y\nw2: z\n", .env = "PARALLEL=w1,w2\n",
	  .plan = { "!\"is_parallel\": false" } },
	{ "parallel by a wrong name", "web: x\n", .env = "PARALLEL=job\n",
	  .problems = { "E ENV:1:1: PARALLEL names 'job', but there is no such service" },
	  .refused = "PARALLEL" },
	{ "an address that is none", "web: x\n", .env = "BIND_ADDRESS=unix:/x\n",
	  .problems = { "E ENV:1:1: BIND_ADDRESS" }, .refused = "BIND_ADDRESS" },
	{ "shared paths", "web: x\n", .env = "SHARED_PATHS=uploads, ./db/app.sqlite  media/ uploads\n",
	  .plan = { "\"shared_paths\": [\"uploads\", \"db/app.sqlite\", \"media\"]" } },
	{ "shared paths that lead away", "web: x\n", .env = "SHARED_PATHS=/etc ../x a/../../b . .git/hooks\n",
	  .problems = { "SHARED_PATHS has '/etc'", "'../x'", "'a/../../b'", "'.'", "'.git/hooks'" },
	  .refused = "(and 4 more)" },
	{ "shared paths inside of each other", "web: x\n", .env = "SHARED_PATHS=a/b a\n",
	  .problems = { "E ENV:1:1: SHARED_PATHS has 'a/b' and 'a', one inside of the other" },
	  .refused = "SHARED_PATHS" },
	{ "an order after a boot", "web: x\n", .env = "START_AFTER=db, cache\n" },
	{ "an order of what are no apps", "web: x\n", .env = "START_AFTER=db A/b blog_x.\n",
	  .problems = { "E ENV:1:1: START_AFTER has 'A/b', which is no name of an app",
			"E ENV:1:1: START_AFTER names 'blog_x.', the app itself" },
	  .refused = "START_AFTER" },
	{ "a branch", "web: x\n", .env = "DEPLOY_BRANCH=refs/heads/main\n",
	  .plan = { "\"deploy_branch\": \"main\"" } },
	{ "no branch", "web: x\n", .env = "DEPLOY_BRANCH=a..b\n", .problems = { "E ENV:1:1: DEPLOY_BRANCH" },
	  .refused = "DEPLOY_BRANCH" },
	{ "the log's size", "web: x\n", .env = "UWSGI_LOG_MAXSIZE=5000\n",
	  .plan = { "\"log_max_bytes\": 5000" } },
	{ "the log's size, slipway's word first", "web: x\n",
	  .env = "UWSGI_LOG_MAXSIZE=5000\nLOG_MAX_SIZE=6000\n", .plan = { "\"log_max_bytes\": 6000" } },
	{ "piku-F10 no automatic restart", "web: x\n", .env = "PIKU_AUTO_RESTART=false\n",
	  .plan = { "\"is_auto_restart\": false" } },
	{ "a flag that is a typing error", "web: x\n", .env = "NGINX_HTTPS_ONLY=ture\n",
	  .plan = { "\"is_https_only\": false" },
	  .problems = { "W ENV:1:1: NGINX_HTTPS_ONLY is 'ture', which is read as no" } },

	{ "piku-G01 names", "web: x\n",
	  .env = "NGINX_SERVER_NAME=A.example, b.example,,a.example *.c.example\n",
	  .plan = { "\"hosts\": [\"a.example\", \"b.example\", \"*.c.example\"]" } },
	{ "names that nginx could misread", "web: x\n", .env = "NGINX_SERVER_NAME=a;b ~^x a..b -a.b \"q\"\n",
	  .problems = { "has 'a;b', which is no host name", "has '~^x'", "has 'a..b'", "has '-a.b'",
			"has '\"q\"'" },
	  .refused = "NGINX_SERVER_NAME" },
	{ "a star alone is no name", "web: x\n", .env = "NGINX_SERVER_NAME=* a.*.b\n",
	  .problems = { "has '*'", "has 'a.*.b'" }, .refused = "NGINX_SERVER_NAME" },
	{ "piku-G02 https only", "web: x\n", .env = "NGINX_HTTPS_ONLY=1\n",
	  .plan = { "\"is_https_only\": true" } },
	{ "piku-G05 static alone", "static: public\n",
	  .plan = { "\"statics\": [{\"url\": \"/\", \"path\": \"public\"}]", "\"router\": \"nginx\"",
		    "\"kind\": \"static\"" } },
	{ "piku-G05 static with slashes", "static: /public/\n",
	  .plan = { "\"statics\": [{\"url\": \"/\", \"path\": \"public\"}]" } },
	{ "piku-G05 static /", "static: /\n",
	  .plan = { "\"statics\": [{\"url\": \"/\", \"path\": \".\"}]" } },
	{ "static, nothing", "static:\n", .plan = { "\"statics\": [{\"url\": \"/\", \"path\": \".\"}]" } },
	{ "piku-G05 static /:public", "static: /:public\n",
	  .plan = { "\"statics\": [{\"url\": \"/\", \"path\": \"public\"}]" } },
	{ "piku-G05 static /:public,/s:dir", "static: /:public,/s:dir\n",
	  .plan = { "\"statics\": [{\"url\": \"/\", \"path\": \"public\"}, {\"url\": \"/s/\", \"path\": "
		    "\"dir\"}]" } },
	{ "piku-G05 static /foo:bar", "static: /foo:bar\n",
	  .plan = { "\"statics\": [{\"url\": \"/foo/\", \"path\": \"bar\"}]" } },
	{ "static that leads away", "static: ../x\n",
	  .problems = { "E Procfile:1:9: '/:../x': expected a directory without" },
	  .refused = "without '..'" },
	{ "piku-G06 static and web", "static: public\nweb: x\n",
	  .plan = { "\"statics\": [{\"url\": \"/\", \"path\": \"public\"}]", "\"is_routed\": true" } },
	{ "piku-G07 no colon", "web: x\n", .env = "NGINX_STATIC_PATHS=x\n",
	  .problems = { "E ENV:1:1: NGINX_STATIC_PATHS has 'x': expected /URL:PATH with exactly one ':'" },
	  .refused = "'x'" },
	{ "piku-G07 two colons", "web: x\n", .env = "NGINX_STATIC_PATHS=/a:b:c\n",
	  .problems = { "NGINX_STATIC_PATHS has '/a:b:c'" }, .refused = "'/a:b:c'" },
	{ "piku-G07 no path", "web: x\n", .env = "NGINX_STATIC_PATHS=/a:\n",
	  .problems = { "NGINX_STATIC_PATHS has '/a:'" }, .refused = "'/a:'" },
	{ "piku-G07 a blank", "web: x\n", .env = "NGINX_STATIC_PATHS=/a:b, /c/:d/\n",
	  .plan = { "\"statics\": [{\"url\": \"/a/\", \"path\": \"b\"}, {\"url\": \"/c/\", \"path\": "
		    "\"d\"}]" } },
	{ "the worker's mapping comes first", "static: s\nweb: x\n", .env = "NGINX_STATIC_PATHS=/a:b\n",
	  .plan = { "\"statics\": [{\"url\": \"/\", \"path\": \"s\"}, {\"url\": \"/a/\", \"path\": "
		    "\"b\"}]" } },
	{ "a mapping twice", "static: s\n", .env = "NGINX_STATIC_PATHS=/:b\n",
	  .problems = { "has '/:b': this URL path is mapped" }, .refused = "mapped already" },
	{ "a mapping that nginx could misread", "web: x\n", .env = "NGINX_STATIC_PATHS=/a{:b,/c:d\n",
	  .problems = { "has '/a{:b': expected a URL path" }, .refused = "/a{:b" },
	{ "the code may map its data", "web: x\n", .env = "NGINX_STATIC_PATHS=/media:$DATA_ROOT/media/\n",
	  .plan = { "{\"url\": \"/media/\", \"path\": \"/r/data/blog/media\"}" } },
	{ "the code may not map what is not its own", "web: x\n",
	  .env = "NGINX_STATIC_PATHS=/x:/r/data/blogger,/y:/etc\n",
	  .problems = { "maps '/r/data/blogger', which is outside", "maps '/etc', which is outside" },
	  .refused = "only the operator" },
	{ "nor call it its data", "web: x\n", .env = "DATA_ROOT=/etc\nNGINX_STATIC_PATHS=/x:$DATA_ROOT/ssl\n",
	  .problems = { "E ENV:2:1: NGINX_STATIC_PATHS maps '/etc/ssl'" }, .refused = "only the operator" },
	{ "the operator may map anything", "web: x\n", .config = "NGINX_STATIC_PATHS=/x:/srv/files/\n",
	  .plan = { "{\"url\": \"/x/\", \"path\": \"/srv/files\"}" } },
	{ "piku-G08 catch-all", "static: s\n", .env = "NGINX_CATCH_ALL=index.html\n",
	  .plan = { "\"catch_all\": \"index.html\"" } },
	{ "piku-G11 git folders", "web: x\n", .env = "NGINX_ALLOW_GIT_FOLDERS=false\n",
	  .plan = { "\"allows_git\": false" } },
	{ "piku-G11 git folders allowed", "web: x\n", .env = "NGINX_ALLOW_GIT_FOLDERS=true\n",
	  .plan = { "\"allows_git\": true" } },
	{ "piku-G13 the include file is missing", "web: x\n", .env = "NGINX_INCLUDE_FILE=none.conf\n",
	  .problems = { "E ENV:1:1: NGINX_INCLUDE_FILE is 'none.conf': the app has no such file" },
	  .refused = "none.conf" },
	{ "the include file", "web: x\n", .env = "NGINX_INCLUDE_FILE=ENV\n",
	  .plan = { "\"include_file\": \"ENV\"" } },
	{ "an include file elsewhere", "web: x\n", .env = "NGINX_INCLUDE_FILE=/etc/passwd\n",
	  .problems = { "NGINX_INCLUDE_FILE is '/etc/passwd': expected a file of the app" },
	  .refused = "NGINX_INCLUDE_FILE" },
	{ "piku-G14 no IPv6", "web: x\n", .env = "DISABLE_IPV6=1\n", .plan = { "\"has_ipv6\": false" } },
	{ "piku-G14 no IPv6 with an address by hand", "web: x\n",
	  .env = "DISABLE_IPV6=1\nNGINX_IPV6_ADDRESS=[::1]\n", .plan = { "\"has_ipv6\": false" } },
	{ "addresses", "web: x\n", .env = "NGINX_IPV6_ADDRESS=::1\nNGINX_IPV4_ADDRESS=127.0.0.2\n",
	  .plan = { "\"ipv4_address\": \"127.0.0.2\", \"ipv6_address\": \"[::1]\"" } },
	{ "addresses that are none", "web: x\n", .env = "NGINX_IPV6_ADDRESS=x\nNGINX_IPV4_ADDRESS=1.2.3\n",
	  .problems = { "E ENV:2:1: NGINX_IPV4_ADDRESS", "E ENV:1:1: NGINX_IPV6_ADDRESS" },
	  .refused = "(and 1 more)" },
	{ "piku-G09 cache prefixes, by comma and bar", "web: x\n",
	  .env = "NGINX_CACHE_PREFIXES=/img,api|/x\nNGINX_CACHE_TIME=abc\nNGINX_CACHE_SIZE=3\n",
	  .problems = { "W ENV:2:1: NGINX_CACHE_TIME is 'abc', which is no number from 0 to 315360000: "
			"3600" },
	  .plan = { "\"prefixes\": [\"img\", \"api\", \"x\"], \"path\": null, \"size_gb\": 3, "
		    "\"time_s\": 3600, "
		    "\"redirects_s\": 3600, \"any_s\": 3600, \"control_s\": 3600, \"expiry_s\": 86400" } },
	{ "a cache prefix that is a pattern", "web: x\n", .env = "NGINX_CACHE_PREFIXES=img.*\n",
	  .problems = { "E ENV:1:1: NGINX_CACHE_PREFIXES has 'img.*': expected the beginning" },
	  .refused = "img.*" },
	{ "no cache", "web: x\n", .env = "NGINX_CACHE_TIME=abc\n", .plan = { "\"cache\": null" } },
	{ "piku-G10 the code may not choose the cache's directory", "web: x\n",
	  .env = "NGINX_CACHE_PREFIXES=a\nNGINX_CACHE_PATH=/etc\n",
	  .problems = { "W ENV:2:1: NGINX_CACHE_PATH is '/etc': only the operator" },
	  .plan = { "\"path\": null" } },
	{ "piku-G10 the operator may", "web: x\n", .env = "NGINX_CACHE_PREFIXES=a\n",
	  .config = "NGINX_CACHE_PATH=/srv/c/\n", .plan = { "\"path\": \"/srv/c\"" } },
	{ "a cache that is no directory", "web: x\n", .env = "NGINX_CACHE_PREFIXES=a\n",
	  .config = "NGINX_CACHE_PATH=c\n", .problems = { "NGINX_CACHE_PATH is 'c': expected an absolute" },
	  .refused = "NGINX_CACHE_PATH" },
	{ "piku-G19 Cloudflare only", "web: x\n", .env = "NGINX_CLOUDFLARE_ACL=true\nNGINX_HTTPS_ONLY=1\n",
	  .problems = { "W ENV:1:1: NGINX_CLOUDFLARE_ACL is set with NGINX_HTTPS_ONLY" },
	  .plan = { "\"acl\": {\"is_cloudflare_only\": true, \"deployer\": null}" } },
	{ "no Cloudflare list is wanted", "web: x\n", .env = "NGINX_CLOUDFLARE_ACL=false\n",
	  .plan = { "\"acl\": null" } },
	{ "uWSGI's file has no effect", "web: x\n", .env = "UWSGI_INCLUDE_FILE=u.ini\n",
	  .problems = { "W ENV:1:1: UWSGI_INCLUDE_FILE has no effect" } },

	{ "piku-D04 a bad line of ENV", "web: x\n", .env = "KEEP_RELEASES=3\nnonsense\nPORT=5001\n",
	  .plan = { "\"keep_releases\": 3", "\"fixed_port\": 5001" },
	  .problems = { "S ENV:2:1: expected NAME=VALUE" } },
	{ "scaling", "web: x\nworker: y\n", .scaling = "# c\nweb:3\n worker : 0 \n",
	  .plan = { "\"instances\": 3", "\"instances\": 0" } },
	{ "piku-F08 bad scaling", "web: x\nworker: y\n", .scaling = "web:two\nold:4\nworker:2\nx\nweb:-1\n",
	  .plan = { "\"instances\": 1", "\"instances\": 2" },
	  .problems = { "S SCALING:1:5: expected a number of instances from 0 to 1000, not 'two'; 1 is used",
			"W SCALING:2:1: there is no service 'old'", "S SCALING:4:1: expected 'NAME:COUNT'",
			"S SCALING:5:5: expected a number" } },
};

struct directory {
	char *path;
	int fd;
};

static void put(const struct directory *d, const char *name, const char *text)
{
	_cleanup_(freep) char *path = path_join(d->path, name);

	if (text)
		assert_int_equal(file_replace(path, text, strlen(text), 0644, NULL), 0);
}

static struct directory make_directory(void)
{
	char template[] = "/tmp/slipway-manifest.XXXXXX";
	struct directory d = { xstrdup(mkdtemp(template)), -1 };

	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(d.fd >= 0);
	return d;
}

static void directory_done(struct directory *d)
{
	(void) close(d->fd);
	(void) tree_remove(d->path, NULL);
	free(d->path);
}

static void assert_plan(const struct plan *p, const char *const *parts, size_t n)
{
	json_t *j = plan_to_json(p);
	_cleanup_(freep) char *text = json_dumps(j, 0);

	json_decref(j);
	for (size_t i = 0; i < n && parts[i]; i++) {
		if (*parts[i] != '!')
			assert_has(text, parts[i]);
		else if (strstr(text, parts[i] + 1))
			fail_msg("\"%s\" is in \"%s\"", parts[i] + 1, text);
	}
}

static void compiles(void **state)
{
	const struct compile_row *row = *state;
	_cleanup_(directory_done) struct directory d = make_directory();
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(plan_done) struct plan p = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	const struct host host = { .default_domain = (char *) "apps.example",
				   .router = (char *) "nginx",
				   .keep_releases = 7 };
	struct manifest_input in = { "blog_x.", d.fd, &env, row->scaling, &host };
	const struct manifest_ops *manifest;
	size_t n = 0;

	put(&d, "Procfile", row->procfile);
	put(&d, "ENV", row->env);
	manifest = manifest_detect(d.fd);
	assert_non_null(manifest);
	env_set(&env, "DATA_ROOT", "//r/./data/blog", "base");
	assert_int_equal(manifest->read_env(d.fd, &env, &problems, &e), 0);
	if (row->config)
		env_parse(&env, row->config, strlen(row->config), "config/ENV", "config", true, &problems);
	int r = manifest->compile(&p, &in, &problems, &e);
	_cleanup_(freep) char *complaints = problems_as_text(&problems);

	if (row->refused) {
		assert_int_equal(r, ERR_REFUSED);
		assert_has(e->msg, row->refused);
	} else if (r < 0) {
		fail_msg("refused: %s", e->msg);
	}
	assert_plan(&p, row->plan, COUNT(row->plan));
	for (; n < COUNT(row->problems) && row->problems[n]; n++)
		assert_has(complaints, row->problems[n]);
	if (problems.n != n)
		fail_msg("%zu problems instead of %zu: %s", problems.n, n, complaints);
}

static void detects(void **state)
{
	_cleanup_(directory_done) struct directory d = make_directory();

	(void) state;
	assert_null(manifest_detect(d.fd));
	put(&d, "Procfile", "web: x\n");
	assert_string_equal(manifest_detect(d.fd)->name, "procfile");
	assert_string_equal(manifest_file_names(), "Procfile");
}

static void stays_inside(void **state)
{
	_cleanup_(directory_done) struct directory d = make_directory();
	_cleanup_(freep) char *env_path = path_join(d.path, "ENV"),
			      *procfile_path = path_join(d.path, "Procfile");
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(plan_done) struct plan p = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	struct manifest_input in = { "blog", d.fd, &env, NULL, NULL };

	(void) state;
	assert_int_equal(link_replace("/etc/passwd", env_path, NULL), 0);
	assert_int_equal(link_replace("/etc/passwd", procfile_path, NULL), 0);
	assert_int_equal(manifest_detect(d.fd)->read_env(d.fd, &env, &problems, &e), ERR_REFUSED);
	assert_has(e->msg, "leads out of");
	assert_int_equal(manifest_detect(d.fd)->compile(&p, &in, &problems, &e), ERR_REFUSED);
	assert_has(e->msg, "leads out of");
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(finds_columns), cmocka_unit_test(has_a_ceiling),
		cmocka_unit_test(knows_kinds),   cmocka_unit_test(detects),
		cmocka_unit_test(stays_inside),
	};
	struct CMUnitTest tests[COUNT(parse_rows) + COUNT(compile_rows) + COUNT(others)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(parse_rows); i++)
		tests[n++] = (struct CMUnitTest){ parse_rows[i].name, parses, NULL, NULL,
						  (void *) &parse_rows[i] };
	for (size_t i = 0; i < COUNT(compile_rows); i++)
		tests[n++] = (struct CMUnitTest){ compile_rows[i].name, compiles, NULL, NULL,
						  (void *) &compile_rows[i] };
	for (size_t i = 0; i < COUNT(others); i++)
		tests[n++] = others[i];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
