# Processes, ports, scaling: group F of the Piku contract's acceptance cases.
load helpers

setup_file() { server_start; }
teardown_file() { server_stop; }

cleanup_test() { [ -z "${holder:-}" ] || kill "$holder" 2>/dev/null || :; }

scaling() { cat "$ROOT/config/$1/SCALING"; }

@test "piku-F01 redeploys lose no request, and the port is one of the instance's two" {
	app_create f01
	push f01
	local ports result
	ports=$(ask f01 .port)
	load_start f01 50
	push_version f01 2
	ports+=" $(ask f01 .port)"
	push_version f01 3
	ports+=" $(ask f01 .port)"
	wait_until answers f01 3
	result=$(load_stop)
	echo "$result"
	[ "$(jq .failed <<<"$result")" = 0 ]
	[ "$(jq .ok <<<"$result")" -gt 0 ]
	[ "$(tr ' ' '\n' <<<"$ports" | sort -u | wc -l)" -le 2 ]
	slipway restart f01
	[[ " $ports " == *" $(ask f01 .port) "* ]]
}

@test "piku-F02 a version that never listens fails after its time, and the old one serves all the time" {
	app_create f02
	push f02
	wait_until settled f02
	local pid result
	pid=$(pid_of f02 web)
	echo "CHECK_TIMEOUT=2" >"$WORK/f02/ENV"
	load_start f02 20
	procfile f02 'web: exec sleep 1000'
	run push f02
	[ "$status" -ne 0 ]
	result=$(load_stop)
	[ "$(jq .failed <<<"$result")" = 0 ]
	[ "$(pid_of f02 web)" = "$pid" ]
	[ "$(running f02)" = 1 ]
	# Listening on another port is no listening either, and the message says where it listens.
	procfile f02 'web: PORT=$((PORT + 500)) exec python3 server.py'
	run push f02
	[ "$status" -ne 0 ]
	answers f02 1
	[[ $output == *listen* ]]
}

@test "piku-F03 a fixed port that somebody else holds fails, naming port and holder" {
	app_create f03
	push f03
	local port
	read -r port < <(free_ports 1)
	python3 -m http.server --bind 127.0.0.1 "$port" >/dev/null 2>&1 3>&- &
	holder=$!
	wait_until port_answers "$port"
	echo "PORT=$port" >"$WORK/f03/ENV"
	run push_version f03 2
	[ "$status" -ne 0 ]
	[[ $output == *$port* ]]
	[[ $output == *python3* || $output == *$holder* ]]
	answers f03 1
}

@test "an app that fixes its port is stopped and started, and the pusher is told" {
	app_create fixed
	local port
	read -r port < <(free_ports 1)
	echo "PORT=$port" >"$WORK/fixed/ENV"
	commit fixed
	run push fixed
	[ "$status" -eq 0 ]
	[ "$(ask fixed .port)" = "$port" ]
	run push_version fixed 2
	[ "$status" -eq 0 ]
	[[ $output == *$port* ]]
	[ "$(ask fixed .port)" = "$port" ]
	answers fixed 2
}

@test "piku-F04 F05 F06 scaling up, down and to nothing" {
	app_create f04
	push f04
	run slipway ps:scale f04 web=3
	[ "$status" -eq 0 ]
	wait_until running_is f04 3
	[ "$(instances f04 '[.[].port] | unique | length')" = 3 ]
	[[ $(scaling f04) == *web:3* ]]
	everyone_answers() {
		http f04.localhost / | jq -r .port >>"$BATS_TEST_TMPDIR/ports"
		[ "$(sort -u "$BATS_TEST_TMPDIR/ports" | wc -l)" -eq 3 ]
	}
	wait_until everyone_answers
	[ "$(ask f04 '.env.SLIPWAY_INSTANCE | tonumber <= 3')" = true ]
	local first
	first=$(pid_of f04 web 1)
	run slipway ps:scale f04 web=1
	[ "$status" -eq 0 ]
	wait_until running_is f04 1
	[ "$(instances f04 '.[].ordinal')" = 1 ]
	[ "$(pid_of f04 web 1)" = "$first" ]
	[ -e "$ROOT/logs/f04/web.3.log" ]
	run slipway ps:scale f04 web=0
	[ "$status" -eq 0 ]
	wait_until running_is f04 0
	[ "$(http_status f04.localhost /)" = 503 ]
	run slipway ps:scale f04 web=1
	[ "$status" -eq 0 ]
	answers f04 1
}

