# Schedules: group C of the Piku contract's acceptance cases. The clock of the schedules runs 60 times as fast here: a
# minute of theirs is a second, so that nothing waits for a real one.
load helpers

# shellcheck disable=SC2034 # scripts/server.bash reads it
clock() { SERVER_ENV=("SLIPWAY_TEST_CLOCK=$CLOCK"); }
setup_file() {
	CLOCK=$(date +%s):60
	export CLOCK
	clock
	server_start
}
teardown_file() { server_stop; }

lines_are() { [ "$(wc -l <"$1" 2>/dev/null || echo 0)" -ge "$2" ]; }
runs() { slipway runs "$1" --json -n 1000 | jq -r "${2:-.[]}"; }
runs_are() { [ "$(runs "$1" "[.[] | $2] | length")" -ge "$3" ]; }
schedule() { slipway ps "$1" --json | jq -r ".schedules[0] | $2"; }
schedule_is() { [ "$(schedule "$1" "$2")" = "$3" ]; }
schedules_only() { app_empty "$1" && procfile "$1" "${@:2}"; }
server_slipwayd_is_gone() { ! server_slipwayd_answers; }
kill_daemon() {
	local pid
	read -r pid _ <<<"$(server_recorded slipwayd)"
	kill "-$1" "$pid"
	wait_until pid_is_gone "$pid"
}

@test "piku-C01 a job runs every minute with its environment, once a minute" {
	schedules_only c01 'cron1: * * * * * echo $FOO >> $DATA_ROOT/out'
	echo FOO=bar >"$WORK/c01/ENV"
	commit c01
	push c01
	wait_until lines_are "$ROOT/data/c01/out" 3
	[ "$(sort -u "$ROOT/data/c01/out")" = bar ]
	slipway suspend c01 cron1
	[ "$(runs c01 '[.[].scheduled_for_s] | length == (unique | length)')" = true ]
	[ "$(runs c01 '[.[].scheduled_for_s % 60] | unique | tostring')" = '[0]' ]
	[ "$(runs c01 '[.[].outcome] | unique | tostring')" = '["succeeded"]' ]
}

@test "piku-C02 piku-C09 wrong times are refused, each by its name" {
	local bad
	schedules_only c02 'web: x'
	for bad in '60 * * * * x' '* 25 * * * x' '* * 32 * * x' '* * * 13 * x' '* * * * 8 x' '*/60 * * * * x' '*/0 * * * * x' \
		'@sometimes x' '' '* * * *'; do
		procfile c02 "cron-bad: $bad"
		run push c02
		[ "$status" -ne 0 ]
		[[ $output == *"Procfile:1:"*"'cron-bad'"* ]]
	done
}

@test "piku-C03 piku-C04 a time that never comes is warned of, and the command stays as it is" {
	schedules_only c03 'cron: 0 24 * * * rm -f tmp/*.log'
	run push c03
	[ "$status" -eq 0 ]
	[[ $output == *"never runs"* ]]
	[ "$(slipway plan c03 --json | jq -r '.services[0] | "\(.schedule)|\(.command)"')" = '0 24 * * *|rm -f tmp/*.log' ]
	schedule_is c03 .next_at_s 0
	[[ $(slipway ps c03) == *"SCHEDULE"*"0 24 * * *"* ]]
}

@test "piku-C08 piku-C12 the next run is told, by the app's time zone" {
	schedules_only c12 'cron: 0 9 * * * x' 'cron-daily: @daily y'
	echo TZ=Asia/Tokyo >"$WORK/c12/ENV"
	commit c12
	push c12
	[ "$(TZ=Asia/Tokyo date -d "@$(schedule c12 .next_at_s)" +%H:%M)" = 09:00 ]
	[ "$(TZ=Asia/Tokyo date -d "@$(slipway ps c12 --json | jq '.schedules[1].next_at_s')" +%H:%M)" = 00:00 ]
}

@test "piku-C10 a job that takes longer than its minute never runs twice at once; what is skipped is recorded" {
	schedules_only c10 'cron: * * * * * echo begin >>$DATA_ROOT/out; sleep 1.5; echo end >>$DATA_ROOT/out'
	push c10
	wait_until runs_are c10 'select(.outcome == "skipped")' 2
	wait_until runs_are c10 'select(.outcome == "succeeded")' 2
	slipway suspend c10 cron
	# begin, end, begin, end ...
	[ "$(uniq -c "$ROOT/data/c10/out" | awk '$1 != 1' | wc -l)" = 0 ]
	[[ $(slipway logs c10 cron -n 1000) == *"is skipped: run"*"still goes on"* ]]
}

