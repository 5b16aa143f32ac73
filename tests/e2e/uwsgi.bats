# Services that run in uWSGI: real uWSGI with Debian's plugins, behind real nginx.
load helpers

setup_file() {
	[ -x /usr/bin/uwsgi-core ] || { skip_file "uwsgi-core is not installed"; return 0; }
	server_start
}
teardown_file() { server_stop; }

need_plugin() { [ -e "/usr/lib/uwsgi/plugins/$1_plugin.so" ] || skip "uWSGI's plugin $1 is not installed"; }

# Tells as JSON what it was given. BROKEN in the code: an import that fails.
wsgi_create() {
	need_plugin python3
	app_empty "$1"
	cat >"$WORK/$1/site_app.py" <<-'END'
		import json, os, sys, time
		import uwsgi
		VERSION = open("VERSION").read().strip()
		def app(env, start):
		    if env["PATH_INFO"] == "/slow":
		        time.sleep(1)
		    if env["PATH_INFO"] == "/up" and os.path.exists("SICK"):
		        start("500 Sick", [])
		        return [b"sick"]
		    shown = {k: v for k, v in env.items() if isinstance(v, str)}
		    told = {"version": VERSION, "pid": os.getpid(), "master": uwsgi.masterpid(), "env": shown,
		            "os": dict(os.environ), "options": {k: v.decode() if isinstance(v, bytes) else str(v)
		            for k, v in uwsgi.opt.items()}, "path": sys.path}
		    start("200 OK", [("Content-Type", "application/json")])
		    return [json.dumps(told).encode()]
	END
	printf 'wsgi: site_app:app\n' >"$WORK/$1/Procfile"
	printf '%s\n' "NGINX_SERVER_NAME=$1.localhost" "${@:2}" >"$WORK/$1/ENV"
	commit "$1"
}
env_file() { printf '%s\n' "${@:2}" >"$WORK/$1/ENV" && commit "$1" ENV; }
port_of() { instances "$1" ".[0].port"; }

@test "a wsgi service is served through a socket of its own, and shows what it was asked" {
	wsgi_create w1
	run push w1
	[ "$status" -eq 0 ]
	[ "$(ask w1 .version)" = 1 ]
	[ "$(ask w1 .env.REQUEST_SCHEME)" = http ]
	[ "$(https w1.localhost / | jq -r '.env.REQUEST_SCHEME + .env.HTTPS')" = httpson ]
	[ "$(ask w1 .env.HTTP_HOST)" = w1.localhost ]
	grep -q 'uwsgi_pass w1;' "$ROOT/nginx/w1.conf"
	local port
	port=$(port_of w1)
	[ -S "$ROOT/uwsgi/$port/sock" ]
	# No TCP port is open for it.
	run curl -s --max-time 5 "http://127.0.0.1:$port/"
	[ "$status" -ne 0 ]
}

@test "a redeploy of a wsgi service under load loses no request" {
	wsgi_create w2
	push w2
	load_start w2
	for version in 2 3 4; do
		run push_version w2 $version
		[ "$status" -eq 0 ]
		[ "$(ask w2 .version)" = $version ]
	done
	local result
	result=$(load_stop)
	echo "$result"
	[ "$(jq .failed <<<"$result")" = 0 ]
	[ "$(jq .ok <<<"$result")" -gt 0 ]
}

@test "a version that cannot be loaded is undone, and the old one serves" {
	wsgi_create w3
	push w3
	echo 'import no_such_module_at_all' >>"$WORK/w3/site_app.py"
	commit w3 broken
	run push w3
	[ "$status" -ne 0 ]
	[[ $output == *no_such_module_at_all* ]]
	[ "$(ask w3 .version)" = 1 ]
}

@test "piku-B03 wsgi beside web: web is dropped with a word" {
	wsgi_create b03
	procfile b03 'web: false' 'wsgi: site_app:app'
	run push b03
	[ "$status" -eq 0 ]
	[[ $output == *"'web' is ignored, because line 2 has 'wsgi'"* ]]
	[ "$(instances b03 '[.[].service] | unique | join(" ")')" = wsgi ]
	run cat "$ROOT/config/b03/SCALING"
	[[ $output != *web* ]]
	[ "$(ask b03 .version)" = 1 ]
}

