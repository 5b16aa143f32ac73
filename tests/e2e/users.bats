# A Unix user per app, when slipwayd runs as root: who commands run as, whose the files are, what others cannot do.
load helpers

setup_file() {
	[ "$(id -u)" = 0 ] || { skip_file "slipwayd has to run as root to run apps as other users" && return 0; }
	export UID_FIRST=$((31000 + ${CHECK_SLOT:-2} * 100))
	SERVER_CONFIG=$(printf '[instances]\nusers = "%d-%d"' $UID_FIRST $((UID_FIRST + 99)))
	export SERVER_CONFIG
	server_start
}
teardown_file() { server_stop; }

# users_are RANGE|"": from the next deployment on.
users_are() {
	sed -i '/^\[instances\]/,+1d' "$ROOT/config.toml"
	if [ -n "$1" ]; then printf '[instances]\nusers = "%s"\n' "$1" >>"$ROOT/config.toml"; fi
}
users_on() { users_are "$UID_FIRST-$((UID_FIRST + 99))"; }
cleanup_test() { [ -z "${ROOT:-}" ] || { users_are "" && users_on; }; }

user_of() { instances "$1" '.[0].user'; }
owner() { stat -c %u "$1"; }
worker() {
	app_empty "$1"
	cp "$FIXTURES/dump.py" "$WORK/$1/"
	printf '%s\n' "worker: python3 dump.py ${2:-}" "${@:3}" >"$WORK/$1/Procfile"
	commit "$1"
}