@test "piku-F07 a bad count changes nothing, all or nothing" {
	app_create f07
	push f07
	wait_until settled f07
	local before pids
	before=$(scaling f07)
	pids=$(instances f07)
	for words in web=-1 nope=1 web=x web '' web= =1 'web=1 nope=2' 'web=2 web' web=99999999999; do
		# shellcheck disable=SC2086 # words
		run slipway ps:scale f07 $words
		echo "$words: $status"
		[ -z "$words" ] || [ "$status" -ne 0 ]
		[ "$(scaling f07)" = "$before" ]
	done
	[ "$(instances f07)" = "$pids" ]
}

@test "piku-F08 a bad line of SCALING is reported, unknown services are dropped" {
	app_create f08
	push f08
	printf 'web:two\nghost:3\n' >"$ROOT/config/f08/SCALING"
	run push_version f08 2
	[ "$status" -eq 0 ]
	[[ $output == *two* ]]
	answers f08 2
	wait_until running_is f08 1
	[[ $(scaling f08) == *web:1* ]]
	[[ $(scaling f08) != *ghost* ]]
}

@test "piku-F09 an app that was never deployed is an error, not a crash" {
	app_create f09
	procfile f09 'web: exit 1'
	run push f09
	[ "$status" -ne 0 ]
	for words in 'ps:scale f09 web=2' 'restart f09' 'start f09'; do
		# shellcheck disable=SC2086 # words
		run slipway $words
		echo "$words: $status"
		[ "$status" -ne 0 ] && [ "$status" -lt 126 ]
	done
	run slipway ps f09
	[ "$status" -lt 126 ]
}

@test "piku-F10 with PIKU_AUTO_RESTART=false a push waits for restart" {
	app_create f10
	echo 'PIKU_AUTO_RESTART=false' >"$WORK/f10/ENV"
	commit f10
	push f10
	[ "$(running f10)" = 1 ] || slipway restart f10
	wait_until answers f10 1
	wait_until settled f10
	local pid
	pid=$(pid_of f10 web)
	run push_version f10 2
	[ "$status" -eq 0 ]
	[ "$(pid_of f10 web)" = "$pid" ]
	answers f10 1
	run slipway restart f10
	[ "$status" -eq 0 ]
	answers f10 2
}

@test "piku-F11 a service that is gone from the Procfile stops" {
	app_create f11
	procfile f11 'web: python3 server.py' 'worker: python3 dump.py'
	push f11
	wait_until running_is f11 2
	procfile f11 'web: python3 server.py'
	run push f11
	[ "$status" -eq 0 ]
	wait_until running_is f11 1
	[ -z "$(pid_of f11 worker)" ]
	[[ $(scaling f11) != *worker* ]]
}

@test "piku-F12 what exits at once is started again with growing pauses, and seen to fail" {
	slow
	app_create f12
	procfile f12 'web: python3 server.py' 'worker: test -e $DATA_ROOT/fail && exit 3; exec python3 dump.py'
	push f12
	wait_until seen_is f12 worker .version 1
	touch "$ROOT/data/f12/fail"
	kill -KILL "$(pid_of f12 worker)"
	crashing() { [ "$(instances f12 '.[] | select(.service == "worker") | .state')" = crashing ]; }
	WAIT_SECONDS=60 wait_until crashing
	[ "$(instances f12 '.[] | select(.service == "worker") | .restarts <= 15')" = true ]
	[ "$(instances f12 '.[] | select(.service == "worker") | .next_start_s > 0')" = true ]
	run slipway ps f12
	[[ $output == *crash* ]]
	answers f12 1
}

@test "piku-F13 what ignores TERM is killed with its children after its time" {
	app_create f13
	echo "STOP_TIMEOUT=1" >"$WORK/f13/ENV"
	procfile f13 "worker: trap '' TERM; sh -c 'trap \"\" TERM; echo \$\$ > \$DATA_ROOT/child; while :; do sleep 1000; done' & echo \$\$ > \$DATA_ROOT/parent; while :; do sleep 1000; done"
	push f13
	wait_until test -s "$ROOT/data/f13/child"
	local before
	before=$(grep -lsF "=$ROOT/data/f13" /proc/[0-9]*/environ | wc -l)
	[ "$before" -ge 2 ]
	run slipway stop f13
	[ "$status" -eq 0 ]
	nothing_left() { [ "$(grep -lsF "=$ROOT/data/f13" /proc/[0-9]*/environ | wc -l)" = 0 ]; }
	wait_until nothing_left
}

