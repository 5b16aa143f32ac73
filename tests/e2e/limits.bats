# LIMIT_MEMORY, LIMIT_CPU, LIMIT_PIDS, LIMIT_NOFILE: what is refused, what enforces it, what is said.
# What is written into cgroups is looked at in a directory that stands in for a tree of them (docs/testing.md).
load helpers

setup_file() { server_start; }
teardown_file() { server_stop; }

eater() {
	app_empty "$1"
	cp "$FIXTURES/eat.py" "$WORK/$1/"
	printf '%s\n' "${@:2}" >"$WORK/$1/Procfile"
}
limits_of() { instances "$1" ".[] | select(.service == \"$2\") | .limits | $3"; }

# restart_with_cgroups DIRECTORY|none: slipwayd is killed and started again, the instances stay.
restart_with_cgroups() {
	local pid start
	read -r pid start <<<"$(server_recorded slipwayd)"
	sed -i '/^\[instances\]/,+1d' "$ROOT/config.toml"
	printf '[instances]\ncgroup = "%s"\n' "$1" >>"$ROOT/config.toml"
	kill -KILL "$pid"
	wait_until process_gone "$pid" "$start"
	server_start_slipwayd
}
cgroups_make() {
	CGROUPS=$BATS_TEST_TMPDIR/cgroups
	mkdir -p "$CGROUPS"
	echo "cpuset cpu io memory pids" >"$CGROUPS/cgroup.controllers"
}
cleanup_test() {
	if grep -qs '^cgroup = "/' "$ROOT/config.toml"; then restart_with_cgroups none; fi
}

@test "limits that cannot be are refused with their place, before anything is done" {
	eater bad 'web: python3 eat.py --worker'
	printf 'A=1\nLIMIT_MEMORY=256M wbe=1G\nLIMIT_CPU=much\nLIMIT_PIDS=0\nLIMIT_NOFILE=3\n' >"$WORK/bad/ENV"
	commit bad
	run slipway validate "$WORK/bad"
	[ "$status" -eq 4 ]
	[[ $output == *"ENV:2:1: LIMIT_MEMORY names 'wbe', which is no service, nor build, release or run; did you mean 'web'?"* ]]
	[[ $output == *"ENV:3:1: LIMIT_CPU has 'much': expected a number of processors"* ]]
	[[ $output == *"ENV:4:1: LIMIT_PIDS has '0': expected a number of processes"* ]]
	[[ $output == *"ENV:5:1: LIMIT_NOFILE has '3': expected"* ]]
	run push bad
	[ "$status" -ne 0 ]
	[[ $output == *"ENV:2:1: LIMIT_MEMORY"* ]]
	[ -z "$(releases_of bad)" ]
}

@test "without cgroups, memory and files are limited for each process, and ps says by what" {
	eater few 'worker: python3 eat.py --worker' 'free: python3 eat.py --worker'
	printf 'LIMIT_MEMORY=80M free=none\nLIMIT_NOFILE="100 free=none"\nLIMIT_CPU=0.5\nLIMIT_PIDS=worker=64\n' >"$WORK/few/ENV"
	commit few
	push few
	wait_until seen_is few worker .memory ENOMEM
	[ "$(seen few worker .files)" = EMFILE ]
	[ "$(seen few worker .data)" = $((80 << 20)) ]
	wait_until seen_is few free .memory ok
	[ "$(seen few free .files)" = ok ]
	[ "$(limits_of few worker 'to_entries | map("\(.key) \(.value.max) \(.value.by)") | join(",")')" = \
		"memory $((80 << 20)) rlimit,cpu 500 nothing,pids 64 nothing,nofile 100 rlimit" ]
	run slipway ps few
	[[ $output == *LIMITS* ]]
	[[ $output == *"memory=80M (rlimit) cpu=0.5 (nothing) pids=64 (nothing) nofile=100 (rlimit)"* ]]
}

@test "an app without limits has no column of them" {
	app_create plain
	push plain
	run slipway ps plain
	[ "$status" -eq 0 ]
	[[ $output != *LIMITS* ]]
	[ "$(slipway ps plain --json | jq -c '.instances[0].limits')" = "{}" ]
}

@test "run, schedules, the release command and builds have limits of their own" {
	eater own 'worker: sleep 1000' 'cron-eat: @yearly python3 eat.py' 'release: python3 eat.py || echo the release ate too much'
	printf 'LIMIT_MEMORY=80M run=200M\n' >"$WORK/own/ENV"
	commit own
	run push own
	[ "$status" -eq 0 ]
	[[ $output == *"the release ate too much"* ]]
	run slipway run own -- python3 eat.py
	[ "$status" -eq 0 ]
	[ "$(jq .data <<<"$output")" = $((200 << 20)) ]
	run slipway run-now own cron-eat
	[[ $output == *'"memory": "ENOMEM"'* ]]
	[[ $output == *'failed (1)'* ]]
	# For all is not for the build; by its name it is.
	eater own 'worker: sleep 1000' 'preflight: python3 eat.py'
	commit own
	push own
	echo 'LIMIT_MEMORY=build=80M' >"$WORK/own/ENV"
	commit own
	run push own
	[ "$status" -ne 0 ]
	[[ $output == *'"memory": "ENOMEM"'* ]]
	[[ $output == *"preflight command: exited with status 1"* ]]
}

