# nginx and TLS: what of group G of the Piku contract's acceptance cases is this issue's.
load helpers

setup_file() { server_start; }
teardown_file() { server_stop; }

conf() { cat "$ROOT/nginx/$1.conf"; }
# Settings of the repository, one a word.
env_file() { printf '%s\n' "${@:2}" >"$WORK/$1/ENV" && commit "$1" ENV; }

static_create() {
	app_empty "$1"
	mkdir -p "$WORK/$1/public/sub"
	echo index >"$WORK/$1/public/index.html"
	echo page >"$WORK/$1/public/page.html"
	echo 'body{}' >"$WORK/$1/public/a.css"
	echo sub >"$WORK/$1/public/sub/index.html"
	procfile "$1" "static: ${2:-public}"
}

@test "piku-G01 every host name is served, over http and https" {
	app_create g01
	env_file g01 'NGINX_SERVER_NAME=a.example,b.example'
	run push g01
	[ "$status" -eq 0 ]
	for host in a.example b.example; do
		[ "$(http "$host" / | jq -r .version)" = 1 ]
		[ "$(https "$host" / | jq -r .version)" = 1 ]
	done
	[ "$(conf g01 | grep -c '^[[:space:]]*upstream ')" = 1 ]
	conf g01 | grep -q X-Deployed-By
	http a.example / -D "$BATS_TEST_TMPDIR/headers" -o /dev/null
	grep -qi '^X-Deployed-By:' "$BATS_TEST_TMPDIR/headers"
	# The challenge of a certificate authority is answered over http.
	mkdir -p "$ROOT/acme/.well-known/acme-challenge"
	echo token >"$ROOT/acme/.well-known/acme-challenge/t"
	[ "$(http b.example /.well-known/acme-challenge/t)" = token ]
	# All names are in the certificate.
	openssl s_client -connect "127.0.0.1:$HTTPS_PORT" -servername b.example </dev/null 2>/dev/null |
		openssl x509 -noout -ext subjectAltName | grep -q 'DNS:a.example, DNS:b.example'
}

