# What runs on a host outlives slipwayd, and comes back after a reboot and a loss of power: piku-F16 for real.
# shellcheck disable=SC2154 # output, status are set by run
load helpers

setup_file() {
	host_prepare
	host_install
}
teardown_file() { host_clean; }

# Those of an app that run: "SERVICE.N PORT PID" a line; "ports" without the pid.
running() { slipway ps "$1" --json | jq -r '.instances[] | select(.pid > 0) | "\(.service).\(.ordinal) \(.port) \(.pid)"'; }
ports() { running "$1" | cut -d' ' -f1,2; }
processes() { running "$1" | wc -l; }
processes_are() { [ "$(processes "$1")" = "$2" ]; }
open_gate() { on 1 touch "/var/lib/slipway/.slipway/data/$1/go" </dev/null; }

# gated NAME [START_AFTER]: a web service that listens once its file "go" is there.
gated() {
	on 1 bash -s - "$@" <<-'SCRIPT'
	set -e
	git init -q "/root/work/$1" && cd "/root/work/$1"
	cat >server.py <<-'END'
	import http.server, os, pathlib, time
	while not (pathlib.Path(os.environ["DATA_ROOT"]) / "go").exists():
	    time.sleep(0.05)
	class Handler(http.server.BaseHTTPRequestHandler):
	    def do_GET(self):
	        self.send_response(200)
	        self.send_header("Content-Length", "0")
	        self.end_headers()
	http.server.ThreadingHTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Handler).serve_forever()
	END
	echo 'web: exec python3 server.py' >Procfile
	printf 'CHECK_TIMEOUT=3600\n%s\n' "${2:+START_AFTER=$2}" >ENV
	git add -A && git commit -q -m one
	install -d -o slipway -g slipway "/var/lib/slipway/.slipway/data/$1"
	touch "/var/lib/slipway/.slipway/data/$1/go"
	SCRIPT
	push "$1"
}

@test "a restart, a kill and a stop of slipwayd leave pids and ports, and no line of a log is lost" {
	on 1 bash -s <<-'SCRIPT'
	set -e
	git init -q /root/work/count && cd /root/work/count
	cp /src/tests/e2e/fixtures/server.py .
	cat >Procfile <<-'END'
	web: exec python3 server.py
	worker: i=0; while :; do i=$((i + 1)); echo line $i; sleep 0.05; done
	END
	echo 'NGINX_SERVER_NAME=count.example' >ENV
	echo 1 >VERSION
	git add -A && git commit -q -m one
	SCRIPT
	push count
	wait_until processes_are count 2
	local before old pid
	before=$(running count)
	on 1 systemctl restart slipwayd </dev/null
	wait_until daemon_answers
	[ "$(running count)" = "$before" ]
	old=$(daemon_pid)
	on 1 kill -KILL "$old" </dev/null
	is_new() { [ "$(daemon_pid)" != "$old" ] && daemon_answers; }
	wait_until is_new
	[ "$(running count)" = "$before" ]
	on 1 systemctl stop slipwayd </dev/null
	answers count 1
	on 1 systemctl start slipwayd </dev/null
	wait_until daemon_answers
	[ "$(running count)" = "$before" ]
	answers count 1
	# Written to and read on, without a gap.
	line() { on 1 tail -n1 /var/lib/slipway/.slipway/logs/count/worker.1.log </dev/null | sed -n 's/.* line //p'; }
	local seen
	seen=$(line)
	goes_on() { [ "$(line)" -gt "$seen" ]; }
	wait_until goes_on
	run on 1 awk '/ line [0-9]+$/ { if ($NF != last + 1) print "after " last ": " $0; last = $NF }' \
		/var/lib/slipway/.slipway/logs/count/worker.1.log </dev/null
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	# Adopted, not forgotten: one that dies is started again.
	pid=$(awk '/^web/ { print $3 }' <<<"$before")
	on 1 kill -KILL "$pid" </dev/null
	is_again() { [ "$(running count | wc -l)" = 2 ] && ! running count | grep -q " $pid\$"; }
	wait_until is_again
	wait_until answers count 1
}

@test "piku-F16: after a reboot what ran is back with its ports, one after the other, and what was stopped stays stopped" {
	gated db
	gated api db
	gated front 'api, db'
	gated still
	slipway stop still
	local count gates
	count=$(ports count)
	gates="$(ports db) $(ports api) $(ports front)"
	on 1 sh -c 'rm /var/lib/slipway/.slipway/data/*/go' </dev/null
	reboot 1
	wait_until daemon_answers
	wait_until processes_are db 1
	# What has no order is up meanwhile.
	wait_until answers count 1
	[ "$(ports count)" = "$count" ]
	[ "$(processes api) $(processes front)" = '0 0' ]
	open_gate db
	wait_until processes_are api 1
	[ "$(processes front)" = 0 ]
	open_gate api
	wait_until processes_are front 1
	open_gate front
	[ "$(ports db) $(ports api) $(ports front)" = "$gates" ]
	[ "$(processes still)" = 0 ]
}

@test "piku-F16: after a power cut the same, and only so many are started at once" {
	slipway stop count
	on 1 bash -s <<-'SCRIPT'
	set -e
	cd /root/work
	for app in api front; do
		sed -i /START_AFTER/d $app/ENV && git -C $app commit -qam two
	done
	SCRIPT
	push api
	push front
	on 1 sh -c 'printf "\n[instances]\nstart_at_once = 1\n" >>/var/lib/slipway/.slipway/config.toml; sync
		rm /var/lib/slipway/.slipway/data/*/go' </dev/null
	power_cut 1
	power_on 1
	wait_until daemon_answers
	all() { for app in db api front; do running $app | sed "s/^/$app /"; done; }
	all_are() { [ "$(all | wc -l)" = "$1" ]; }
	local n
	for n in 1 2 3; do
		wait_until all_are $n
		[ "$(all | wc -l)" = $n ]
		# Whoever came up last still waits at its gate.
		for app in $(all | cut -d' ' -f1); do open_gate "$app"; done
	done
	[ "$(processes still) $(processes count)" = '0 0' ]
	slipway start count
	wait_until answers count 1
}

@test "LIMIT_MEMORY is enforced by the cgroups below the unit's own" {
	[[ $(on 1 cat /sys/fs/cgroup/cgroup.controllers </dev/null) == *memory* ]] ||
		skip "no controllers in this machine's cgroup v2 tree"
	on 1 bash -s <<-'SCRIPT'
	set -e
	git init -q /root/work/eat && cd /root/work/eat
	cat >Procfile <<-'END'
	worker: while [ ! -e $DATA_ROOT/go ]; do sleep 0.1; done; exec python3 -c 'x = bytearray(400 << 20); print(len(x))'
	END
	echo 'LIMIT_MEMORY=80M' >ENV
	git add -A && git commit -q -m one
	SCRIPT
	push eat
	open_gate eat
	said() { slipway ps eat | grep -F 'out of memory (LIMIT_MEMORY)'; }
	wait_until said
	slipway destroy eat --yes
}
