# After a boot of the machine all that ran comes back. Here everything of the server is killed at once and slipwayd is
# told that another boot came; the real reboot is in tests/lab.
load helpers
export WAIT_SECONDS=120

setup_file() { server_start; }
teardown_file() { server_stop; }

hello() { control hello | jq -r "$1"; }

# What a loss of power leaves: the files.
power_off() {
	local daemon nginx pid all
	read -r daemon _ <<<"$(server_recorded slipwayd)"
	nginx=$(hello .router_pid)
	all=$(control instances | jq -r '.instances[] | select(.pid > 0) | "-\(.pid)"')
	all+=" $nginx $(cat "/proc/$nginx/task/$nginx/children") $(pgrep -xf "[^ ]*/slipwayd keeper $ROOT")"
	kill -KILL "$daemon"
	wait_until pid_is_gone "$daemon"
	for pid in $all; do kill -KILL -- "$pid" || :; done
	for pid in $all; do wait_until pid_is_gone "${pid#-}"; done
}
power_on() {
	boots=$((${boots:-1} + 1))
	# shellcheck disable=SC2034 # scripts/server.bash reads it
	SERVER_ENV=("SLIPWAY_TEST_BOOT=boot $boots")
	server_start_slipwayd
	wait_until port_answers "$HTTP_PORT"
}
ports() { instances "$1" '.[] | "\(.service).\(.ordinal) \(.port) v\(.version)"'; }
processes() { instances "$1" '[.[] | select(.pid > 0)] | length'; }
processes_are() { [ "$(processes "$1")" = "$2" ]; }

# gated NAME [LINE OF ENV]...: a web service that listens once its file "go" is there; /up answers 200 with "up", else 503.
gated() {
	app_empty "$1"
	cat >"$WORK/$1/server.py" <<-'END'
	import http.server, os, pathlib, time
	data = pathlib.Path(os.environ["DATA_ROOT"])
	while not (data / "go").exists():
	    time.sleep(0.05)
	class Handler(http.server.BaseHTTPRequestHandler):
	    def do_GET(self):
	        self.send_response(503 if self.path == "/up" and not (data / "up").exists() else 200)
	        self.send_header("Content-Length", "0")
	        self.end_headers()
	http.server.ThreadingHTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Handler).serve_forever()
	END
	printf '%s\n' "${@:2}" >"$WORK/$1/ENV"
	procfile "$1" 'web: exec python3 server.py'
	mkdir -p "$ROOT/data/$1"
	touch "$ROOT/data/$1/go" "$ROOT/data/$1/up"
	push "$1"
	slipway stop "$1"
	slipway start "$1"
}

@test "piku-F16 after a boot what ran is back with the same ports, and what was stopped stays stopped" {
	app_create one && app_create two && app_create still
	procfile two 'web: python3 server.py' 'worker: exec sleep 100000'
	for app in one two still; do push $app; done
	slipway ps:scale two web=2 worker=3
	slipway stop still
	wait_until settled two
	local one two pids
	one=$(ports one) two=$(ports two)
	pids=$(instances two '.[].pid')
	power_off
	power_on
	wait_until running_is one 1
	wait_until running_is two 5
	wait_until answers one 1
	wait_until answers two 1
	[ "$(ports one)" = "$one" ]
	[ "$(ports two)" = "$two" ]
	[ -z "$(comm -12 <(sort <<<"$pids") <(instances two '.[].pid' | sort))" ]
	[ -z "$(ports still)" ]
	[[ $(slipway apps) == *still* ]]
	# Once more, and deployed after that.
	power_off
	power_on
	wait_until running_is two 5
	run push_version two 2
	[ "$status" -eq 0 ]
	[ "$(ports one)" = "$one" ]
}

@test "apps are started in the order of START_AFTER, each when the ones before are healthy" {
	gated db && gated api 'START_AFTER=db' && gated front 'START_AFTER=api, db'
	power_off
	rm "$ROOT/data/db/go"
	power_on
	wait_until processes_are db 1
	# Whatever has no order is up meanwhile.
	wait_until running_is one 1
	[ "$(processes api) $(processes front)" = '0 0' ]
	rm "$ROOT/data/api/go"
	touch "$ROOT/data/db/go"
	wait_until processes_are api 1
	[ "$(processes front)" = 0 ]
	touch "$ROOT/data/api/go"
	wait_until processes_are front 1
	wait_until port_answers "$(instances front '.[].port')"
}

@test "an HTTP check has to pass, and an app that never comes up is waited for no longer than its time" {
	gated slow 'CHECK_PATH=/up' 'CHECK_TIMEOUT=300' && gated behind 'START_AFTER=slow'
	gated broken 'CHECK_TIMEOUT=15' # enough for its deployment on a busy machine
	gated after-broken 'START_AFTER=broken'
	power_off
	rm "$ROOT/data/slow/up" "$ROOT/data/broken/go"
	power_on
	wait_until processes_are slow 1
	wait_until port_answers "$(instances slow '.[].port')"
	wait_until processes_are after-broken 1
	[ "$(processes behind)" = 0 ]
	touch "$ROOT/data/slow/up"
	wait_until processes_are behind 1
	touch "$ROOT/data/broken/go"
}

@test "one that crashes holds up nobody who does not wait for it" {
	app_empty crash
	procfile crash "worker: [ ! -e \$DATA_ROOT/crash ] || exit 3; exec sleep 100000"
	push crash
	echo START_AFTER=crash >"$WORK/one/ENV" && commit one && push one
	power_off
	touch "$ROOT/data/crash/crash"
	power_on
	wait_until running_is two 5
	crashes() { [ "$(instances crash '.[].last_status')" = 3 ]; }
	wait_until crashes
	wait_until running_is one 1
	rm "$ROOT/data/crash/crash"
	wait_until running_is crash 1
}

@test "only so many are started at once" {
	local app
	for app in db api front slow behind broken after-broken crash; do slipway destroy $app --yes; done
	gated g1 && gated g2 && gated g3
	slipway stop one && slipway stop two
	printf '\n[instances]\nstart_at_once = 1\n' >>"$ROOT/config.toml"
	power_off
	rm "$ROOT"/data/g?/go
	power_on
	total() { control instances | jq '[.instances[] | select(.pid > 0)] | length'; }
	total_is() { [ "$(total)" = "$1" ]; }
	wait_until total_is 1
	app=$(control instances | jq -r '.instances[] | select(.pid > 0) | .app')
	touch "$ROOT/data/$app/go"
	wait_until total_is 2
	[ "$(total)" = 2 ]
	touch "$ROOT"/data/g?/go
	wait_until total_is 3
	slipway start one
	[ "$(ask one .version)" = 1 ]
}

@test "a cycle is refused and named, an app that is not there is warned of" {
	gated ring 'START_AFTER=nobody'
	[[ $(cat "$ROOT"/logs/ring/deploy-*.log) == *"'nobody'"* ]]
	gated ring2 'START_AFTER=ring' && gated ring3 'START_AFTER=ring2'
	echo 'START_AFTER=ring3' >"$WORK/ring/ENV" && commit ring
	run push ring
	[ "$status" -ne 0 ]
	[[ $output == *'ring > ring3 > ring2 > ring'* ]]
	run slipway config:set ring START_AFTER=ring
	[ "$status" -eq 4 ]
	run slipway config:set ring 'START_AFTER=No/Name'
	[ "$status" -eq 4 ]
	[ "$(processes ring)" = 1 ]
}