@test "two runs at once, where that is wanted" {
	schedules_only overlap 'cron: * * * * * echo begin >>$DATA_ROOT/out; sleep 100'
	echo CRON_OVERLAP=allow >"$WORK/overlap/ENV"
	commit overlap
	push overlap
	wait_until running_is overlap 2
	slipway ps:scale overlap cron=0
	wait_until running_is overlap 0
	schedule_is overlap .state off
	schedule_is overlap .next_at_s 0
	runs_are overlap 'select(.outcome == "stopped")' 2
}

@test "piku-C11 a redeploy in the matching minute does not run it twice, and does not end what runs" {
	schedules_only c11 'cron: * * * * * echo $SLIPWAY_RELEASE >>$DATA_ROOT/out' 'cron-long: @yearly touch $DATA_ROOT/began; read -r _ <$DATA_ROOT/go'
	push c11
	mkfifo "$ROOT/data/c11/go"
	slipway run-now c11 cron-long --no-wait
	wait_until test -e "$ROOT/data/c11/began"
	slipway restart c11
	slipway restart c11
	push_version c11 2
	wait_until grep -q v2 "$ROOT/data/c11/out"
	[ "$(runs c11 '[.[] | select(.scheduled_for_s > 0) | .scheduled_for_s] | length == (unique | length)')" = true ]
	[ "$(running c11)" -ge 1 ]
	echo >"$ROOT/data/c11/go"
	wait_until runs_are c11 'select(.service == "cron-long" and .outcome == "succeeded")' 1
	# As many lines as runs that began.
	slipway suspend c11 cron
	wait_until running_is c11 0
	[ "$(wc -l <"$ROOT/data/c11/out")" = "$(runs c11 '[.[] | select(.service == "cron" and .version > 0)] | length')" ]
}

@test "run-now prints what the job writes, all of it, and exits as it does" {
	schedules_only now 'cron: @yearly i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done; echo oops >&2; exit 7' \
		'cron-ok: @yearly echo fine'
	push now
	run slipway run-now now cron
	[ "$status" -eq 7 ]
	[ "$(grep -c '^line' <<<"$output")" = 2000 ]
	[[ $output == *"oops"* ]]
	run slipway run-now now cron-ok
	[ "$status" -eq 0 ]
	[ "$output" = fine ]
	run slipway run-now now cron-ok
	[ "$output" = fine ]
	[ "$(runs now '.[0] | "\(.outcome) \(.exit_status) \(.scheduled_for_s)"')" = 'succeeded 0 0' ]
	[[ $(slipway ps now) == *"failed (7)"* ]]
	[[ $(slipway runs now) == *"run-now"* ]]
	run slipway run-now now web
	[ "$status" -eq 4 ]
	[[ $output == *"no schedule 'web'"* ]]
}

@test "a job that takes too long is ended, with what it started" {
	schedules_only slow 'cron: @yearly sleep 1000 & sleep 1000'
	echo CRON_TIMEOUT=1 >"$WORK/slow/ENV"
	commit slow
	push slow
	run slipway run-now slow cron
	[ "$status" -eq 124 ]
	[[ $output == *"timed out"* ]]
	[ "$(runs slow '.[0].outcome')" = "timed out" ]
	[ "$(running slow)" = 0 ]
}

@test "a suspended schedule rests over deployments, a stopped app's do not run" {
	schedules_only rest 'cron: * * * * * echo x >>$DATA_ROOT/out'
	push rest
	slipway suspend rest cron
	slipway restart rest
	schedule_is rest .state suspended
	schedule_is rest .next_at_s 0
	slipway run-now rest cron
	slipway resume rest cron
	wait_until runs_are rest 'select(.scheduled_for_s > 0 and .outcome == "succeeded")' 1
	slipway stop rest
	schedule_is rest .state stopped
	schedule_is rest .next_at_s 0
	run slipway run-now rest cron
	[ "$status" -eq 4 ]
	[[ $output == *"is stopped"* ]]
	slipway start rest
	schedule_is rest .state on
	[ "$(schedule rest .next_at_s)" -gt 0 ]
	[ "$(runs rest '[.[] | select(.outcome == "missed")] | length')" = 0 ]
	slipway destroy rest --yes
}