@test "piku-F18 piku-D15 uWSGI's settings reach it, and no setting of the app becomes a directive" {
	wsgi_create f18 UWSGI_THREADS=8 UWSGI_IDLE=600 UWSGI_ASYNCIO=x UWSGI_PROCESSES=2 UWSGI_LISTEN=20 UWSGI_MAX_REQUESTS=77 \
		UWSGI_INCLUDE_FILE=conf/uwsgi.ini
	mkdir "$WORK/f18/conf"
	echo 'harakiri = 30' >"$WORK/f18/conf/uwsgi.ini"
	commit f18
	run push f18
	[ "$status" -eq 0 ]
	[[ $output == *"UWSGI_ASYNCIO is 'x', which is no number"* ]]
	slipway config:set f18 SECRET=abc
	slipway config:set f18 SECRET=abd
	local told
	told=$(http f18.localhost /)
	[ "$(jq -r '.os.SECRET' <<<"$told")" = abd ]
	[ "$(jq -r '.options | [.threads, .idle, .processes, .listen, ."max-requests", .harakiri] | join(" ")' <<<"$told")" = \
		"8 600 2 20 77 30" ]
	[ "$(jq -r '.options | has("SECRET")' <<<"$told")" = false ]
	# uWSGI would read what is called so as options.
	[ "$(jq -r '.os | [.UWSGI_THREADS, .UWSGI_IDLE, .UWSGI_ASYNCIO] | join("")' <<<"$told")" = "" ]
	run ! grep -r SECRET "$ROOT/uwsgi"
}

@test "piku-F19 an include file with header, comments and repeated keys; a missing one fails" {
	wsgi_create f19 UWSGI_INCLUDE_FILE=u.ini
	printf '%s\n' '; a comment' '[uwsgi]' '# another' 'env = FIRST=1' 'env = SECOND=%%2' '[other]' 'env = THIRD=3' >"$WORK/f19/u.ini"
	commit f19
	run push f19
	[ "$status" -eq 0 ]
	[ "$(ask f19 '.os | "\(.FIRST) \(.SECOND) \(.THIRD)"')" = "1 %2 null" ]
	printf '%s\n' 'harakiri' 'daemonize = /tmp/x' >"$WORK/f19/u.ini"
	commit f19
	run push f19
	[ "$status" -ne 0 ]
	[[ $output == *"u.ini:1"*"expected KEY = VALUE"* ]]
	[[ $output == *"u.ini:2"*"out of slipway's hands"* ]]
	git -C "$WORK/f19" rm -q u.ini
	commit f19
	run push f19
	[ "$status" -ne 0 ]
	[[ $output == *"UWSGI_INCLUDE_FILE names 'u.ini', which cannot be read"* ]]
	[ "$(ask f19 .os.FIRST)" = 1 ]
}

@test "piku-G16 a wsgi app is told scheme, client and forwarded headers, and none that the client made up" {
	wsgi_create g16
	push g16
	local told
	told=$(https g16.localhost / -H 'X-Forwarded-Proto: gopher')
	[ "$(jq -r '.env | "\(.["wsgi.url_scheme"]) \(.REMOTE_ADDR) \(.HTTP_X_FORWARDED_PROTO)"' <<<"$told")" = "https 127.0.0.1 https" ]
	told=$(http g16.localhost '/a%20b?c=d')
	[ "$(jq -r '.env | "\(.["wsgi.url_scheme"]) \(.PATH_INFO) \(.QUERY_STRING) \(.HTTP_X_FORWARDED_FOR)"' <<<"$told")" = \
		"http /a b c=d 127.0.0.1" ]
}

@test "answers of a wsgi app are cached like others" {
	wsgi_create cached NGINX_CACHE_PREFIXES=/kept
	push cached
	http cached.localhost /kept/x -D "$BATS_TEST_TMPDIR/first" -o /dev/null
	http cached.localhost /kept/x -D "$BATS_TEST_TMPDIR/second" -o /dev/null
	grep -qi '^X-Cache: MISS' "$BATS_TEST_TMPDIR/first"
	grep -qi '^X-Cache: HIT' "$BATS_TEST_TMPDIR/second"
}

