# The upgrade of slipwayd in place (`slipway daemon reexec`): the new version in the same process, and nothing notices.
load helpers
export WAIT_SECONDS=120

# A copy of the build, whose slipwayd is replaced; the new version is a copy with another version in it.
setup_file() {
	local from=$SLIPWAY_BIN version
	export SLIPWAY_BIN=$BATS_FILE_TMPDIR/bin SPARE=$BATS_FILE_TMPDIR/spare NEW_VERSION OLD_VERSION
	mkdir -p "$SLIPWAY_BIN/base" "$SPARE/old" "$SPARE/new"
	chmod 755 "$SLIPWAY_BIN" "$SLIPWAY_BIN/base"
	cp "$from/slipway" "$from/slipwayd" "$SLIPWAY_BIN/"
	cp "$from/base/"*.so "$SLIPWAY_BIN/base/"
	version=$("$SLIPWAY_BIN/slipway" version | cut -d' ' -f2)
	OLD_VERSION=$version NEW_VERSION=${version%?}$(((${version: -1} + 1) % 10))
	cp "$SLIPWAY_BIN/slipwayd" "$SLIPWAY_BIN/base/"*.so "$SPARE/old/"
	cp "$SLIPWAY_BIN/base/"*.so "$SPARE/new/"
	LC_ALL=C sed "s/${version//./\\.}/$NEW_VERSION/g" "$SPARE/old/slipwayd" >"$SPARE/new/slipwayd"
	chmod 755 "$SPARE/new/slipwayd"
	server_start
	app_create app
	procfile app 'web: python3 server.py' "worker: while [ ! -e \$DATA_ROOT/exit ]; do sleep 0.05; done; rm \$DATA_ROOT/exit; exit 7" 'release: true'
	push app
}
teardown_file() { server_stop; }

# What lies at slipwayd's path is replaced as a package manager does it.
install_slipwayd() { cp "$1" "$SLIPWAY_BIN/.next" && chmod "${2:-755}" "$SLIPWAY_BIN/.next" && mv -f "$SLIPWAY_BIN/.next" "$SLIPWAY_BIN/slipwayd"; }
# A shell script in its place.
install_script() { printf '#!/bin/sh\n%s\n' "$1" >"$SPARE/script" && install_slipwayd "$SPARE/script"; }
setup() {
	install_slipwayd "$SPARE/old/slipwayd"
	server_slipwayd_answers || server_start_slipwayd
	[ "$(hello .version)" = "$OLD_VERSION" ] || slipway daemon reexec
	wait_until running_is app 2
}

hello() { control hello | jq -r "$1"; }
keeper() { pgrep -xf "[^ ]*/slipwayd keeper $ROOT"; }
parent() { sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f2; }
is_zombie() { grep -q '^State:.*Z' "/proc/$1/status"; }

@test "the new version goes on in the same process, and instances, ports, nginx and logs with it" {
	local before daemon nginx pid
	[ "$OLD_VERSION" != "$NEW_VERSION" ]
	before=$(instances app)
	daemon=$(hello .pid) nginx=$(hello .router_pid) keeper=$(keeper)
	install_slipwayd "$SPARE/new/slipwayd"
	run slipway daemon reexec
	[ "$status" -eq 0 ]
	[[ $output == *"$OLD_VERSION has become $NEW_VERSION"* ]]
	[ "$(hello '"\(.version) \(.pid) \(.router_pid)"')" = "$NEW_VERSION $daemon $nginx" ]
	[ "$(instances app)" = "$before" ]
	for pid in $(instances app '.[].pid'); do [ "$(parent "$pid")" = "$daemon" ]; done
	[ "$(ask app .version)" = 1 ]
	# The log keeper is of the new build, too.
	new_keeper() { [ -n "$(keeper)" ] && cmp -s "/proc/$(keeper)/exe" "$SPARE/new/slipwayd"; }
	wait_until new_keeper
	[ "$(keeper)" != "$keeper" ]
	# The policy goes on, and the exit status is known.
	pid=$(pid_of app worker)
	touch "$ROOT/data/app/exit"
	again() { [ "$(instances app '.[] | select(.service == "worker") | "\(.state) \(.last_status)"')" = "running 7" ]; }
	wait_until again
	[ "$(pid_of app worker)" != "$pid" ]
	# What is pushed now is deployed by the new version.
	run push_version app 2
	[ "$status" -eq 0 ]
	wait_until answers app 2
	set_version app 1 && push app && wait_until settled app
}

