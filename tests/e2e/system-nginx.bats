# The system's nginx, through the helper that runs as root: without systemd, so started for each connection by a few
# lines of Python; the "system's" nginx is one with a configuration of its own, as an operator would have it.
load helpers

setup_file() {
	[ "$(id -u)" = 0 ] || { skip_file "needs root" && return 0; }
	unshare -m true 2>/dev/null || { skip_file "needs mount namespaces" && return 0; }
	server_start
	export SYSTEM=$SERVER_DIR/system
	system_prepare
	system_nginx
	helper_start
}
teardown_file() {
	[ -z "${SKIP_FILE:-}" ] || return 0
	server_end_recorded helper
	server_end_recorded nginx
	server_stop
}

# slipwayd ends its own nginx; the operator's takes the ports.
system_prepare() {
	mkdir -p "$SYSTEM/state"
	sed -i "s|^private = true|private = false\nhelper = \"$SYSTEM/helper.sock\"\ncache = \"$SYSTEM/state/cache\"|" "$ROOT/config.toml"
	kill -HUP "$(cat "$ROOT/run/slipwayd.lock")"
	wait_until private_is_gone
	cat >"$SYSTEM/nginx.conf" <<-END
	user $(server_nginx_user);
	pid $SYSTEM/nginx.pid;
	error_log $SYSTEM/error.log notice;
	worker_processes 2;
	events { worker_connections 64; }
	http {
		gzip on;
		access_log $SYSTEM/access.log;
		server_names_hash_bucket_size 128;
		server {
			listen 127.0.0.1:$HTTP_PORT;
			server_name operator.example;
			return 200 "the operator's\n";
		}
		include $SYSTEM/state/live/_*.conf;
		include $SYSTEM/state/live/[a-z0-9]*.conf;
	}
	END
}
private_is_gone() { ! port_answers "$HTTP_PORT" && [ ! -e "$ROOT/run/nginx.pid" ]; }
system_nginx() {
	nginx -c "$SYSTEM/nginx.conf" -p "$SYSTEM" -e "$SYSTEM/error.log" 3>&-
	wait_until test -s "$SYSTEM/nginx.pid"
	server_record nginx "$(cat "$SYSTEM/nginx.pid")"
	wait_until port_answers "$HTTP_PORT"
}
nginx_command() { printf '%s\n' "$(command -v nginx)" -c "$SYSTEM/nginx.conf" -p "$SYSTEM" -e "$SYSTEM/error.log"; }
helper_command() { printf '%s\n' "$SLIPWAY_BIN/slipway-nginx" "$SERVER_USER" "$ROOT" "$SYSTEM/state" && nginx_command; }

# What systemd does with Accept=yes.
helper_start() {
	local words
	mapfile -t words < <(helper_command)
	setsid python3 - "$SYSTEM/helper.sock" "${words[@]}" >"$SYSTEM/helper.log" 2>&1 3>&- <<-'END' &
	import os, signal, socket, subprocess, sys
	signal.signal(signal.SIGCHLD, signal.SIG_IGN)
	listener = socket.socket(socket.AF_UNIX)
	listener.bind(sys.argv[1])
	os.chmod(sys.argv[1], 0o666)
	listener.listen(16)
	while True:
	    connection, _ = listener.accept()
	    subprocess.Popen(sys.argv[2:], stdin=connection)
	    connection.close()
	END
	server_record helper $!
	wait_until test -S "$SYSTEM/helper.sock"
}

# As a path unit would start it. Prints the verdict.
helper_once() {
	local words
	mapfile -t words < <(helper_command)
	"${words[@]}" </dev/null
}
# As user with what word? Prints the verdict.
helper_asked_by() {
	setpriv --reuid "$1" --clear-groups python3 - "$SYSTEM/helper.sock" "$2" <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.connect(sys.argv[1])
	s.sendall(sys.argv[2].encode())
	s.shutdown(socket.SHUT_WR)
	print(s.makefile().read(), end="")
	END
}
generation() { sed -n 's/.*return 200 "\([0-9a-f]*\) .*/\1/p' "$1/_generation.conf"; }
workers() { pgrep -P "$(cat "$SYSTEM/nginx.pid")" | sort; }