@test "piku-F14 stop and restart from every state" {
	app_create f14
	push f14
	run slipway stop f14
	[ "$status" -eq 0 ]
	wait_until running_is f14 0
	[ "$(http_status f14.localhost /)" = 503 ]
	run slipway restart f14
	[ "$status" -eq 0 ]
	answers f14 1
	run slipway stop f14
	[ "$status" -eq 0 ]
	run slipway stop f14
	[[ $output == *already* ]]
	run slipway start f14
	[ "$status" -eq 0 ]
	answers f14 1
	run slipway start f14
	[ "$status" -lt 2 ]
	answers f14 1
}

@test "piku-F15 two pushes at the same time end in one of the two" {
	app_create f15
	push f15
	git clone -q "$WORK/f15" "$WORK/f15-b"
	set_version f15 2
	echo 3 >"$WORK/f15-b/VERSION"
	git -C "$WORK/f15-b" commit -qam 'version 3'
	push f15 >"$BATS_TEST_TMPDIR/a" 3>&- &
	local one=$!
	timeout 180 git -C "$WORK/f15-b" push "$SSH_URL/f15" HEAD:other >"$BATS_TEST_TMPDIR/b" 2>&1 3>&- &
	local two=$!
	wait $one || :
	wait $two || :
	wait_until settled f15
	local version
	version=$(ask f15 .version)
	[ "$version" = 2 ] || [ "$version" = 3 ]
	[ "$(cat "$ROOT/apps/f15/VERSION")" = "$version" ]
	[ "$(running f15)" = 1 ]
}

@test "piku-F17 a worker's line means what a shell means by it" {
	app_create f17
	echo 'FOO=foo' >"$WORK/f17/ENV"
	procfile f17 'worker: echo "$(date +%s) $FOO \$" 100%d > $DATA_ROOT/out; exec python3 dump.py'
	push f17
	wait_until test -s "$ROOT/data/f17/out"
	[[ $(cat "$ROOT/data/f17/out") =~ ^[0-9]{10,}\ foo\ \$\ 100%d$ ]]
}

@test "piku-F20 a file that an app wrote beside its code is still there after a push" {
	app_create f20
	procfile f20 'web: echo "$(cat VERSION)" >> data.db; exec python3 server.py'
	push f20
	[ "$(cat "$ROOT/apps/f20/data.db")" = 1 ]
	run push_version f20 2
	[ "$status" -eq 0 ]
	wait_until answers f20 2
	[ "$(cat "$ROOT/apps/f20/data.db")" = $'1\n2' ]
	run push_version f20 3
	[ "$status" -eq 0 ]
	[ "$(cat "$ROOT/apps/f20/data.db")" = $'1\n2\n3' ]
}

@test "instances outlive the daemon, and the next daemon adopts them" {
	app_create adopted
	procfile adopted 'web: python3 server.py' 'worker: python3 dump.py'
	push adopted
	wait_until settled adopted
	local before pid start
	before=$(instances adopted)
	read -r pid start <<<"$(server_recorded slipwayd)"
	kill -KILL "$pid"
	wait_until process_gone "$pid" "$start"
	answers adopted 1
	run slipway deploy adopted
	[ "$status" -eq 5 ]
	server_start_slipwayd
	[ "$(instances adopted)" = "$before" ]
	run push_version adopted 2
	[ "$status" -eq 0 ]
	answers adopted 2
	wait_until settled adopted
	[ "$(running adopted)" = 2 ]
	# TERM: the same, politely.
	read -r pid start <<<"$(server_recorded slipwayd)"
	before=$(instances adopted)
	kill "$pid"
	wait_until process_gone "$pid" "$start"
	answers adopted 2
	server_start_slipwayd
	[ "$(instances adopted)" = "$before" ]
}

@test "an instance that dies is started again" {
	app_create revived
	push revived
	wait_until settled revived
	local pid
	pid=$(pid_of revived web)
	kill -KILL "$pid"
	revived() { [ "$(pid_of revived web)" != "$pid" ] && answers revived 1; }
	wait_until revived
}

@test "an instance inherits no descriptors and no foreign environment" {
	app_create clean
	procfile clean 'web: python3 server.py' \
		'worker: ls /proc/self/fd | tr "\n" " " > $DATA_ROOT/fds; exec python3 dump.py'
	push clean
	wait_until test -s "$ROOT/data/clean/fds"
	[ "$(cat "$ROOT/data/clean/fds")" = "0 1 2 3 " ]
	[ "$(ask clean '.env.SSH_CONNECTION // .env.GIT_DIR // .env.SLIPWAY_TOKEN // "none"')" = none ]
	[ "$(ask clean .env.DATA_ROOT)" = "$ROOT/data/clean" ]
	[ "$(ask clean .env.HOME)" = "$ROOT/data/clean/home" ]
}