@test "under load no request fails, twice in a row" {
	local daemon
	daemon=$(hello .pid)
	load_start app 100
	for version in new old new old; do
		install_slipwayd "$SPARE/$version/slipwayd"
		run slipway daemon reexec
		[ "$status" -eq 0 ]
		[ "$(ask app .version)" = 1 ]
	done
	run load_stop
	[ "$(jq -r .failed <<<"$output")" = 0 ]
	[ "$(hello .pid)" = "$daemon" ]
}

@test "nothing at the path but another version: what is started before the re-exec is of the version that runs" {
	install_slipwayd "$SPARE/new/slipwayd"
	procfile app 'web: python3 server.py' 'worker: exec sleep 100000' "release: while [ ! -e \$DATA_ROOT/go ]; do sleep 0.05; done"
	push app >"$BATS_TEST_TMPDIR/push" 3>&- &
	local pusher=$! owner
	owner() { sqlite3 "$ROOT/state.db" "SELECT owner_pid FROM deployment WHERE app = 'app' AND state = 'running'"; }
	in_stage() { [ "$(sqlite3 "$ROOT/state.db" "SELECT step FROM deployment WHERE app = 'app' AND state = 'running'")" = stage ]; }
	WAIT_SECONDS=90 wait_until in_stage
	owner=$(owner)
	cmp "/proc/$owner/exe" "$SPARE/old/slipwayd"
	# A deployment that is under way goes on, with its own version, and its pusher waits for it.
	slipway daemon reexec
	[ "$(owner)" = "$owner" ]
	kill -0 "$pusher"
	touch "$ROOT/data/app/go"
	wait "$pusher"
	cat "$BATS_TEST_TMPDIR/push"
	grep -q succeeded <(slipway deployments app)
	rm "$ROOT/data/app/go"
	procfile app 'web: python3 server.py' "worker: while [ ! -e \$DATA_ROOT/exit ]; do sleep 0.05; done; rm \$DATA_ROOT/exit; exit 7" 'release: true'
	push app
}

@test "who asks during the exec is answered, and what ended during it has an exit status" {
	local pid
	# Not a shell, which would reap the daemon's children.
	cat >"$SPARE/script" <<-END
	#!$(type -P python3)
	import os, shutil, sys, time
	spare, new, path = "$SPARE/", "$SPARE/new/slipwayd", "$SLIPWAY_BIN/slipwayd"
	if sys.argv[-1] == "--self-check":
	    os.execv(new, [new] + sys.argv[1:])
	open(spare + "begun", "w").close()
	while not os.path.exists(spare + "go"):
	    time.sleep(0.05)
	shutil.copy2(new, path + ".next")
	os.rename(path + ".next", path)
	os.execv(path, [path])
	END
	install_slipwayd "$SPARE/script"
	rm -f "$SPARE/begun" "$SPARE/go"
	pid=$(pid_of app worker)
	slipway daemon reexec >"$BATS_TEST_TMPDIR/reexec" 2>&1 3>&- &
	local reexec=$!
	wait_until test -e "$SPARE/begun"
	slipway ps app --json >"$BATS_TEST_TMPDIR/ps" 3>&- &
	local asker=$!
	touch "$ROOT/data/app/exit"
	wait_until is_zombie "$pid"
	[ "$(ask app .version)" = 1 ]
	touch "$SPARE/go"
	wait "$reexec"
	wait "$asker"
	jq -e '.instances | length == 2' "$BATS_TEST_TMPDIR/ps"
	[ "$(hello .version)" = "$NEW_VERSION" ]
	again() { [ "$(instances app '.[] | select(.service == "worker") | "\(.state) \(.last_status)"')" = "running 7" ]; }
	wait_until again
}

@test "a slipwayd that is killed right after the exec leaves all to the next one" {
	local before
	before=$(instances app '.[] | "\(.service) \(.pid) \(.port)"')
	install_script "case \"\$*\" in *--self-check) exec \"$SPARE/new/slipwayd\" \"\$@\" ;; esac
kill -KILL \$\$"
	run slipway daemon reexec
	[ "$status" -ne 0 ]
	wait_until pid_is_gone "$(server_recorded slipwayd | cut -d' ' -f1)"
	[ "$(ask app .version)" = 1 ]
	install_slipwayd "$SPARE/new/slipwayd"
	server_start_slipwayd
	[ "$(hello .version)" = "$NEW_VERSION" ]
	[ "$(instances app '.[] | "\(.service) \(.pid) \(.port)"')" = "$before" ]
	# Adopted ones are restarted, too, and may be handed over.
	kill -KILL "$(instances app '.[] | select(.service == "worker") | .pid')"
	changed() { running_is app 2 && [ "$(instances app '.[] | "\(.service) \(.pid) \(.port)"')" != "$before" ]; }
	wait_until changed
	slipway daemon reexec
	wait_until running_is app 2
}