@test "a process cannot raise its limit again, nor does code that is loaded into it come before" {
	eater hard 'worker: ulimit -n 5000; python3 eat.py --worker'
	printf 'LIMIT_NOFILE=100\nLD_PRELOAD=/nonexistent.so\n' >"$WORK/hard/ENV"
	commit hard
	push hard
	wait_until seen_is hard worker .files EMFILE
	forget_seen hard
	slipway config:set hard SANDBOX=off
	wait_until seen_is hard worker .files EMFILE
}

@test "what the operator says for all apps, the code may lower and not raise" {
	sed -i '/^\[defaults\]/,+1d' "$ROOT/config.toml"
	printf '[defaults]\nLIMIT_MEMORY = "80M other=1G"\n' >>"$ROOT/config.toml"
	eater capped 'worker: python3 eat.py --worker'
	echo 'LIMIT_MEMORY=1G' >"$WORK/capped/ENV"
	commit capped
	push capped
	wait_until seen_is capped worker .data $((80 << 20))
	slipway config:set capped LIMIT_MEMORY=1G
	wait_until seen_is capped worker .data $((1 << 30))
	sed -i '/^\[defaults\]/,+1d' "$ROOT/config.toml"
}

@test "each instance has a cgroup with its limits, which goes with it and outlives slipwayd" {
	cgroups_make
	restart_with_cgroups "$CGROUPS"
	[ "$(<"$CGROUPS/cgroup.subtree_control")" = "+memory +cpu +pids" ]
	[ "$(<"$CGROUPS/slipwayd/cgroup.procs")" = 0 ]
	eater grouped 'worker: python3 eat.py --worker' "preflight: cp -r '$CGROUPS'/grouped:build:* \$DATA_ROOT/build"
	printf 'LIMIT_MEMORY=80M build=1G\nLIMIT_CPU=50%%\nLIMIT_PIDS=64\nLIMIT_NOFILE=100\n' >"$WORK/grouped/ENV"
	commit grouped
	run push grouped # the sandbox does not show the preflight command what it looks for
	[ "$status" -ne 0 ]
	slipway config:set grouped SANDBOX=off
	wait_until running_is grouped 1
	local group pid
	pid=$(pid_of grouped worker)
	group=$(echo "$CGROUPS"/grouped:worker.1:*)
	[ "$(<"$group/memory.max")" = $((80 << 20)) ]
	[ "$(<"$group/memory.oom.group")" = 1 ]
	[ "$(<"$group/cpu.max")" = "50000 100000" ]
	[ "$(<"$group/pids.max")" = 64 ]
	[ "$(<"$group/cgroup.procs")" = "$pid" ]
	# The build had one, which is gone.
	[ "$(<"$ROOT/data/grouped/build/memory.max")" = $((1 << 30)) ]
	[ "$(<"$ROOT/data/grouped/build/pids.max")" = max ]
	[ -z "$(find "$CGROUPS" -name 'grouped:build:*')" ]
	# Memory is left to the cgroup; files are not in its power.
	wait_until seen_is grouped worker .files EMFILE
	[ "$(seen grouped worker .data)" = -1 ]
	[ "$(limits_of grouped worker 'map_values(.by) | tojson')" = \
		'{"memory":"cgroup","cpu":"cgroup","pids":"cgroup","nofile":"rlimit"}' ]
	# Adopted: the limits are set anew, as systemd takes controllers back before it starts a service.
	echo max >"$group/memory.max"
	restart_with_cgroups "$CGROUPS"
	[ "$(pid_of grouped worker)" = "$pid" ]
	[ "$(<"$group/memory.max")" = $((80 << 20)) ]
	# `run` enters one by itself.
	run slipway run grouped -- "cat '$CGROUPS'/grouped:run:*/memory.max"
	[ "${lines[-1]}" = $((80 << 20)) ]
	slipway destroy grouped --yes
	[ -z "$(find "$CGROUPS" -name 'grouped:worker*')" ]
}

@test "an instance that the kernel killed for its memory is said to be, in log, ps and events" {
	cgroups_make
	restart_with_cgroups "$CGROUPS"
	eater oom 'worker: exec sleep 1000'
	echo 'LIMIT_MEMORY=80M' >"$WORK/oom/ENV"
	commit oom
	push oom
	local pid
	pid=$(pid_of oom worker)
	printf 'low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\n' >"$(echo "$CGROUPS"/oom:worker.1:*)/memory.events"
	# what the kernel does: all of the group at once
	kill -KILL -- "-$pid"
	said() { slipway ps oom | grep -F 'worker.1 was last ended: out of memory (LIMIT_MEMORY)'; }
	wait_until said
	wait_until grep -F 'slipway: killed by the kernel: out of memory (LIMIT_MEMORY is 80M)' "$ROOT/logs/oom/worker.1.log"
	slipway events oom | grep -F 'worker.1 was ended: out of memory (LIMIT_MEMORY)'
	wait_until running_is oom 1
	# An end of another kind is none.
	pid=$(pid_of oom worker)
	kill -KILL -- "-$pid"
	not_said() { [ "$(slipway ps oom --json | jq '.instances[0].last_end')" = null ]; }
	wait_until not_said
}

@test "a cgroup that cannot be used leaves the limits of processes, and is said" {
	mkdir "$BATS_TEST_TMPDIR/empty"
	restart_with_cgroups "$BATS_TEST_TMPDIR/empty"
	grep -F 'has none of the controllers' "$SERVER_DIR/slipwayd.log"
	eater nogroup 'worker: python3 eat.py --worker'
	echo 'LIMIT_MEMORY=80M' >"$WORK/nogroup/ENV"
	commit nogroup
	push nogroup
	wait_until seen_is nogroup worker .memory ENOMEM
	[ "$(limits_of nogroup worker .memory.by)" = rlimit ]
}