@test "piku-G02 HTTPS only redirects to the name that was asked for" {
	app_create g02
	env_file g02 'NGINX_SERVER_NAME=c.example,d.example' 'NGINX_HTTPS_ONLY=1'
	push g02
	[ "$(http_status d.example /x?y=1)" = 301 ]
	[[ $(http d.example '/x?y=1' -o /dev/null -w '%{redirect_url}') =~ ^https://d\.example(:[0-9]+)?/x\?y=1$ ]]
	echo token >"$ROOT/acme/.well-known/acme-challenge/t2" || mkdir -p "$ROOT/acme/.well-known/acme-challenge"
	echo token >"$ROOT/acme/.well-known/acme-challenge/t2"
	[ "$(http d.example /.well-known/acme-challenge/t2)" = token ]
	[ "$(https d.example / | jq -r .version)" = 1 ]
}

@test "piku-G03 host names that are unset later are served no more" {
	app_create g03
	env_file g03 'NGINX_SERVER_NAME=e.example'
	push g03
	[ "$(http_status e.example /)" = 200 ]
	env_file g03 'NGINX_SERVER_NAME='
	run push g03
	[ "$status" -eq 0 ]
	[ "$(http_status e.example / || :)" != 200 ]
	run grep -s e.example "$ROOT/nginx/g03.conf"
	[ -z "$output" ]
}

@test "piku-G04 static paths serve their directory and nothing beside it" {
	app_create g04
	mkdir -p "$WORK/g04/static"
	echo 'body{}' >"$WORK/g04/static/a.css"
	env_file g04 'NGINX_STATIC_PATHS=/static:static' 'SECRET=do-not-tell'
	run push g04
	[ "$status" -eq 0 ]
	local host=g04.localhost
	[ "$(http $host /static/a.css)" = 'body{}' ]
	for path in /static../ENV /static%2e%2e/ENV /static/../ENV /static/%2e%2e/ENV /static/..%2fENV /static/./../ENV \
		//static/../ENV /static/.git/config /static../.git/config; do
		run http $host "$path"
		# The app itself shows its environment: a traversal would give the bare file.
		[[ $output != *'SECRET=do-not-tell'* ]]
		[[ $output != *repositoryformatversion* ]]
	done
	[ "$(http $host /staticx | jq -r .path)" = /staticx ]
	[[ $(http_status $host /static) == 30[1278] ]]
}

@test "piku-G04 a mapping of the whole directory never serves ENV, Procfile or .git" {
	app_create g04b
	env_file g04b 'NGINX_STATIC_PATHS=/all:.' 'SECRET=do-not-tell'
	push g04b
	[ "$(http g04b.localhost /all/VERSION)" = 1 ]
	for path in ENV Procfile .git/config .git %45NV './ENV' 'x/../ENV'; do
		[ "$(http_status g04b.localhost "/all/$path")" != 200 ]
	done
}

@test "piku-G05 every form of a static service" {
	static_create g05 public
	run push g05
	[ "$status" -eq 0 ]
	[ "$(http g05.localhost /)" = index ]
	[ "$(http g05.localhost /a.css)" = 'body{}' ]
	[ "$(http_status g05.localhost /missing)" = 404 ]
	[ "$(http_status g05.localhost /../ENV)" != 200 ]
	local spec
	for spec in public/ /public/ /:public /:public,/s:public/sub; do
		procfile g05 "static: $spec"
		run push g05
		echo "$spec: $status"
		[ "$status" -eq 0 ]
		[ "$(http g05.localhost /a.css)" = 'body{}' ]
	done
	[ "$(http g05.localhost /s/)" = sub ]
	procfile g05 'static: /'
	run push g05
	[ "$status" -eq 0 ]
	[ "$(http g05.localhost /public/a.css)" = 'body{}' ]
	[ "$(http_status g05.localhost /Procfile)" != 200 ]
	procfile g05 'static: /foo:public'
	run push g05
	if [ "$status" -eq 0 ]; then
		[ "$(http g05.localhost /foo/a.css)" = 'body{}' ]
	else
		[ "$(http g05.localhost /public/a.css)" = 'body{}' ]
	fi
}

@test "piku-G06 files before the app, and the app for the rest" {
	app_create g06
	mkdir "$WORK/g06/public"
	echo file >"$WORK/g06/public/file.txt"
	procfile g06 'web: python3 server.py' 'static: public'
	run push g06
	[ "$status" -eq 0 ]
	[ "$(http g06.localhost /file.txt)" = file ]
	[ "$(http g06.localhost /other | jq -r .path)" = /other ]
	[ "$(ask g06 .version)" = 1 ]
}

@test "piku-G07 a bad item of the static paths is named, and blanks are trimmed" {
	app_create g07
	mkdir "$WORK/g07/b" "$WORK/g07/d"
	echo one >"$WORK/g07/b/f"
	echo two >"$WORK/g07/d/f"
	push g07
	for spec in x '/a:b:c' '/a:'; do
		env_file g07 "NGINX_STATIC_PATHS=$spec"
		run push g07
		[ "$status" -ne 0 ]
		[[ $output == *"$spec"* ]]
		answers g07 1
	done
	env_file g07 'NGINX_STATIC_PATHS=/a:b, /c:d'
	run push g07
	[ "$status" -eq 0 ]
	[ "$(http g07.localhost /a/f)$(http g07.localhost /c/f)" = onetwo ]
}

@test "piku-G08 catch-all and clean URLs" {
	static_create g08
	env_file g08 'NGINX_CATCH_ALL=index.html'
	push g08
	[ "$(http g08.localhost /deep/link)" = index ]
	[ "$(http g08.localhost /page)" = page ]
}

@test "large files are read past the page cache, small ones are not slowed down by it" {
	static_create glarge
	push glarge
	conf glarge | grep -q 'sendfile_max_chunk 1m;'
	run ! grep directio "$ROOT/nginx/glarge.conf"
	head -c 9000000 /dev/urandom >"$WORK/glarge/public/large.bin"
	commit glarge
	push glarge
	if nginx -V 2>&1 | grep -q -- --with-threads; then
		conf glarge | grep -q 'directio 8m;'
		conf glarge | grep -q 'aio threads;'
	fi
	http glarge.localhost /large.bin | cmp - "$WORK/glarge/public/large.bin"
	[ "$(http glarge.localhost /a.css)" = 'body{}' ]
}

@test "piku-G09 answers below the prefixes are cached, and the app hears its name" {
	app_create g09
	env_file g09 'NGINX_CACHE_PREFIXES=/img,api|/x' NGINX_CACHE_TIME=abc
	run push g09
	[ "$status" -eq 0 ]
	[[ $output == *"NGINX_CACHE_TIME is 'abc'"*3600* ]]
	local headers=$BATS_TEST_TMPDIR/headers path first again
	for path in /img/1 /API/2 /x3; do
		first=$(http g09.localhost "$path?q=1" -D "$headers")
		grep -qi '^X-Cache: MISS' "$headers"
		[[ $(jq -r .headers.Host <<<"$first") == g09.localhost* ]]
		again=$(http g09.localhost "$path?q=1" -D "$headers")
		grep -qi '^X-Cache: HIT' "$headers"
		grep -qi '^Cache-Control: public, max-age=3600' "$headers"
		grep -qi '^X-Deployed-By: Piku' "$headers"
		[ "$again" = "$first" ]
	done
	http g09.localhost /other -D "$headers" -o /dev/null
	run ! grep -qi '^X-Cache' "$headers"
	# What one who has signed in gets is for nobody else, nor the same path under https.
	http g09.localhost /img/1?q=1 -H 'Authorization: x' -D "$headers" -o /dev/null
	grep -qi '^X-Cache: BYPASS' "$headers"
	https g09.localhost /img/1?q=1 -D "$headers" -o /dev/null
	grep -qi '^X-Cache: MISS' "$headers"
	# A redeploy and another directory of the operator's go on.
	slipway config:set g09 "NGINX_CACHE_PATH=$SERVER_DIR/kept" NGINX_CACHE_CONTROL=60
	http g09.localhost /img/1 -o /dev/null
	http g09.localhost /img/1 -D "$headers" -o /dev/null
	grep -qi '^X-Cache: HIT' "$headers"
	grep -qi '^Cache-Control: public, max-age=60' "$headers"
	[ -n "$(find "$SERVER_DIR/kept/slipway-cache-g09" -type f)" ]
}

@test "piku-G10 a cache always has a directory, and never one of the repository's choice" {
	app_create g10
	env_file g10 NGINX_CACHE_PREFIXES=img "NGINX_CACHE_PATH=$SERVER_DIR/stolen"
	run push g10
	[ "$status" -eq 0 ]
	[[ $output == *'only the operator may choose'* ]]
	[ ! -e "$SERVER_DIR/stolen" ]
	conf g10 | grep -qF "proxy_cache_path \"$ROOT/cache/.nginx/kept/g10\""
	http g10.localhost /img -o /dev/null
	[ -n "$(find "$ROOT/cache/.nginx/kept/g10" -type f)" ]
	# One that does not exist is made, one that cannot be used is not.
	slipway config:set g10 "NGINX_CACHE_PATH=$SERVER_DIR/none/x"
	http g10.localhost /img -o /dev/null
	[ -n "$(find "$SERVER_DIR/none/x" -type f)" ]
	run slipway config:set g10 "NGINX_CACHE_PATH=$ROOT/data/g10"
	[[ $output == *'cannot be used'* ]]
	conf g10 | grep -qF "proxy_cache_path \"$ROOT/cache/.nginx/kept/g10\""
	slipway destroy g10 --yes
	[ ! -e "$ROOT/cache/.nginx/kept/g10" ]
}

@test "piku-G11 .git is forbidden unless it is allowed" {
	# Git takes no directory .git into a commit; the rule is about any path with that name.
	app_create g11
	push g11
	[ "$(http_status g11.localhost /.git/config)" = 403 ]
	env_file g11 'NGINX_ALLOW_GIT_FOLDERS=true'
	push g11
	[ "$(http_status g11.localhost /.git/config)" = 200 ]
	env_file g11 'NGINX_ALLOW_GIT_FOLDERS=false'
	push g11
	[ "$(http_status g11.localhost /.git/config)" = 403 ]
}

@test "piku-G12 what nginx refuses fails the deployment in nginx's words, and the site stays" {
	app_create g12
	push g12
	local before
	before=$(conf g12)
	echo 'bogus_directive on;' >"$WORK/g12/nginx.inc"
	env_file g12 'NGINX_INCLUDE_FILE=nginx.inc'
	run push_version g12 2
	[ "$status" -ne 0 ]
	[[ $output == *bogus_directive* ]]
	answers g12 1
	[ "$(conf g12)" = "$before" ]
	echo 'add_header X-Mine $APP-yes;' >"$WORK/g12/nginx.inc"
	run push_version g12 3
	[ "$status" -eq 0 ]
	https g12.localhost / -D "$BATS_TEST_TMPDIR/headers" -o /dev/null
	grep -qi '^X-Mine: g12-yes' "$BATS_TEST_TMPDIR/headers"
}

@test "piku-G13 a missing include file fails before anything is built" {
	app_create g13
	push g13
	local before
	before=$(releases_of g13)
	env_file g13 'NGINX_INCLUDE_FILE=nothere.inc'
	run push g13
	[ "$status" -ne 0 ]
	[[ $output == *nothere.inc* ]]
	answers g13 1
	[ "$(releases_of g13)" = "$before" ]
}

@test "piku-G14 DISABLE_IPV6 leaves no IPv6 listener" {
	app_create g14
	env_file g14 'DISABLE_IPV6=1'
	push g14
	run grep -F '[::' "$ROOT/nginx/g14.conf"
	[ "$status" -eq 1 ]
	env_file g14 'DISABLE_IPV6=1' 'NGINX_IPV6_ADDRESS=[::1]'
	run push g14
	[ "$status" -eq 0 ]
	run grep -F '[::' "$ROOT/nginx/g14.conf"
	[ "$status" -eq 1 ]
	# By default the private nginx of this test listens on IPv4 only (config.toml).
	answers g14 1
}

@test "piku-G15 websockets are upgraded, plain requests are not asked to" {
	app_create g15
	push g15
	run python3 - "$HTTP_PORT" <<-'END'
	import socket, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
	s.sendall(b"GET /ws HTTP/1.1\r\nHost: g15.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	data = b""
	while b"hello" not in data:
	    more = s.recv(4096)
	    if not more:
	        break
	    data += more
	print(data)
	END
	[[ $output == *"101 Switching"* && $output == *hello* ]]
	[[ $output == *s3pPLMBiTxaQ9kYGzzhZRbK+xOo=* ]]
	[[ $(ask g15 '.headers.Connection // "" | ascii_downcase') != *upgrade* ]]
}

@test "piku-G16 the app is told scheme, host and client" {
	app_create g16
	push g16
	local seen
	seen=$(https g16.localhost / | jq .headers)
	[ "$(jq -r '.["X-Forwarded-Proto"]' <<<"$seen")" = https ]
	[[ $(jq -r .Host <<<"$seen") == g16.localhost* ]]
	[ "$(jq -r '.["X-Forwarded-For"]' <<<"$seen")" = 127.0.0.1 ]
	[ "$(ask g16 '.headers["X-Forwarded-Proto"]')" = http ]
}

# Certificates are in certs/ (design: Files).
@test "piku-G22 half a certificate is made whole" {
	app_create g22
	push g22
	[ -s "$ROOT/certs/g22.key" ]
	[ -s "$ROOT/certs/g22.crt" ]
	rm "$ROOT/certs/g22.crt"
	run push_version g22 2
	[ "$status" -eq 0 ]
	[ -s "$ROOT/certs/g22.crt" ]
	: >"$ROOT/certs/g22.crt"
	run push_version g22 3
	[ "$status" -eq 0 ]
	[ "$(https g22.localhost / | jq -r .version)" = 3 ]
	[ "$(stat -c %a "$ROOT/certs/g22.key")" = 600 ]
}

@test "piku-G23 another app's broken file does not stop this one" {
	app_create g23a
	app_create g23b
	push g23a
	push g23b
	echo 'broken by hand' >>"$ROOT/nginx/g23a.conf"
	run push_version g23b 2
	[ "$status" -eq 0 ]
	answers g23b 2
	[[ $output == *g23a* ]]
	run push_version g23a 2
	[ "$status" -eq 0 ]
	answers g23a 2
}

@test "piku-G24 unknown host names reach no app" {
	app_create g24
	push g24
	[ "$(http_status unknown.example /)" = 404 ]
	run https unknown.example /
	[ "$status" -ne 0 ]
}

@test "a killed nginx comes back" {
	app_create gkill
	push gkill
	local pid
	pid=$(control hello | jq .router_pid)
	kill -KILL "$pid"
	# Its workers go on by themselves, as they were: a change shows whether there is a new one.
	wait_until push_version gkill 2
	wait_until answers gkill 2
	[ "$(control hello | jq .router_pid)" != "$pid" ]
}
