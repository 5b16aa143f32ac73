# kill -9 and full disks at the worst moments: an app is on its old release or on its new one, never between.
load helpers

# The root is on a small disk of its own where we may make one.
setup_file() {
	mkdir -p "$BATS_FILE_TMPDIR/s/root"
	mount -t tmpfs -o size=32m,mode=0711 slipway-test "$BATS_FILE_TMPDIR/s/root" 2>/dev/null || :
	server_start
	app_create app
	procfile app 'web: python3 server.py' 'worker: exec sleep 100000' 'release: sleep 0.1'
	push app
}
teardown_file() {
	server_stop
	! mountpoint -q "$BATS_FILE_TMPDIR/s/root" || umount "$BATS_FILE_TMPDIR/s/root"
}

store() { sqlite3 -cmd '.timeout 10000' "$ROOT/state.db" "$1"; }
owner() { store "SELECT owner_pid FROM deployment WHERE app = 'app' AND state = 'running'"; }
is_quiet() { [ -z "$(store "SELECT 1 FROM deployment WHERE state IN ('running', 'queued')")" ]; }

# begun STEP: the running deployment has come so far, or there is none any more.
begun() {
	local status
	status=$(store "SELECT count(*) FROM step JOIN deployment ON deployment = deployment.id
		WHERE app = 'app' AND state = 'running' AND name = '$1'")
	[ "$status" != 0 ] || { is_quiet && ! kill -0 "$pusher" 2>/dev/null; }
}

# Kills what runs now, for good: no pid is killed that the store does not name.
kill_owner() {
	local pid
	pid=$(owner)
	[ -z "$pid" ] || [ "$pid" = 0 ] || kill -KILL "$pid" 2>/dev/null || :
}

# One of the two versions answers, and everything there is belongs to it.
is_whole() {
	local answered ports
	is_quiet && settled app || return 1
	answered=$(ask app .version)
	[ "$answered" = "$1" ] || [ "$answered" = "$2" ] || return 1
	[ "$(cat "$ROOT/apps/app/VERSION")" = "$answered" ] || return 1
	[ "v$(store "SELECT live_version FROM app WHERE name = 'app'")" = "$(live_release app)" ] || return 1
	[ "$(instances app '.[] | "\(.service) \(.state) v\(.version)"')" = \
		"$(printf 'web running %s\nworker running %s' "$(live_release app)" "$(live_release app)")" ] || return 1
	[ "$(store "SELECT count(*) FROM instance WHERE app = 'app'")" = 2 ] || return 1
	[ "$(store "SELECT count(*) FROM app_release WHERE app = 'app' AND state = 'live'")" = 1 ] || return 1
	ports=$(sed -n 's/^\tserver 127.0.0.1:\([0-9]*\);$/\1/p' "$ROOT/nginx/app.conf")
	[ "$ports" = "$(instances app '.[] | select(.service == "web") | .port')" ] || return 1
	[ ! -e "$ROOT/nginx.next" ]
}

kill_daemon() {
	local pid start
	read -r pid start <<<"$(server_recorded slipwayd)"
	kill -KILL "$pid"
	wait_until process_gone "$pid" "$start"
}

in_background() {
	slipway "$@" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	pusher=$!
}

push_in_background() {
	set_version app "$1"
	push app >"$BATS_TEST_TMPDIR/push" 3>&- &
	pusher=$!
}

# killed_at STEP VERSION [TIMES]
killed_at() {
	local old
	old=$(ask app .version)
	push_in_background "$2"
	wait_until begun "$1"
	for _ in $(seq "${3:-1}"); do
		kill_owner
	done
	wait "$pusher" || :
	echo "killed in $1: from $old to $2"
	cat "$BATS_TEST_TMPDIR/push"
	wait_until is_whole "$old" "$2"
}

@test "a deployment that is killed in any of its steps leaves the old release or the new one" {
	local version=10
	for step in fetch plan build stage start check switch record retire; do
		version=$((version + 1))
		killed_at $step $version
	done
}

@test "so does one whose repair is killed as well" {
	local version=30
	for step in plan start check switch record; do
		version=$((version + 1))
		killed_at $step $version 2
	done
}

@test "so does one that is killed together with the daemon, and its push fails or tells the truth" {
	local version=50 old status
	for step in fetch stage check switch; do
		version=$((version + 1))
		old=$(ask app .version)
		push_in_background $version
		wait_until begun $step
		kill_daemon
		kill_owner
		status=0
		wait "$pusher" || status=$?
		cat "$BATS_TEST_TMPDIR/push"
		server_start_slipwayd
		wait_until is_whole "$old" $version
		[ $status != 0 ] || answers app $version
	done
}

@test "so does one whose daemon alone is killed" {
	local version=110 old
	for step in start check switch record retire; do
		version=$((version + 1))
		old=$(ask app .version)
		push_in_background $version
		wait_until begun $step
		kill_daemon
		server_start_slipwayd
		wait "$pusher" || :
		echo "in $step:" && cat "$BATS_TEST_TMPDIR/push"
		wait_until is_whole "$old" $version
	done
}

@test "so does scaling, and going back" {
	local old
	for words in 'scale app worker=1' 'rollback app' 'restart app' 'scale app web=1'; do
		for step in check switch; do
			old=$(ask app .version)
			# shellcheck disable=SC2086 # words
			in_background $words
			wait_until begun $step
			kill_owner
			wait "$pusher" || :
			echo "$words, killed in $step:" && cat "$BATS_TEST_TMPDIR/said"
			wait_until is_quiet
			wait_until is_whole "$old" "$(ask app .version)"
		done
	done
}

# fill KIBIBYTES: leaves that much room.
fill() {
	local free
	free=$(df --output=avail -k "$ROOT" | tail -n1)
	head -c "$(((free - $1) * 1024))" /dev/zero >"$ROOT/filler"
}

@test "a full disk leaves what is live, and what could not be undone or finished is, once there is room" {
	mountpoint -q "$ROOT" || skip "no file system can be mounted here"
	# Enough for more and more steps: git's objects are there already.
	local version=70 old status
	for room in 0 8 16 32 48 64 80 96 128 160 200 240 280 320; do
		version=$((version + 1))
		old=$(ask app .version)
		set_version app $version
		git --git-dir="$ROOT/repos/app" fetch -q "$WORK/app" main
		fill $room
		status=0
		slipway deploy app "$(git -C "$WORK/app" rev-parse main)" >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
		rm -f "$ROOT/filler"
		echo "room for $room KiB: exit $status" && cat "$BATS_TEST_TMPDIR/said"
		server_slipwayd_answers
		wait_until is_whole "$old" $version
		[ $status != 0 ] || answers app $version
	done
	run push_version app 99
	[ "$status" -eq 0 ]
	wait_until is_whole 99 99
}

runs_anew() {
	local now
	now=$(instances app '.[] | select(.service == "worker" and .state == "running") | .pid' | head -n 1)
	[ -n "$now" ] && [ "$now" != "$1" ]
}
store_pid() { store "SELECT pid FROM instance WHERE service = 'worker' ORDER BY deployment DESC LIMIT 1"; }

@test "a store that another process locks for long delays, and breaks nothing" {
	slow
	local old
	old=$(ask app .version)
	push_in_background 100
	wait_until begun build
	mkfifo "$BATS_TEST_TMPDIR/hold"
	python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
db.execute("BEGIN IMMEDIATE")
sys.stdin.read()' "$ROOT/state.db" <"$BATS_TEST_TMPDIR/hold" 3>&- &
	exec 7>"$BATS_TEST_TMPDIR/hold"
	WAIT_SECONDS=120 wait_until grep -rqs 'has been locked by another process' "$ROOT/logs/app" "$SERVER_DIR/slipwayd.log"
	# What dies meanwhile is started again, as often as it has to, and slipwayd answers.
	local dead now
	for _ in 1 2 3; do
		dead=$(pid_of app worker)
		kill -KILL -- "-$dead"
		WAIT_SECONDS=120 wait_until runs_anew "$dead"
	done
	run slipway status
	[ "$status" -eq 0 ]
	now=$(pid_of app worker)
	[ "$(store_pid)" != "$now" ]
	exec 7>&-
	wait "$pusher" || :
	cat "$BATS_TEST_TMPDIR/push"
	WAIT_SECONDS=90 wait_until is_whole "$old" 100
}

@test "a scaling that is killed in its switch is finished" {
	slipway ps:scale app worker=2 >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	pusher=$!
	wait_until begun switch
	kill_owner
	wait "$pusher" || :
	scaled() { is_quiet && [ "$(instances app '.[] | select(.service == "worker") | .state' | grep -c running)" = 2 ]; }
	wait_until scaled
	[ "$(store "SELECT state FROM deployment WHERE kind = 'scale' ORDER BY id DESC LIMIT 1")" = succeeded ]
	[ -n "$(ask app .version)" ]
	slipway ps:scale app worker=1
}
