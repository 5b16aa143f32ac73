# The pipeline: releases, rollback, queueing, lost connections, what apps wrote, submodules.
load helpers

setup_file() {
	export SLIPWAY_ALLOW_FILE_SUBMODULES=1
	# shellcheck disable=SC2034 # scripts/server.bash reads it
	SERVER_ENV=(SLIPWAY_ALLOW_FILE_SUBMODULES=1)
	server_start
}
teardown_file() { server_stop; }

@test "a broken version is undone, the old one serves all the time, and everyone is told" {
	app_create broken
	push broken
	wait_until settled broken
	local pid
	pid=$(pid_of broken web)
	load_start broken 30
	procfile broken 'web: exit 1'
	run push broken
	[ "$status" -eq 1 ]
	[[ $output == *"deploy-"*".log"* ]]
	[[ $output == *v1* ]]
	local result
	result=$(load_stop)
	[ "$(jq .failed <<<"$result")" = 0 ]
	[ "$(pid_of broken web)" = "$pid" ]
	[ "$(live_release broken)" = v1 ]
	[ "$(running broken)" = 1 ]
	run slipway events --json
	[[ $output == *broken* && $output == *failed* ]]
}

@test "a commit whose deployment failed: pushing it again says so, and deploy --force tries again" {
	app_create again
	procfile again 'web: test -e $DATA_ROOT/allowed && exec python3 server.py'
	run push again
	[ "$status" -eq 1 ]
	run push again
	[ "$status" -ne 0 ]
	[[ $output == *"deploy"*"--force"* ]]
	touch "$ROOT/data/again/allowed"
	run slipway deploy again --force
	[ "$status" -eq 0 ]
	answers again 1
	run push again
	[ "$status" -eq 0 ]
}

@test "rollback goes to the release before, or to one by its number, with its settings" {
	app_create back
	push back
	slipway config:set back COLOUR=blue
	push_version back 2
	slipway config:set back COLOUR=red
	push_version back 3
	[ "$(ask back .env.COLOUR)" = red ]
	run slipway rollback back
	[ "$status" -eq 0 ]
	[ "$(ask back .version)" != 3 ] || [ "$(ask back .env.COLOUR)" != blue ]
	run slipway rollback back v1
	[ "$status" -eq 0 ]
	answers back 1
	[ "$(ask back .env.COLOUR)" = null ]
	[ "$(cat "$ROOT/apps/back/VERSION")" = 1 ]
	run slipway rollback back v99
	[ "$status" -ne 0 ]
	[[ $output == *v99* ]]
	answers back 1
	run slipway releases back
	[ "$status" -eq 0 ]
	[[ $output == *v1* ]]
}

@test "retention keeps as many releases as asked for, and the live one" {
	app_create kept
	echo 'KEEP_RELEASES=2' >"$WORK/kept/ENV"
	for version in 1 2 3 4 5; do
		push_version kept $version
	done
	few() { [ "$(releases_of kept | wc -l)" -le 3 ]; }
	wait_until few
	[ "$(releases_of kept | tail -n1)" = "$(live_release kept)" ]
	answers kept 5
	slipway rollback kept
	answers kept 4
}

@test "a lost connection does not stop a deployment" {
	app_create lost
	push lost
	procfile lost 'web: python3 server.py' \
		'release: touch $DATA_ROOT/began; until [ -e $DATA_ROOT/go ]; do sleep 0.05; done'
	set_version lost 2
	setsid git -C "$WORK/lost" push "$SSH_URL/lost" main >/dev/null 2>&1 3>&- &
	local pusher=$!
	wait_until test -e "$ROOT/data/lost/began"
	# git and its ssh are gone at once, without a word to the other side.
	kill -KILL -- -$pusher
	wait $pusher || :
	touch "$ROOT/data/lost/go"
	wait_until answers lost 2
	ended() { slipway events --json | grep -q succeeded; }
	wait_until ended
}