@test "an app is served by the system's nginx, over http and https" {
	app_create one
	run push one
	echo "$output"
	[ "$status" -eq 0 ]
	answers one 1
	[ "$(https one.localhost / | jq -r .version)" = 1 ]
	[ ! -e "$ROOT/run/nginx.pid" ]
	[ "$(http operator.example /)" = "the operator's" ]
	# The operator's settings are not changed for the operator's servers.
	http operator.example / -o /dev/null
	grep -q 'GET / HTTP' "$SYSTEM/access.log"
	[ "$(http_status nobody.example /)" != 200 ] || [ "$(http nobody.example /)" = "the operator's" ]
	# nginx reads root's copy alone.
	[ "$(stat -c %u "$SYSTEM/state/live/one.conf")" = 0 ]
	[ "$(generation "$SYSTEM/state/live")" = "$(generation "$ROOT/nginx")" ]
}

@test "a redeploy loses no request, and the first request after it meets the new version" {
	app_create two
	push two
	load_start two 40
	set_version two 2
	run push two
	[ "$status" -eq 0 ]
	answers two 2
	run load_stop
	echo "$output"
	[ "$(jq -r .failed <<<"$output")" = 0 ]
}

@test "what nginx refuses is refused with its words, and what was served still is" {
	local live
	app_create three
	push three
	live=$(sha256sum "$SYSTEM/state/live/three.conf")
	printf 'NGINX_INCLUDE_FILE=extra.conf\n' >"$WORK/three/ENV"
	printf 'client_max_body_size a-lot;\n' >"$WORK/three/extra.conf"
	set_version three 2
	run push three
	[ "$status" -ne 0 ]
	[[ $output == *'"client_max_body_size" directive invalid value'* ]]
	answers three 1
	[ "$(sha256sum "$SYSTEM/state/live/three.conf")" = "$live" ]
	[ "$(generation "$SYSTEM/state/live")" = "$(generation "$ROOT/nginx")" ]
}

@test "no directive that nginx's master would carry out as root gets in" {
	app_create four
	push four
	printf 'NGINX_INCLUDE_FILE=extra.conf\n' >"$WORK/four/ENV"
	printf 'error_log %s/owned;\n' "$SYSTEM" >"$WORK/four/extra.conf"
	set_version four 2
	run push four
	[ "$status" -ne 0 ]
	[[ $output == *'extra.conf:1: "error_log" is not allowed'* ]]
	answers four 1
	# Nor past slipway, by who has taken its user over: the helper looks for itself.
	printf 'access_log %s/owned;\n' "$SYSTEM" >"$ROOT/nginx/evil.conf"
	run helper_once
	[ "$status" -eq 4 ]
	[[ $output == "refused \"access_log\" is not allowed"*" in $ROOT/nginx/evil.conf:1" ]]
	rm "$ROOT/nginx/evil.conf"
	[ ! -e "$SYSTEM/owned" ]
	[ ! -e "$SYSTEM/state/live/evil.conf" ]
	# Nor what slipway's user could not read.
	ln -s /etc/shadow "$ROOT/nginx/shadow.conf"
	run helper_once
	rm "$ROOT/nginx/shadow.conf"
	[ "$status" -ne 0 ]
	[[ $output != *root:* ]]
}

