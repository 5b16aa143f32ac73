# Setup, names, usage: group A of the Piku contract's acceptance cases.
load helpers

setup_file() { server_start; }
teardown_file() { server_stop; }

@test "piku-A01 setup makes every directory, and changes nothing the second time" {
	local root=$BATS_TEST_TMPDIR/root before
	run env SLIPWAY_ROOT="$root" "$SLIPWAY_BIN/slipway" setup
	[ "$status" -eq 0 ]
	for dir in apps data envs repos logs nginx cache acme plugins uwsgi-available uwsgi-enabled; do
		[ -d "$root/$dir" ] || { echo "$dir is missing" && false; }
	done
	# SQLite touches the files beside its own when it opens them.
	content() { find "$root" -mindepth 1 ! -name 'state.db-*' -printf '%p %m %T@\n' | sort; }
	before=$(content)
	run env SLIPWAY_ROOT="$root" "$SLIPWAY_BIN/slipway" setup
	[ "$status" -eq 0 ]
	[ "$(content)" = "$before" ]
}

@test "piku-A01 what may be secret is not open to others" {
	for dir in config envs run; do
		[ "$(stat -c %a "$ROOT/$dir")" = 700 ]
	done
}

@test "piku-A02 without HOME it works, or says what is missing" {
	run env -i PATH="$SERVER_PATH" SLIPWAY_ROOT="$ROOT" "$SLIPWAY_BIN/slipway" apps
	[ "$status" -eq 0 ]
	run env -i PATH="$SERVER_PATH" "$SLIPWAY_BIN/slipway" apps
	[ "$status" -lt 126 ]
	[ "$status" -eq 0 ] || [ -n "$output" ]
}

@test "piku-A03 help lists the commands, whichever way it is asked for" {
	for words in '' --help help -h; do
		# shellcheck disable=SC2086 # none or one word
		run slipway $words
		[ "$status" -eq 0 ]
		for command in apps config config:get config:set config:unset config:live deploy destroy logs ps ps:scale run \
			restart stop setup setup:ssh; do
			[[ $output == *"$command"* ]] || { echo "no $command in '$words'" && false; }
		done
	done
	run slipway config:set --help
	[ "$status" -eq 0 ]
	[[ $output == *"config:set"* ]]
}

@test "piku-A04 wrong usage exits 2 and says so on standard error" {
	for words in nosuch ps run "run nosuch" "ps --nosuch nosuch" "apps too many" "config:get one"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr slipway $words
		echo "$words: $status"
		[ "$status" -eq 2 ]
		# shellcheck disable=SC2154 # set by run
		[ -n "$stderr" ]
		[ -z "$output" ]
	done
}

@test "a command that is nearly right is answered with the right one" {
	run --separate-stderr slipway aps
	[ "$status" -eq 2 ]
	[[ $stderr == *apps* ]]
}

@test "a mistyped word of daemon is told even where no daemon runs" {
	run --separate-stderr env SLIPWAY_ROOT="$BATS_TEST_TMPDIR/none" "$SLIPWAY_BIN/slipway" daemon reexc
	[ "$status" -eq 2 ]
	[[ $stderr == *"'reexc'"*reexec* ]]
	run --separate-stderr env SLIPWAY_ROOT="$BATS_TEST_TMPDIR/none" "$SLIPWAY_BIN/slipway" daemon xyz
	[ "$status" -eq 2 ]
	[[ $stderr == *reexec*reload* ]]
}

@test "piku-A05 no apps is a sentence, not an error" {
	run env SLIPWAY_ROOT="$BATS_TEST_TMPDIR/none" "$SLIPWAY_BIN/slipway" setup
	run env SLIPWAY_ROOT="$BATS_TEST_TMPDIR/none" "$SLIPWAY_BIN/slipway" apps
	[ "$status" -eq 0 ]
	[[ $output == *"no app"* ]]
	run env SLIPWAY_ROOT="$BATS_TEST_TMPDIR/none" "$SLIPWAY_BIN/slipway" apps --json
	[ "$status" -eq 0 ]
	jq -e . <<<"$output"
}

@test "piku-A06 an unknown or illegal name is refused, with the nearest legal one" {
	run --separate-stderr slipway ps "no/such;app"
	[ "$status" -ne 0 ]
	[ "$status" -lt 126 ]
	[[ $stderr == *no* ]]
	run --separate-stderr slipway ps nosuchapp
	[ "$status" -eq 3 ]
	[[ $stderr == *nosuchapp* ]]
}