@test "each app has a user of its own, which all its commands run as" {
	worker one "" 'preflight: id -u >$DATA_ROOT/preflight' 'release: id -u >$DATA_ROOT/release; echo said >/dev/stdout' \
		'cron-who: @yearly id -u; id -G; echo said >/dev/stdout; echo ok >/dev/shm/x && cat /dev/shm/x'
	run push one
	[ "$status" -eq 0 ]
	[[ $output == *said* ]]
	worker two
	push two
	local one two
	one=$(user_of one)
	two=$(user_of two)
	[ "$one" -ge "$UID_FIRST" ]
	[ "$two" -ge "$UID_FIRST" ]
	[ "$one" != "$two" ]
	[ "$(<"$ROOT/data/one/preflight")" = "$one" ]
	[ "$(<"$ROOT/data/one/release")" = "$one" ]
	wait_until seen one worker .pid
	[ "$(owner "$ROOT/data/one/worker.json")" = "$one" ]
	[ "$(slipway run one -- 'id -u; id -G; cat VERSION; echo said >/dev/stdout' | cat)" = "$one
$one
1
said" ]
	run slipway run-now one cron-who
	[[ $output == *"$one"*"$one"*said*ok* ]]
	# shellcheck disable=SC2016 # the app's shell
	[ "$(slipway run one -- 'echo $USER $LOGNAME $HOME')" = "$one $one $ROOT/data/one/home" ]
	[ "$(seen one worker '.env.USER + " " + .env.LOGNAME')" = "$one $one" ]
	# Neither root again nor anybody else.
	run slipway run one -- 'grep -E "^(Uid|Gid|Groups|CapEff|CapPrm|CapBnd|CapInh|NoNewPrivs)" /proc/self/status'
	[[ $output == *"CapInh:"*"0000000000000000"*"CapPrm:"*"0000000000000000"*"CapEff:"*"0000000000000000"*"CapBnd:"*"0000000000000000"* ]]
	[[ $output == *"NoNewPrivs:	1"* ]]
}

@test "without a sandbox too, an app can neither read nor signal another" {
	worker victim
	echo 'SECRET=s3cret' >"$WORK/victim/ENV"
	commit victim
	push victim
	slipway config:set victim SANDBOX=off
	wait_until running_is victim 1
	worker thief
	push thief
	slipway config:set thief SANDBOX=off
	wait_until running_is thief 1
	[ "$(instances thief '.[0].sandbox')" = off ]
	local pid src
	pid=$(pid_of victim worker)
	src=$(readlink -f "$ROOT/apps/victim")
	try() { slipway run thief -- "$@"; }
	[ "$(try id -u)" = "$(user_of thief)" ]
	local path
	for path in "$src/VERSION" "$ROOT/data/victim/worker.json" "$ROOT/data/victim/home" "$ROOT/config/victim/ENV" \
		"$ROOT/envs/victim/LIVE_ENV" "$ROOT/logs/victim/worker.1.log" "${src%/src}/spec.json" "$ROOT/state.db" \
		"$ROOT/run/token" "$ROOT/repos/victim/config" "$ROOT/cache/victim/." "/proc/$pid/environ" "/proc/$pid/cwd/VERSION"; do
		run try "ls -d '$path' && cat '$path'"
		[ "$status" -ne 0 ]
		run try "cp /etc/hostname '$path'"
		[ "$status" -ne 0 ]
	done
	run try "kill -TERM $pid"
	[ "$status" -ne 0 ]
	[[ $output == *ermitted* ]]
	run try "ls '$ROOT/data'"
	[ "$status" -ne 0 ]
	[ "$(pid_of victim worker)" = "$pid" ]
	# What is its own it can.
	slipway run thief -- 'cat VERSION >$DATA_ROOT/mine && echo more >>VERSION'
	[ "$(owner "$ROOT/data/thief/mine")" = "$(user_of thief)" ]
}

@test "redeploys lose no request, slipwayd may be killed, and nginx still reads what it serves" {
	app_create site
	mkdir "$WORK/site/public"
	echo static >"$WORK/site/public/a.txt"
	echo 'NGINX_STATIC_PATHS=/s:public' >"$WORK/site/ENV"
	commit site
	push site
	wait_until answers site 1
	[ "$(http site.localhost /s/a.txt)" = static ]
	local pid start result user
	user=$(user_of site)
	load_start site 40
	push_version site 2
	wait_until answers site 2
	result=$(load_stop)
	echo "$result"
	[ "$(jq .failed <<<"$result")" = 0 ]
	[ "$(jq .ok <<<"$result")" -gt 0 ]
	[ "$(user_of site)" = "$user" ]
	local instance
	wait_until settled site
	instance=$(pid_of site web)
	read -r pid start <<<"$(server_recorded slipwayd)"
	kill -KILL "$pid"
	wait_until process_gone "$pid" "$start"
	answers site 2
	server_start_slipwayd
	[ "$(pid_of site web)" = "$instance" ]
	[ "$(user_of site)" = "$user" ]
	slipway daemon reexec
	[ "$(pid_of site web)" = "$instance" ]
	[ "$(user_of site)" = "$user" ]
	kill -KILL -- "-$instance"
	started_again() { [ "$(running site)" = 1 ] && [ "$(pid_of site web)" != "$instance" ] && answers site 2; }
	wait_until started_again
	[ "$(user_of site)" = "$user" ]
}

@test "an app from before gets its user with its next deployment, with its files, and loses it again" {
	users_are ""
	worker late
	push late
	wait_until seen late worker .pid
	[ "$(user_of late)" = 0 ]
	mkdir "$ROOT/data/late/dir"
	echo kept >"$ROOT/data/late/dir/file"
	echo secret >"$BATS_TEST_TMPDIR/outside"
	ln -s "$BATS_TEST_TMPDIR/outside" "$ROOT/data/late/link"
	ln "$BATS_TEST_TMPDIR/outside" "$ROOT/data/late/hardlink"
	users_on
	slipway restart late # not by that
	[ "$(user_of late)" = 0 ]
	set_version late 2
	run push late
	[ "$status" -eq 0 ]
	[[ $output == *"its files are given to user"* ]]
	local user
	user=$(user_of late)
	[ "$user" -ge "$UID_FIRST" ]
	[ "$(owner "$ROOT/data/late/dir/file")" = "$user" ]
	[ "$(owner "$ROOT/data/late/link")" = "$user" ]
	[ "$(owner "$BATS_TEST_TMPDIR/outside")" = 0 ]
	[ "$(slipway run late -- 'cat $DATA_ROOT/dir/file; echo more >>$DATA_ROOT/dir/file')" = kept ]
	# An older release runs as the same user.
	slipway rollback late
	[ "$(user_of late)" = "$user" ]
	[ "$(slipway run late -- 'cat VERSION; touch new')" = 1 ]
	# The next deployment of that user stops nothing.
	set_version late 3
	run push late
	[[ $output != *"are given to user"* ]]
	users_are ""
	set_version late 4
	run push late
	[[ $output == *"its files are given to user 0"* ]]
	[ "$(user_of late)" = 0 ]
	[ "$(owner "$ROOT/data/late/dir/file")" = 0 ]
	[ "$(slipway run late -- 'cat $DATA_ROOT/dir/file; echo x >>$DATA_ROOT/dir/file' | tr '\n' ' ')" = "kept more " ]
}

@test "a deployment that fails with the new user gives all back" {
	users_are ""
	worker back
	push back
	wait_until seen back worker .pid
	echo kept >"$ROOT/data/back/file"
	users_on
	# In its preflight, where no step has begun that has something else to undo; then when it is checked.
	worker back "" 'preflight: test $(id -u) = 0'
	run push back
	[ "$status" -ne 0 ]
	[ "$(user_of back)" = 0 ]
	[ "$(owner "$ROOT/data/back/file")" = 0 ]
	[ "$(running back)" = 1 ]
	app_empty back
	printf 'worker: test $(id -u) = 0 && exec sleep 1000\n' >"$WORK/back/Procfile"
	commit back
	run push back
	[ "$status" -ne 0 ]
	[ "$(user_of back)" = 0 ]
	[ "$(owner "$ROOT/data/back/file")" = 0 ]
	wait_until running_is back 1
	slipway run back -- 'echo more >>$DATA_ROOT/file'
}

@test "the user of a destroyed app is nobody else's as long as its data is there" {
	worker first
	push first
	local user
	user=$(user_of first)
	wait_until seen first worker .pid
	slipway destroy first --yes
	worker second
	push second
	[ "$(user_of second)" != "$user" ]
	worker first
	push first
	[ "$(user_of first)" = "$user" ]
	[ "$(seen first worker .pid)" -gt 0 ]
}

@test "processes are limited per user, as each app has one" {
	worker forks
	printf 'LIMIT_PIDS=20\n' >"$WORK/forks/ENV"
	commit forks
	push forks
	run slipway run forks -- 'for i in $(seq 60); do sleep 20 & done; echo all'
	[[ $output == *ork* ]]
	[ "$(instances forks '.[0].limits.pids.by')" = rlimit ]
}

@test "a store that was made anew knows the users, also that of an app that is gone" {
	worker known
	push known
	worker leaves
	push leaves
	local known leaves
	known=$(user_of known)
	leaves=$(user_of leaves)
	slipway destroy leaves --yes
	slipway shutdown
	wait_until slipwayd_is_gone
	rm -f "$ROOT"/state.db*
	run slipway recover
	[ "$status" -eq 0 ]
	server_start_slipwayd
	slipway restart known
	wait_until running_is known 1
	[ "$(user_of known)" = "$known" ]
	[ "$(slipway run known id -u)" = "$known" ]
	worker newcomer
	push newcomer
	[ "$(user_of newcomer)" -ne "$leaves" ]
	[ "$(user_of newcomer)" -ne "$known" ]
}
slipwayd_is_gone() { ! kill -0 "$SLIPWAYD_PID" 2>/dev/null; }