@test "piku-G09 answers are cached by the system's nginx, in a directory of root's and nowhere else" {
	local path
	app_create cached
	printf 'NGINX_CACHE_PREFIXES=img\n' >"$WORK/cached/ENV"
	commit cached ENV
	run push cached
	echo "$output"
	[ "$status" -eq 0 ]
	http cached.localhost /img -o /dev/null
	http cached.localhost /img -o /dev/null -D "$BATS_TEST_TMPDIR/headers"
	grep -qi '^X-Cache: HIT' "$BATS_TEST_TMPDIR/headers"
	[ -n "$(find "$SYSTEM/state/cache/cached" -type f)" ]
	[ "$(stat -c %u "$SYSTEM/state/cache")" = 0 ]
	# Who has taken slipway's user over can have no other directory made or given away, nor use another's cache.
	mkdir "$SYSTEM/victim"
	for path in "$SYSTEM/victim" "$SYSTEM/state/cache/../../victim" "$SYSTEM/state/cache"; do
		printf 'proxy_cache_path "%s" keys_zone=evil:1m;\n' "$path" >"$ROOT/nginx/evil.conf"
		run helper_once
		[ "$status" -eq 4 ]
		[[ $output == 'refused a cache may only be a directory in '* ]]
	done
	printf 'server { listen 127.0.0.1:%s; server_name evil.example; proxy_cache cached; }\n' "$HTTP_PORT" >"$ROOT/nginx/evil.conf"
	run helper_once
	rm "$ROOT/nginx/evil.conf"
	[[ $output == 'refused "proxy_cache" has to name a cache of this very file'* ]]
	[ "$(stat -c %u "$SYSTEM/victim")" = 0 ]
	# Gone with the app.
	slipway destroy cached --yes
	[ ! -e "$SYSTEM/state/cache/cached" ]
}

@test "another user is refused, and so is another word" {
	run helper_asked_by 65534 take
	[[ $output == failed*"may not"* ]]
	run helper_asked_by 0 "take /etc"
	[[ $output == failed* ]]
}

@test "a touch makes nginx read its files again, and nothing else does" {
	local before
	app_create five
	push five
	before=$(workers)
	run helper_once
	[[ $output == ok* ]]
	[ -z "$(comm -13 <(echo "$before") <(workers))" ]
	touch "$ROOT/nginx/five.conf"
	run helper_once
	[[ $output == ok* ]]
	# shellcheck disable=SC2317
	workers_are_new() { [ -z "$(comm -12 <(workers) <(echo "$before"))" ]; }
	wait_until workers_are_new
	answers five 1
}

@test "a helper that is killed at any moment leaves an nginx that starts and serves" {
	local words pid i
	app_create six
	push six
	mapfile -t words < <(helper_command)
	for i in 0 0.002 0.005 0.01 0.02 0.04 0.08; do
		touch "$ROOT/nginx/six.conf"
		"${words[@]}" </dev/null >/dev/null 2>&1 3>&- &
		pid=$!
		sleep "$i"
		kill -KILL $pid 2>/dev/null || :
		wait $pid || :
		[ -e "$SYSTEM/state/live/six.conf" ]
		nginx -t -q -c "$SYSTEM/nginx.conf" -p "$SYSTEM" -e "$SYSTEM/error.log"
	done
	run helper_once
	[[ $output == ok* ]]
	answers six 1
	run push_version six 2
	[ "$status" -eq 0 ]
	answers six 2
}

@test "a file that another app broke is put aside and named" {
	app_create seven
	push seven
	printf 'server { listen nonsense:x; }\n' >"$ROOT/nginx/broken.conf"
	set_version seven 2
	run push seven
	[ "$status" -eq 0 ]
	[[ $output == *broken* ]]
	answers seven 2
	[ -e "$ROOT/nginx/broken.conf.broken" ]
	rm "$ROOT/nginx/broken.conf.broken"
}

@test "an nginx that does not run: the deployment fails and says so; an app can be destroyed" {
	app_create eight
	push eight
	server_end_recorded nginx
	set_version eight 2
	run push eight
	[ "$status" -ne 0 ]
	[[ $output == *"nginx does not run"* ]]
	run slipway destroy eight --yes
	[ "$status" -eq 0 ]
	[ ! -e "$SYSTEM/state/live/eight.conf" ]
	system_nginx
	answers one 1
	[ "$(http_status eight.localhost /)" != 200 ] || [ "$(http eight.localhost /)" = "the operator's" ]
}

@test "without the helper a deployment says what to start" {
	app_create nine
	push nine
	server_end_recorded helper
	rm "$SYSTEM/helper.sock"
	set_version nine 2
	run push nine
	[ "$status" -ne 0 ]
	[[ $output == *"systemctl start slipway-nginx.socket"* ]]
	answers nine 1
	helper_start
	slipway deploy nine --force
	answers nine 2
}