@test "schedules survive a killed daemon: what ran goes on, what was due is missed once" {
	schedules_only killed 'cron: * * * * * echo x' 'cron-long: @yearly touch $DATA_ROOT/began; read -r _ <$DATA_ROOT/go; echo finished >>$DATA_ROOT/out'
	push killed
	mkfifo "$ROOT/data/killed/go"
	slipway run-now killed cron-long --no-wait
	wait_until test -e "$ROOT/data/killed/began"
	wait_until runs_are killed 'select(.service == "cron")' 1
	slipway suspend killed cron
	slipway resume killed cron
	local next
	next=$(schedule killed .next_at_s)
	kill_daemon KILL
	# As if it had been away for two hours.
	sqlite3 "$ROOT/state.db" "UPDATE schedule SET next_s = $((next - 7200)) WHERE app = 'killed' AND service = 'cron'"
	clock
	server_start_slipwayd
	[ "$(runs killed '[.[] | select(.outcome == "missed")] | length')" = 1 ]
	[ "$(running killed)" -ge 1 ]
	wait_until runs_are killed 'select(.service == "cron" and .version > 0)' 2
	echo >"$ROOT/data/killed/go"
	wait_until grep -q finished "$ROOT/data/killed/out"
	wait_until runs_are killed 'select(.service == "cron-long" and .outcome == "unknown")' 1
	[[ $(slipway events killed) == *"not made up for"* ]]
}

@test "what the app sets for its schedules is checked before anything changes" {
	schedules_only policy 'cron: @daily x'
	printf 'CRON_OVERLAP=queue\nCRON_TIMEOUT=soon\nTZ=Mars/Olympus\n' >"$WORK/policy/ENV"
	commit policy
	run push policy
	[ "$status" -ne 0 ]
	[[ $output == *"CRON_OVERLAP is 'queue'"* && $output == *"CRON_TIMEOUT is 'soon'"* && $output == *"TZ is 'Mars/Olympus'"* ]]
}

@test "runs that begin later than their time are of that time" {
	schedules_only jitter 'cron: * * * * * true'
	echo CRON_JITTER=30 >"$WORK/jitter/ENV"
	commit jitter
	push jitter
	wait_until runs_are jitter 'select(.outcome == "succeeded" and .scheduled_for_s % 60 == 0)' 3
	slipway suspend jitter cron
	[ "$(runs jitter '[.[] | select(.outcome == "missed")] | length')" = 0 ]
}

@test "shutdown ends what runs, and the next daemon does not start it again" {
	schedules_only ended 'cron: @yearly echo began >>$DATA_ROOT/out; exec sleep 1000'
	push ended
	slipway run-now ended cron --no-wait
	wait_until grep -q began "$ROOT/data/ended/out"
	slipway shutdown --instances
	wait_until server_slipwayd_is_gone
	clock
	server_start_slipwayd
	[ "$(runs ended '.[0].outcome')" = stopped ]
	[ "$(running ended)" = 0 ]
	[ "$(wc -l <"$ROOT/data/ended/out")" = 1 ]
	run slipway run-now ended cron --no-wait
	[ "$status" -eq 0 ]
	wait_until running_is ended 1
	slipway destroy ended --yes
	[ "$(running ended)" = 0 ]
}

@test "a run outlasts the release that it began with" {
	schedules_only outlast 'cron: @yearly touch $DATA_ROOT/began; read -r _ <$DATA_ROOT/go; cat VERSION' 'worker: exec sleep 1000'
	echo KEEP_RELEASES=0 >"$WORK/outlast/ENV"
	commit outlast
	push outlast
	mkfifo "$ROOT/data/outlast/go"
	slipway run-now outlast cron >"$BATS_TEST_TMPDIR/out" 3>&- &
	local follower=$!
	wait_until test -e "$ROOT/data/outlast/began"
	push_version outlast 2
	wait_until settled outlast
	[ "$(live_release outlast)" = v2 ]
	echo >"$ROOT/data/outlast/go"
	wait "$follower"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = 1 ]
	push_version outlast 3
	wait_until test ! -e "$ROOT/releases/outlast/v1"
}

@test "the log keeper's absence loses nothing of a run, and keeps nobody waiting for long" {
	schedules_only away 'cron: @yearly echo one; echo two'
	push away
	slipway run-now away cron
	local pid
	pid=$(pgrep -f "slipwayd keeper $ROOT")
	kill -KILL "$pid"
	run slipway run-now away cron
	[ "$status" -eq 0 ]
	[ "$output" = one$'\n'two ]
}