@test "what cannot take over is found out before the exec, and refused" {
	local before daemon
	before=$(instances app) daemon=$(hello .pid)
	refused() {
		run slipway daemon reexec
		echo "$output"
		[ "$status" -eq 4 ]
		[[ $output == *"$1"* ]]
		[ "$(hello '"\(.version) \(.pid)"')" = "$OLD_VERSION $daemon" ]
		[ "$(instances app)" = "$before" ]
	}
	echo text >"$SPARE/text"
	install_slipwayd "$SPARE/text" 644
	refused "$SLIPWAY_BIN/slipwayd"
	install_slipwayd "$SPARE/text"
	refused "$SLIPWAY_BIN/slipwayd"
	install_slipwayd "$(type -P true)"
	refused 'is no slipwayd'
	install_script 'echo out of order >&2; exit 3'
	refused 'exit status 3): out of order'
	install_script 'kill -SEGV $$'
	refused 'signal 11'
	install_script 'echo slipwayd 0.0.1 schema 1 handover 1'
	refused 'newer'
	rm "$SLIPWAY_BIN/slipwayd"
	refused "$SLIPWAY_BIN/slipwayd"
	# Settings that the new one would not start with.
	install_slipwayd "$SPARE/new/slipwayd"
	cp "$ROOT/config.toml" "$SPARE/config"
	echo '[nonsense]' >>"$ROOT/config.toml"
	refused nonsense
	cp "$SPARE/config" "$ROOT/config.toml"
	slipway daemon reexec
	[ "$(hello .version)" = "$NEW_VERSION" ]
}

@test "who waits for a stop waits on, and the app is not asked twice" {
	app_empty slow
	cat >"$WORK/slow/work.py" <<-'END'
	import os, pathlib, signal, time
	data = pathlib.Path(os.environ["DATA_ROOT"])
	def asked(*_):
	    with open(data / "asked", "a") as f:
	        f.write("TERM\n")
	signal.signal(signal.SIGTERM, asked)
	(data / "ready").touch()
	while not (data / "end").exists():
	    time.sleep(0.05)
	END
	echo STOP_TIMEOUT=3600 >"$WORK/slow/ENV"
	procfile slow 'worker: exec python3 work.py'
	push slow
	wait_until test -e "$ROOT/data/slow/ready"
	slipway stop slow >"$BATS_TEST_TMPDIR/stop" 2>&1 3>&- &
	local stopper=$!
	wait_until test -e "$ROOT/data/slow/asked"
	install_slipwayd "$SPARE/new/slipwayd"
	slipway daemon reexec
	[ "$(control instances '{"app": "slow"}' | jq -r '.instances[].state')" = stopping ]
	kill -0 "$stopper"
	touch "$ROOT/data/slow/end"
	wait "$stopper"
	[ "$(cat "$ROOT/data/slow/asked")" = TERM ]
	[ "$(control instances '{"app": "slow"}' | jq '.instances | length')" = 0 ]
}

@test "a request that the old release still works on is answered" {
	app_empty drain
	cat >"$WORK/drain/server.py" <<-'END'
	import http.server, os, pathlib, time
	data = pathlib.Path(os.environ["DATA_ROOT"])
	version = pathlib.Path("VERSION").read_bytes()
	class Handler(http.server.BaseHTTPRequestHandler):
	    def do_GET(self):
	        if self.path == "/slow":
	            (data / "begun").touch()
	            while not (data / "go").exists():
	                time.sleep(0.05)
	        self.send_response(200)
	        self.send_header("Content-Length", str(len(version)))
	        self.end_headers()
	        self.wfile.write(version)
	http.server.ThreadingHTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Handler).serve_forever()
	END
	echo DRAIN_TIMEOUT=3600 >"$WORK/drain/ENV"
	procfile drain 'web: exec python3 server.py'
	push drain
	http drain.localhost /slow --max-time 300 >"$BATS_TEST_TMPDIR/answer" 3>&- &
	local asker=$!
	wait_until test -e "$ROOT/data/drain/begun"
	push_version drain 2
	install_slipwayd "$SPARE/new/slipwayd"
	slipway daemon reexec
	[ "$(http drain.localhost /)" = 2 ]
	[ "$(running drain)" = 2 ]
	touch "$ROOT/data/drain/go"
	wait "$asker"
	[ "$(cat "$BATS_TEST_TMPDIR/answer")" = 1 ]
	wait_until running_is drain 1
}
