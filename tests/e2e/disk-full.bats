# A full disk: what is asked for says so and changes nothing, what runs goes on, slipwayd starts, and what makes room works.
load helpers

setup_file() {
	mkdir -p "$BATS_FILE_TMPDIR/s/root"
	if ! mount -t tmpfs -o size=24m,mode=0711 slipway-test "$BATS_FILE_TMPDIR/s/root" 2>/dev/null; then
		skip_file "no file system can be mounted here" && return 0
	fi
	server_start
	app_create app
	procfile app 'web: python3 server.py' 'worker: exec sleep 100000'
	push app
	push_version app 2
}
teardown_file() {
	server_stop
	! mountpoint -q "$BATS_FILE_TMPDIR/s/root" || umount "$BATS_FILE_TMPDIR/s/root"
}
# No test leaves the disk full for the next one.
cleanup_test() { [ -z "${ROOT:-}" ] || rm -f "$ROOT/filler"; }

store() { sqlite3 -cmd '.timeout 10000' "$ROOT/state.db" "$1"; }
# fill KIBIBYTES: leaves that much room.
fill() {
	local free
	rm -f "$ROOT/filler"
	free=$(df --output=avail -k "$ROOT" | tail -n1)
	[ "$free" -le "$1" ] || head -c "$(((free - $1) * 1024))" /dev/zero >"$ROOT/filler"
}
make_room() { rm -f "$ROOT/filler"; }

is_quiet() { [ -z "$(store "SELECT 1 FROM deployment WHERE state IN ('running', 'queued')")" ]; }
orphans() { python3 "$FIXTURES/orphans.py" "$ROOT" $$; }

# whole NAME VERSION...: the app answers as one of them, all that is there belongs to it, and nothing is orphaned.
whole() {
	local app=$1 answered
	is_quiet && settled "$app" || return 1
	answered=$(ask "$app" .version)
	[[ " ${*:2} " == *" $answered "* ]] || return 1
	[ "$(cat "$ROOT/apps/$app/VERSION")" = "$answered" ] || return 1
	[ "v$(store "SELECT live_version FROM app WHERE name = '$app'")" = "$(live_release "$app")" ] || return 1
	[ "$(instances "$app" '.[] | "\(.service) \(.state) v\(.version)"')" = \
		"$(printf 'web running %s\nworker running %s' "$(live_release "$app")" "$(live_release "$app")")" ] || return 1
	orphans
}
# Shows what is wrong when it stays so.
is_whole() { WAIT_SECONDS=90 wait_until whole "$@" || { orphans; instances "${1}"; return 1; }; }

restart_slipwayd() {
	local pid start
	read -r pid start <<<"$(server_recorded slipwayd)"
	kill -KILL "$pid"
	wait_until process_gone "$pid" "$start"
	server_start_slipwayd
}

# told TEXT: says that the disk is full, and what helps.
told() {
	[[ $1 == *"the disk of $ROOT is full"* ]] && [[ $1 == *"slipway disk"* ]] && [[ $1 == *"slipway cleanup"* ]]
}

@test "slipwayd starts on a full disk and serves what runs, with its reserve and without" {
	local before
	wait_until test -e "$ROOT/run/reserve"
	before=$(instances app)
	for _ in with without; do
		fill 0
		restart_slipwayd
		[ ! -e "$ROOT/run/reserve" ]
		[ "$(instances app)" = "$before" ]
		answers app 2
		slipway ps app | grep -w web
		slipway apps | grep -w app
		slipway disk | grep -w app
		slipway status
	done
	make_room
	is_whole app 2
	restart_slipwayd
	[ -e "$ROOT/run/reserve" ]
}

@test "an instance that dies on a full disk is started again, and so is nginx" {
	local pid nginx
	pid=$(pid_of app web)
	nginx=$(cat "$ROOT/run/nginx.pid")
	rm -f "$ROOT/run/reserve"
	fill 0
	kill -KILL "$pid"
	back() { [ "$(pid_of app web)" != "$pid" ] && answers app 2; }
	WAIT_SECONDS=90 wait_until back
	# Also when the next daemon comes before there is room.
	pid=$(pid_of app web)
	restart_slipwayd
	[ "$(pid_of app web)" = "$pid" ]
	kill -TERM "$nginx"
	WAIT_SECONDS=90 wait_until pid_is_gone "$nginx"
	WAIT_SECONDS=90 wait_until answers app 2
	make_room
	is_whole app 2
}

@test "config:set on a full disk changes nothing and says why" {
	slipway config:set app A=1
	is_whole app 2
	local before
	before=$(cat "$ROOT/config/app/ENV")
	fill 0
	run slipway config:set app "A=$(head -c 20000 /dev/zero | tr '\0' x)"
	echo "$output"
	[ "$status" -eq 1 ]
	told "$output"
	[ "$(cat "$ROOT/config/app/ENV")" = "$before" ]
	answers app 2
	make_room
	slipway config:set app A=2
	grep -qx A=2 "$ROOT/config/app/ENV"
	is_whole app 2
}

@test "piku-H22: a push on a full disk fails and says why, and what lives goes on" {
	local version=10
	for room in 0 128 4096; do
		version=$((version + 1))
		set_version app $version
		fill $room
		run push app
		echo "room for $room KiB: exit $status: $output"
		make_room
		if [ "$status" -ne 0 ]; then told "$output"; fi
		[ "$status" -eq 0 ] || [ "$room" -lt 4096 ]
		WAIT_SECONDS=90 wait_until is_quiet
		is_whole app 2 $version
		[ "$status" -ne 0 ] || answers app $version
		push_version app 2
		is_whole app 2
	done
}

@test "a rollback on a full disk is done wholly or not at all" {
	push_version app 3
	is_whole app 3
	for room in 0 32 128; do
		push_version app 3
		is_whole app 3
		fill $room
		run slipway rollback app
		echo "room for $room KiB: exit $status: $output"
		make_room
		if [ "$status" -ne 0 ]; then told "$output"; fi
		is_whole app 2 3
		[ "$status" -ne 0 ] || answers app 2
		push_version app 2
		is_whole app 2
	done
}

@test "a first deployment on a full disk leaves nothing, and the next push deploys" {
	local n=0
	for room in 0 100 200; do
		n=$((n + 1))
		app_create "first$n"
		procfile "first$n" 'web: python3 server.py' 'worker: exec sleep 100000'
		fill $room
		run push "first$n"
		echo "room for $room KiB: exit $status: $output"
		make_room
		if [ "$status" -ne 0 ]; then told "$output"; fi
		WAIT_SECONDS=90 wait_until is_quiet
		commit "first$n"
		push "first$n"
		is_whole "first$n" 1
		slipway destroy "first$n" --yes --data
	done
	wait_until orphans
}

@test "stop, start, ps, cleanup and destroy work on a full disk" {
	app_create gone
	procfile gone 'web: python3 server.py' 'worker: exec sleep 100000'
	push gone
	push_version gone 2
	is_whole gone 2
	restart_slipwayd
	[ -e "$ROOT/run/reserve" ]
	fill 0
	slipway stop gone
	[ "$(running gone)" = 0 ]
	slipway ps gone
	slipway cleanup
	slipway destroy gone --yes --data
	[ ! -e "$ROOT/releases/gone" ]
	answers app 2
	make_room
	is_whole app 2
}