@test "a deployment that is killed takes its step with it" {
	app_create killed
	push killed
	procfile killed 'web: python3 server.py' \
		'release: exec flock $DATA_ROOT/lock sh -c "touch $DATA_ROOT/began; exec sleep 1000"'
	set_version killed 2
	push killed >/dev/null 3>&- &
	local pusher=$!
	wait_until test -e "$ROOT/data/killed/began"
	kill -KILL "$(sqlite3 "$ROOT/state.db" "SELECT owner_pid FROM deployment WHERE app = 'killed' AND state = 'running'")"
	wait_until flock -n "$ROOT/data/killed/lock" true
	if wait $pusher; then return 1; fi
	answers killed 1
}

@test "a push during a deployment waits, and only the newest commit is deployed" {
	app_create newest
	push newest
	procfile newest 'web: python3 server.py' \
		'release: touch $DATA_ROOT/began-$(cat VERSION); until [ -e $DATA_ROOT/go ]; do sleep 0.05; done'
	set_version newest 2
	push newest >"$BATS_TEST_TMPDIR/2" 3>&- &
	local two=$! three four
	wait_until test -e "$ROOT/data/newest/began-2"
	set_version newest 3
	push newest >"$BATS_TEST_TMPDIR/3" 3>&- &
	three=$!
	local commit
	commit=$(git -C "$WORK/newest" rev-parse HEAD)
	stored() { [ "$(git --git-dir "$ROOT/repos/newest" rev-parse main)" = "$1" ]; }
	wait_until stored "$commit"
	queued() { sqlite3 "$ROOT/state.db" "select count(*) from deployment where app = 'newest' and state = 'queued'" | grep -qx "$1"; }
	wait_until queued 1
	set_version newest 4
	push newest >"$BATS_TEST_TMPDIR/4" 3>&- &
	four=$!
	superseded() { sqlite3 "$ROOT/state.db" "select state from deployment where app = 'newest'" | grep -qx superseded; }
	wait_until superseded
	touch "$ROOT/data/newest/go"
	wait $two
	wait $three
	wait $four
	wait_until answers newest 4
	[ ! -e "$ROOT/data/newest/began-3" ]
	[ -e "$ROOT/data/newest/began-4" ]
	grep -qi 'newer\|supersede' "$BATS_TEST_TMPDIR/3"
}

@test "what an app wrote beside its code is kept, also from its first deployment and over rollbacks" {
	app_create wrote
	procfile wrote 'web: mkdir -p uploads; echo "$(cat VERSION)" > "uploads/$(cat VERSION)"; exec python3 server.py'
	printf '*.ignored\n' >"$WORK/wrote/.gitignore"
	commit wrote
	push wrote
	echo precious >"$ROOT/apps/wrote/notes.ignored"
	run push_version wrote 2
	[ "$status" -eq 0 ]
	[ "$(cat "$ROOT/apps/wrote/notes.ignored")" = precious ]
	[ -e "$ROOT/apps/wrote/uploads/1" ]
	[ -e "$ROOT/data/wrote/shared/uploads/1" ]
	# Known now: the next deployment loses no request.
	load_start wrote 50
	run push_version wrote 3
	[ "$status" -eq 0 ]
	wait_until answers wrote 3
	local result
	result=$(load_stop)
	[ "$(jq .failed <<<"$result")" = 0 ]
	run slipway rollback wrote
	[ "$status" -eq 0 ]
	[ "$(cd "$ROOT/apps/wrote/uploads" && echo *)" = "1 2 3" ]
}

@test "SHARED_PATHS names paths in advance" {
	app_create shared
	echo 'SHARED_PATHS=uploads' >"$WORK/shared/ENV"
	procfile shared 'web: touch "uploads/$(cat VERSION)"; exec python3 server.py'
	push shared
	[ -e "$ROOT/data/shared/shared/uploads/1" ]
	run push_version shared 2
	[ "$status" -eq 0 ]
	[ "$(cd "$ROOT/data/shared/shared/uploads" && echo *)" = "1 2" ]
}

