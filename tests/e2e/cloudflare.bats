# NGINX_CLOUDFLARE_ACL, with a list of our own: loopback addresses play Cloudflare (127.0.0.3) and the world (127.0.0.2).
load helpers

setup_file() {
	server_start
	export LISTS=$SERVER_DIR/lists
	mkdir -p "$LISTS"
	lists_start
}
teardown_file() {
	server_end_recorded lists
	server_stop
}

lists_start() {
	setsid python3 - "$LISTS" "$SERVER_DIR/lists.port" >"$SERVER_DIR/lists.log" 2>&1 3>&- <<-'END' &
	import functools, http.server, os, sys
	handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
	server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
	with open(sys.argv[2] + ".new", "w") as f:
	    f.write(str(server.server_address[1]))
	os.rename(sys.argv[2] + ".new", sys.argv[2])
	server.serve_forever()
	END
	server_record lists $!
	wait_until test -s "$SERVER_DIR/lists.port"
	sed -i "s|^private = true|private = true\ncloudflare_ranges = \"http://127.0.0.1:$(<"$SERVER_DIR/lists.port")/ips\"|" "$ROOT/config.toml"
}
# list IPV4 IPV6: JSON lists.
list() { printf '{"result": {"ipv4_cidrs": %s, "ipv6_cidrs": %s}, "success": true}\n' "$@" >"$LISTS/ips"; }
KEPT=cache/.nginx/cloudflare
grow_old() { touch -d '2 days ago' "$ROOT/$KEPT"; }
# from ADDRESS HOST PATH: the status.
from() { http_status "$2" "$3" --interface "$1" "${@:4}"; }
guarded() {
	app_create "$1"
	mkdir -p "$WORK/$1/static"
	echo file >"$WORK/$1/static/f"
	printf '%s\n' NGINX_CLOUDFLARE_ACL=true NGINX_STATIC_PATHS=/s:static NGINX_CACHE_PREFIXES=kept >"$WORK/$1/ENV"
	commit "$1" ENV
}

@test "piku-G18 without a list nobody is let in: the deployment fails" {
	guarded g18
	local bad
	for bad in '' '{"success": false}' 'no JSON' '{"success": true, "result": {}}'; do
		rm -f "$LISTS/ips"
		[ -z "$bad" ] || echo "$bad" >"$LISTS/ips"
		run push_version g18 2
		[ "$status" -ne 0 ]
		[[ $output == *"Cloudflare's addresses are not known"* ]]
		[ "$(http_status g18.localhost /)" = 404 ]
	done
	# What is no range, or half the world, spoils the list.
	for bad in '["0.0.0.0/0"]' '["10.0.0.0/24; allow all"]' '["10.0.0.0/33"]' '["10.0.0.1"]' '[7]' '[]'; do
		list "$bad" '["2400:cb00::/32"]'
		run push_version g18 2
		[ "$status" -ne 0 ]
		[[ $output == *"Cloudflare's addresses are not known"* ]]
	done
	[ ! -e "$ROOT/$KEPT" ]
}

@test "piku-G19 Cloudflare, the deployer and this machine come in, nobody else, and the visitor's address counts" {
	list '["127.0.0.3/32", "173.245.48.0/20"]' '["2400:cb00::/32", "2606:4700::/32"]'
	guarded g19
	run push g19
	[ "$status" -eq 0 ]
	local path range seen
	for range in 127.0.0.3/32 173.245.48.0/20 2400:cb00::/32 2606:4700::/32; do
		grep -qF "	$range 1;" "$ROOT/nginx/g19.conf"
		grep -qF "	set_real_ip_from $range;" "$ROOT/nginx/g19.conf"
	done
	for path in / /s/f /kept/x /s /.git/x; do
		[ "$(from 127.0.0.2 g19.localhost $path)" = 403 ]
		[ "$(from 127.0.0.2 g19.localhost $path -H 'CF-Connecting-IP: 127.0.0.1')" = 403 ]
	done
	for path in / /s/f /kept/x; do
		[ "$(from 127.0.0.3 g19.localhost $path -H 'CF-Connecting-IP: 9.9.9.9')" = 200 ]
		[ "$(from 127.0.0.1 g19.localhost $path)" = 200 ]
	done
	seen=$(http g19.localhost / --interface 127.0.0.3 -H 'CF-Connecting-IP: 9.9.9.9' | jq .headers)
	[ "$(jq -r '.["X-Remote-Address"]' <<<"$seen")" = 9.9.9.9 ]
	[ "$(jq -r '.["X-Forwarded-For"]' <<<"$seen")" = 9.9.9.9 ]
	# Who is not Cloudflare cannot say to be somebody else.
	seen=$(http g19.localhost / -H 'CF-Connecting-IP: 9.9.9.9' | jq .headers)
	[ "$(jq -r '.["X-Remote-Address"]' <<<"$seen")" = 127.0.0.1 ]
	# A certificate authority comes from anywhere, and no further.
	mkdir -p "$ROOT/acme/.well-known/acme-challenge"
	echo token >"$ROOT/acme/.well-known/acme-challenge/t19"
	[ "$(from 127.0.0.2 g19.localhost /.well-known/acme-challenge/t19)" = 200 ]
	[ "$(from 127.0.0.2 g19.localhost /.well-known/acme-challenge/../../)" = 403 ]
	# sshd says where the deployer is; it holds for later deployments from the machine itself.
	[ "$(from 127.0.0.9 g19.localhost /)" = 403 ]
	env -i PATH="$SERVER_PATH" HOME="$SERVER_DIR/home" USER="$SERVER_USER" SLIPWAY_ROOT="$ROOT" \
		SSH_CLIENT='127.0.0.9 1 2' "$SLIPWAY_BIN/slipway" deploy g19 --force
	[ "$(from 127.0.0.9 g19.localhost /)" = 200 ]
	slipway config:set g19 A=1
	[ "$(from 127.0.0.9 g19.localhost /)" = 200 ]
	[ "$(from 127.0.0.2 g19.localhost /)" = 403 ]
}

@test "piku-G19 the list is kept when it cannot be fetched, and renewed without a deployment" {
	list '["127.0.0.3/32"]' '["2400:cb00::/32"]'
	guarded g19b
	rm -f "$ROOT/$KEPT"
	push g19b
	rm "$LISTS/ips"
	grow_old
	run push_version g19b 2
	[ "$status" -eq 0 ]
	[[ $output == *'the kept list is used'* ]]
	[ "$(from 127.0.0.3 g19b.localhost /)" = 200 ]
	[ "$(from 127.0.0.2 g19b.localhost /)" = 403 ]
	# What slipwayd does every hour: nothing while the list is fresh, nor when it cannot be had.
	list '["127.0.0.4/32"]' '["2400:cb00::/32"]'
	touch "$ROOT/$KEPT"
	"$SLIPWAY_BIN/slipwayd" tend "$ROOT"
	[ "$(from 127.0.0.3 g19b.localhost /)" = 200 ]
	grow_old
	mv "$LISTS/ips" "$LISTS/ips.later"
	"$SLIPWAY_BIN/slipwayd" tend "$ROOT"
	[ "$(from 127.0.0.3 g19b.localhost /)" = 200 ]
	mv "$LISTS/ips.later" "$LISTS/ips"
	"$SLIPWAY_BIN/slipwayd" tend "$ROOT"
	[ "$(from 127.0.0.4 g19b.localhost /)" = 200 ]
	[ "$(from 127.0.0.3 g19b.localhost /)" = 403 ]
	answers g19b 2
}