@test "CHECK_PATH is asked through the socket" {
	wsgi_create sick CHECK_PATH=/up CHECK_TIMEOUT=2
	push sick
	touch "$WORK/sick/SICK"
	run push_version sick 2
	[ "$status" -ne 0 ]
	[[ $output == *"GET /up answered 500"* ]]
	[ "$(ask sick .version)" = 1 ]
}

@test "without a name in front of it a wsgi app speaks HTTP on its port" {
	wsgi_create bare
	printf 'NGINX_SERVER_NAME=\n' >"$WORK/bare/ENV"
	commit bare
	run push bare
	[ "$status" -eq 0 ]
	[ "$(curl -sS --max-time 20 "http://127.0.0.1:$(port_of bare)/" | jq -r .version)" = 1 ]
}

@test "requests are logged in Piku's format, and the log is rotated at UWSGI_LOG_MAXSIZE" {
	wsgi_create logs UWSGI_LOG_MAXSIZE=4096
	push logs
	http logs.localhost '/x?y=1' -H 'User-Agent: tester' -H 'Referer: http://r/' >"$BATS_TEST_TMPDIR/answer"
	wait_until grep -qE '^.*127\.0\.0\.1 - - \[[^]]+\] "GET /x\?y=1 HTTP/1\.1" 200 [0-9]+ "http://r/" "tester" [0-9]+ms$' \
		"$ROOT/logs/logs/wsgi.1.log"
	for _ in {1..60}; do http logs.localhost / >"$BATS_TEST_TMPDIR/answer"; done
	wait_until test -e "$ROOT/logs/logs/wsgi.1.log.old"
	[ "$(stat -c %s "$ROOT/logs/logs/wsgi.1.log.old")" -le 4096 ]
}

@test "several instances, each with its socket; stopped and started again" {
	wsgi_create many
	push many
	slipway ps:scale many wsgi=2
	[ "$(running many)" = 2 ]
	[ "$(grep -c 'server "unix:' "$ROOT/nginx/many.conf")" = 2 ]
	for _ in {1..6}; do ask many .os.SLIPWAY_INSTANCE; done | sort -u >"$BATS_TEST_TMPDIR/instances"
	[ "$(xargs <"$BATS_TEST_TMPDIR/instances")" = "1 2" ]
	slipway stop many
	[ "$(http_status many.localhost /)" = 503 ]
	slipway restart many
	[ "$(ask many .version)" = 1 ]
}

@test "the socket of another app is out of an app's sight" {
	wsgi_create mine
	push mine
	app_create other
	push other
	[ "$(slipway ps other --json | jq -r '[.. | .sandbox? // empty][0]')" != off ] || skip "there is no sandbox here"
	run slipway run other "ls $ROOT/uwsgi/$(port_of mine)/sock"
	[ "$status" -ne 0 ]
}

@test "a php service serves PHP and static files from the directory, no source, and an index" {
	need_plugin php
	app_empty php
	mkdir "$WORK/php/public"
	echo '<?php echo "php ", $_GET["a"] ?? "-", " ", $_SERVER["HTTP_HOST"];' >"$WORK/php/public/index.php"
	echo 'body{}' >"$WORK/php/public/a.css"
	echo '<?php $secret = "do-not-tell";' >"$WORK/php/public/x.inc"
	procfile php 'php: public'
	run push php
	[ "$status" -eq 0 ]
	[ "$(http php.localhost '/index.php?a=1')" = "php 1 php.localhost" ]
	[ "$(http php.localhost /)" = "php - php.localhost" ]
	[ "$(http php.localhost /a.css)" = 'body{}' ]
	run http php.localhost /x.inc
	[[ $output != *do-not-tell* ]]
	run http php.localhost /../Procfile
	[[ $output != *"php: public"* ]]
}

@test "rwsgi and jwsgi: what uWSGI cannot load is a command that serves HTTP" {
	app_create command
	procfile command 'rwsgi: python3 server.py'
	run push command
	[ "$status" -eq 0 ]
	[ "$(ask command .version)" = 1 ]
	grep -q 'proxy_pass http://command;' "$ROOT/nginx/command.conf"
}