@test "submodules come along, also nested ones" {
	app_create subs
	git init -q -b main "$WORK/subs-inner"
	echo inner >"$WORK/subs-inner/file"
	commit subs-inner
	git init -q -b main "$WORK/subs-outer"
	git -C "$WORK/subs-outer" submodule --quiet add "file://$WORK/subs-inner" inner
	commit subs-outer
	git -C "$WORK/subs" submodule --quiet add "file://$WORK/subs-outer" outer
	git -C "$WORK/subs" submodule --quiet update --init --recursive
	commit subs
	run push subs
	[ "$status" -eq 0 ]
	[ "$(cat "$ROOT/apps/subs/outer/inner/file")" = inner ]
}

@test "a health path is asked before the switch" {
	app_create health
	push health
	printf 'CHECK_PATH=/up\nCHECK_TIMEOUT=2\n' >"$WORK/health/ENV"
	run push_version health 2
	[ "$status" -eq 0 ]
	answers health 2
	sed -i 's/self.send_response(200)/self.send_response(500 if self.path == "\/up" else 200)/' "$WORK/health/server.py"
	run push_version health 3
	[ "$status" -eq 1 ]
	[[ $output == *500* ]]
	answers health 2
}

@test "a worker that dies at once fails the deployment" {
	app_create dies
	procfile dies 'web: python3 server.py' 'worker: python3 dump.py'
	push dies
	procfile dies 'web: python3 server.py' 'worker: exit 4'
	run push_version dies 2
	[ "$status" -ne 0 ]
	answers dies 1
	wait_until running_is dies 2
	[ "$(live_release dies)" = v1 ]
}

@test "a deployment without the daemon exits 5 and says how to start it" {
	app_create nodaemon
	push nodaemon
	local pid start
	read -r pid start <<<"$(server_recorded slipwayd)"
	kill "$pid"
	wait_until process_gone "$pid" "$start"
	run slipway deploy nodaemon
	[ "$status" -eq 5 ]
	[[ $output == *slipwayd* ]]
	run push_version nodaemon 2
	[ "$status" -ne 0 ]
	answers nodaemon 1
	# The daemon ends while a push comes in: the ref has moved, and the hook finds nobody.
	local old
	old=$(git --git-dir="$ROOT/repos/nodaemon" rev-parse main)
	git --git-dir="$ROOT/repos/nodaemon" fetch -q "$WORK/nodaemon" +main:main
	run slipway git-hook nodaemon <<<"$old $(git -C "$WORK/nodaemon" rev-parse main) refs/heads/main"
	[ "$status" -ne 0 ]
	server_start_slipwayd
	wait_until answers nodaemon 2
}

@test "nginx takes every one of many quick redeploys" {
	slow
	app_create many
	push many
	load_start many 100
	for version in 2 3 4 5 6; do
		push_version many $version
	done
	local result
	result=$(load_stop)
	echo "$result"
	[ "$(jq .failed <<<"$result")" = 0 ]
	answers many 6
}

@test "keep-alive clients that retry once lose no request either" {
	app_create alive
	push alive
	load_start alive 100 --keep-alive
	push_version alive 2
	wait_until answers alive 2
	local result
	result=$(load_stop)
	echo "$result"
	[ "$(jq .failed <<<"$result")" = 0 ]
}

@test "a reserved port that a stranger has taken is replaced" {
	app_create squatted
	push squatted
	wait_until settled squatted
	local port squatter
	port=$(instances squatted '.[0].port')
	push_version squatted 2
	wait_until settled squatted
	# It would be this one's turn again.
	python3 -c 'import signal, socket, sys; s = socket.create_server(("127.0.0.1", int(sys.argv[1]))); signal.pause()' \
		"$port" 3>&- &
	squatter=$!
	wait_until port_answers "$port"
	run push_version squatted 3
	kill "$squatter"
	[ "$status" -eq 0 ]
	[ "$(instances squatted '.[0].port')" != "$port" ]
	answers squatted 3
}

@test "quick redeploys of what does not stop when asked to change ports, and lose no request" {
	app_create stubborn
	procfile stubborn 'web: trap "" TERM; exec python3 server.py'
	push stubborn
	load_start stubborn 30
	for version in 2 3 4 5; do
		run push_version stubborn $version
		[ "$status" -eq 0 ]
		answers stubborn $version
	done
	load_stop | jq -e '.failed == 0 and .ok > 0'
	slipway destroy stubborn --yes
}