@test "piku-A07 legal names are taken, others refused (design.md: Names)" {
	run slipway ps my-app_1.0
	[ "$status" -eq 3 ]
	for name in 'app; rm -rf /' '../x' 'a/b'; do
		run --separate-stderr slipway ps "$name"
		[ "$status" -ne 0 ]
		[ "$status" -ne 3 ]
	done
	app_create folded
	run timeout 180 git -C "$WORK/folded" push "$SSH_URL/~/Folded.git" main
	[ "$status" -eq 0 ]
	[ -d "$ROOT/repos/folded" ]
	wait_until answers folded 1
}

@test "piku-A08 dangerous names harm nothing" {
	app_create safe1
	app_create safe2
	push safe1
	push safe2
	wait_until settled safe1
	wait_until settled safe2
	local before pids
	before=$(root_content)
	pids="$(instances safe1) $(instances safe2)"
	for command in destroy stop restart deploy; do
		for name in '' / . .. '*' '../apps' 'safe'; do
			run slipway "$command" "$name" </dev/null
			[ "$status" -ne 0 ]
			run slipway "$command" "$name" --yes </dev/null
			[ "$status" -ne 0 ]
		done
	done
	[ "$(root_content)" = "$before" ]
	[ "$(instances safe1) $(instances safe2)" = "$pids" ]
}

@test "piku-A09 pushes to illegal names make nothing" {
	app_create refused
	local before long
	before=$(ls -A "$ROOT/repos" "$ROOT/apps" "$ROOT/releases")
	long=$(printf 'a%.0s' {1..64})
	for name in "$long" -rf .hidden 'ünï' 'a;id' "a'b" 'a b' '..' 'x/../../y'; do
		run timeout 60 git -C "$WORK/refused" push "$SSH_URL/$name" main
		[ "$status" -ne 0 ]
		run timeout 60 git -C "$WORK/refused" push "$SERVER_USER@127.0.0.1:$name" main
		[ "$status" -ne 0 ]
	done
	[ "$(ls -A "$ROOT/repos" "$ROOT/apps" "$ROOT/releases")" = "$before" ]
}

@test "piku-A10 an app whose name begins like another's is left alone" {
	app_create foo
	app_create foobar
	push foo
	push foobar
	wait_until settled foobar
	local pids content
	pids=$(instances foobar)
	content=$(root_content | grep /foobar)
	run slipway stop foo
	[ "$status" -eq 0 ]
	[ "$(instances foobar)" = "$pids" ]
	run slipway apps
	[[ $output == *foobar* ]]
	run slipway deploy foo
	[ "$(instances foobar)" = "$pids" ]
	run slipway destroy foo --yes
	[ "$status" -eq 0 ]
	[ "$(instances foobar)" = "$pids" ]
	[ "$(root_content | grep /foobar)" = "$content" ]
	answers foobar 1
	run slipway apps
	[[ $output == *foobar* ]]
	[[ $output != *"foo "* ]]
}

@test "piku-A11 apps are listed in order, and which of them run is seen" {
	app_create bb-running
	app_create aa-stopped
	push bb-running
	push aa-stopped
	slipway stop aa-stopped
	run slipway apps
	[ "$status" -eq 0 ]
	local names
	names=$(cut -c2- <<<"$output")
	[ "$(LC_ALL=C sort <<<"$names")" = "$names" ]
	grep -qx ' aa-stopped' <<<"$output"
	grep -qx '\*bb-running' <<<"$output"
}

@test "every listing has JSON, and what is unknown is an error" {
	app_create listed
	push listed
	for words in apps "ps listed" "config listed" "releases listed" events keys status "config:live listed"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr slipway $words --json
		echo "$words: $status"
		[ "$status" -eq 0 ]
		jq -e . <<<"$output" >/dev/null
	done
}

@test "a second slipwayd on the same root refuses to start" {
	run timeout 30 env -i PATH="$SERVER_PATH" HOME="$HOME" SLIPWAY_ROOT="$ROOT" "$SLIPWAY_BIN/slipwayd"
	[ "$status" -ne 0 ]
	[ "$status" -ne 124 ]
	[ -n "$output" ]
	slipway status
}
