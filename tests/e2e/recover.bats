# A lost store: slipwayd refuses it, `slipway recover` makes it anew from the files, and what runs goes on.
load helpers

setup_file() {
	export WAIT_SECONDS=120
	server_start
	app_create web
	procfile web 'web: python3 server.py' 'worker: exec sleep 100000' 'cron-night: 0 3 * * * true' 'release: true'
	push web
	slipway config:set web COLOUR=blue
	push_version web 2
	slipway ps:scale web web=2
	slipway suspend web cron-night
	app_create off
	push off
	slipway stop off
	app_create held
	push held
	slipway hold held
}
teardown_file() { server_stop; }

kill_slipwayd() {
	local pid start
	read -r pid start <<<"$(server_recorded slipwayd)"
	kill -KILL "$pid"
	wait_until process_gone "$pid" "$start"
}
# Runs slipwayd in the foreground: it has to refuse.
refused() {
	run timeout 150 env -i PATH="$SERVER_PATH" HOME="$SERVER_DIR/home" SLIPWAY_ROOT="$ROOT" "$SLIPWAY_BIN/slipwayd"
	[ "$status" -eq "$1" ]
	[[ $output == *"$2"* ]]
	[ ! -S "$ROOT/run/slipwayd.sock" ] || ! server_slipwayd_answers
}
pids() { instances "$1" '.[] | "\(.service).\(.ordinal) \(.pid) \(.port) v\(.version)"'; }
quiet() { settled web && [ -z "$(instances web '.[] | select(.state != "running") | .pid')" ]; }

remember() {
	wait_until quiet
	pids_before=$(pids web)
	apps_before=$(slipway apps --json | jq -c '[.[] | {name, state, version}]')
	config_before=$(slipway config web)
	releases_before=$(slipway releases web --json | jq -c '[.[] | {version, commit, state}]')
	schedule_before=$(slipway ps web --json | jq -r '.schedules[] | select(.service == "cron-night").state')
	version_before=$(ask web .version)
}

# What there was is there, and everything that can be done can be done.
is_as_before() {
	answers web "$version_before"
	[ "$(pids web)" = "$pids_before" ]
	[ "$(slipway apps --json | jq -c '[.[] | {name, state, version}]')" = "$apps_before" ]
	[ "$(slipway config web)" = "$config_before" ]
	[ "$(slipway releases web --json | jq -c '[.[] | {version, commit, state}]')" = "$releases_before" ]
	[ "$(http_status off.localhost)" = 503 ]
	[ "$(running off)" = 0 ]
	[ "$(slipway ps web --json | jq -r '.schedules[] | select(.service == "cron-night").state')" = "$schedule_before" ]
}
works_on() {
	local pushed
	run slipway rollback web
	[ "$status" -eq 0 ]
	wait_until quiet
	pushed=$((version_before + 1))
	run push_version web $pushed
	[ "$status" -eq 0 ]
	answers web $pushed
	wait_until quiet
	run push_version held 9
	[ "$status" -eq 0 ]
	[[ $output == *"is held"* ]]
}

# lost HOW...: kills slipwayd, does that to the store, and brings it back.
lost() {
	remember
	kill_slipwayd
	"$@"
	refused 5 'slipway recover'
	if [ "$1" != bad_middle ]; then # a command reads only the pages that it needs
		run -5 slipway apps
		[[ $output == *'slipway recover'* ]]
	fi
	run slipway recover --dry-run --json
	[ "$status" -eq 0 ]
	jq -e '.state == "to be recovered" and (.apps | length) == 3' <<<"$output"
	answers web "$version_before"
	run slipway recover
	[ "$status" -eq 0 ]
	[[ $output == *web* ]]
	run slipway recover
	[ "$status" -eq 0 ]
	[[ $output == *'nothing to recover'* ]]
	server_start_slipwayd
	is_as_before
}

all_gone() { rm -f "$ROOT"/state.db*; }
garbage() { dd if=/dev/urandom of="$ROOT/$1" bs=1 seek="$2" count="$3" conv=notrunc status=none; }
kept() { find "$ROOT" -maxdepth 1 -name 'state.db.damaged-*' -not -name '*-wal' -not -name '*-shm' | wc -l; }
# Everything into the file itself, so that damage to it counts.
settle_store() { sqlite3 "$ROOT/state.db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null; }

@test "a store that was deleted is made anew, and not one request is lost" {
	[ "$(slipway ps web --json | jq -r '.schedules[0].state')" = suspended ]
	load_start web
	lost all_gone
	load_stop | jq -e '.failed == 0 and .ok > 10'
	[ "$(kept)" = 0 ]
	works_on
}

truncated() { settle_store && truncate -s 9000 "$ROOT/state.db"; }
@test "a store that was truncated is kept beside the new one" {
	local kept
	kept=$(kept)
	lost truncated
	[ "$(kept)" = $((kept + 1)) ]
}

bad_header() { settle_store && garbage state.db 0 100; }
bad_middle() {
	settle_store
	garbage state.db $(($(stat -c %s "$ROOT/state.db") / 2)) 4096
}
@test "a store with garbage in its header, or in the middle" {
	slow
	lost bad_header
	lost bad_middle
}

@test "killed at any point it is run again, and finds everything" {
	local hooks=${SLIPWAY_HOOKS_BIN-$SLIPWAY_BIN} point
	[ -n "$hooks" ] || skip "there is no build with hooks (./check --quick makes none)"
	remember
	kill_slipwayd
	truncated
	for point in recover.made recover.moved.0 recover.moved.3 recover.made recover.in-place; do
		mkdir -p "$ROOT/run/crash"
		rm -f "$ROOT/run/crash/hit"
		echo "$point recover" >"$ROOT/run/crash/at"
		run "$hooks/slipway" --root "$ROOT" recover
		[ -s "$ROOT/run/crash/hit" ] || skip "this build has no debug hooks: set SLIPWAY_HOOKS_BIN"
		[ "$status" -eq 137 ]
	done
	rm -r "$ROOT/run/crash"
	run slipway recover
	[ "$status" -eq 0 ]
	[[ $output == *'nothing to recover'* ]]
	[ -z "$(find "$ROOT" -maxdepth 1 -name '*.recovering*')" ]
	server_start_slipwayd
	is_as_before
}

@test "somebody else is told whom to run it as, and makes nothing" {
	[ "$(id -u)" = 0 ] || skip "it takes root to be somebody else"
	local other=$BATS_TEST_TMPDIR/other
	mkdir "$other"
	chown 65534 "$other"
	run slipway --root "$other" recover
	[ "$status" -eq 7 ]
	[[ $output == *"$other belongs to nobody"* ]]
	[ -z "$(ls -A "$other")" ]
}
