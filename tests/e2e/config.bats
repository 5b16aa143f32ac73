# ENV and settings: group D of the Piku contract's acceptance cases.
load helpers

setup_file() {
	server_start
	app_create kept
	procfile kept 'web: python3 server.py' 'worker: python3 dump.py'
	push kept
}
teardown_file() { server_stop; }

settings() { echo "$ROOT/config/$1/ENV"; }
env_file() { printf '%s\n' "${@:2}" >"$WORK/$1/ENV" && commit "$1" ENV; }
stored() { grep "^$2=" "$(settings "$1")" | cut -d= -f2-; }

@test "piku-D01 values of the repository's ENV are expanded once, unknown names and quotes stay" {
	app_create d01
	procfile d01 'worker: python3 dump.py'
	env_file d01 'A=1' 'B=${A}-$APP-$NOPE' 'Q="x y"'
	run push d01
	[ "$status" -eq 0 ]
	wait_until test -e "$ROOT/data/d01/worker.json"
	[ "$(seen d01 worker .env.A)" = 1 ]
	[ "$(seen d01 worker .env.B)" = '1-d01-$NOPE' ]
	[ "$(seen d01 worker .env.Q)" = '"x y"' ]
}

@test "piku-D02 PATH can be extended" {
	app_create d02
	printf '# nothing\n' >"$WORK/d02/requirements.txt"
	env_file d02 'PATH=/x:$PATH'
	run push d02
	[ "$status" -eq 0 ]
	[[ $(ask d02 .env.PATH) == /x:* ]]
	[[ $(ask d02 .env.PATH) == *"$(ask d02 .env.VIRTUAL_ENV)/bin"* ]]
}

@test "piku-D03 the operator's settings win over the repository's, and see them" {
	app_create d03
	env_file d03 A=1
	push d03
	run slipway config:set d03 A=2
	[ "$status" -eq 0 ]
	printf 'C=$A\n' >>"$(settings d03)"
	run slipway deploy d03 --force
	[ "$status" -eq 0 ]
	[ "$(ask d03 .env.A)" = 2 ]
	[ "$(ask d03 .env.C)" = 2 ]
}

@test "piku-D04 a bad line of ENV is named and the lines behind it still count" {
	app_create d04
	env_file d04 A=1 'no equals sign' B=2
	run push d04
	[ "$status" -eq 0 ]
	[[ $output == *ENV:2* ]]
	[ "$(ask d04 .env.A)" = 1 ]
	[ "$(ask d04 .env.B)" = 2 ]
}

@test "piku-D05 a bad line among the stored settings is kept and reported" {
	app_create d05
	push d05
	slipway config:set d05 A=1
	printf 'broken line\nZ=9\n' >>"$(settings d05)"
	run slipway config:set d05 N=1
	[[ $output == *broken* || $output == *ENV:2* ]]
	grep -qx 'broken line' "$(settings d05)"
	[ "$(stored d05 A) $(stored d05 Z) $(stored d05 N)" = "1 9 1" ]
}

@test "piku-D06 settings with blanks arrive over SSH" {
	run remote "config:set kept 'A=\"x  y\"' B=z"
	[ "$status" -eq 0 ]
	run remote config:set kept 'A="x  y"' B=z
	[ "$status" -eq 0 ]
	[ "$(stored kept A)" = 'x  y' ]
	[ "$(stored kept B)" = z ]
	[ "$(ask kept .env.A)" = 'x  y' ]
}

@test "piku-D07 D08 D09 malformed settings change nothing" {
	local before
	slipway config:set kept KEEP=1
	before=$(sha256sum "$(settings kept)")
	run slipway config:set kept A=x y
	[ "$status" -ne 0 ]
	run remote "config:set kept \"A='x\""
	[ "$status" -ne 0 ] && [ "$status" -lt 126 ]
	run remote "config:set kept A='x"
	[ "$status" -ne 0 ] && [ "$status" -lt 126 ]
	for setting in '=x' 'A B=x' '#A=x' 'A' $'A="x\ny"' $'A\tB=x'; do
		run slipway config:set kept "$setting"
		echo "'$setting': $status"
		[ "$status" -ne 0 ]
		run slipway config:set kept GOOD=1 "$setting"
		[ "$status" -ne 0 ]
	done
	[ "$(sha256sum "$(settings kept)")" = "$before" ]
}

@test "piku-D09 a name that is no identifier is taken with a warning and reaches the worker" {
	app_create d09
	procfile d09 'worker: python3 dump.py'
	push d09
	run slipway config:set d09 a.b-c=x
	[ "$status" -eq 0 ]
	[[ ${output,,} == *warning* ]]
	grep -qx 'a.b-c=x' "$ROOT/envs/d09/LIVE_ENV"
	# A shell like dash hands on no such name: the process that it runs in has it.
	given() { tr '\0' '\n' <"/proc/$(pid_of d09 worker)/environ" | grep -qx 'a.b-c=x'; }
	wait_until given
}

@test "piku-D10 comments, order and references are kept" {
	app_create d10
	push d10
	slipway config:set d10 R1=a
	printf '# one\nR1=a\n\n# two\nR2=$R1\nR3=c\n' >"$(settings d10)"
	run slipway config:set d10 Z=1 R1=b
	[ "$status" -eq 0 ]
	[ "$(cat "$(settings d10)")" = $'# one\nR1=b\n\n# two\nR2=$R1\nR3=c\nZ=1' ]
	[ "$(ask d10 .env.R2)" = b ]
}

@test "piku-D11 a setting is read, removed, and gone" {
	slipway config:set kept D11=v
	run slipway config:get kept D11
	[ "$output" = v ]
	run slipway config:unset kept D11
	[ "$status" -eq 0 ]
	run --separate-stderr slipway config:get kept D11
	[ -z "$output" ]
	[ "$(ask kept .env.D11)" = null ]
}

@test "piku-D12 unsetting what is not set deploys nothing" {
	local before
	before=$(releases_of kept)
	run slipway config:unset kept NOPE
	[ "$status" -eq 0 ]
	[ "$(releases_of kept)" = "$before" ]
}

@test "piku-D13 every value reaches every kind of process unchanged" {
	app_create d13
	procfile d13 'web: python3 server.py' 'worker: python3 dump.py' \
		'release: PROC_TYPE=release python3 dump.py --once'
	push d13
	local -A values=(
		[P1]='100%' [P2]='p%40ss' [P3]='%d' [P4]='$(id)' [P5]='@(/etc/hostname)' [P6]='a;b' [P7]='a#b' [P8]='a"b'
		[P9]='ü' [P10]="it's" [P11]='a\b' [P12]='`id`' [P13]='*' [P14]='a=b' [P15]='-x'
	)
	values[LONG]=$(printf 'x%.0s' {1..8192})
	local settings=() key quote="'" quoted="'\\''"
	# Arguments are split once more by the rules of a shell, as in Piku (D07, D08).
	for key in "${!values[@]}"; do settings+=("$key='${values[$key]//$quote/$quoted}'"); done
	run slipway config:set d13 "${settings[@]}"
	[ "$status" -eq 0 ]
	wait_until settled d13
	ask d13 .env >"$BATS_TEST_TMPDIR/web"
	seen d13 worker .env >"$BATS_TEST_TMPDIR/worker"
	seen d13 release .env >"$BATS_TEST_TMPDIR/release"
	slipway run d13 'PROC_TYPE=run python3 dump.py --once'
	seen d13 run .env >"$BATS_TEST_TMPDIR/run"
	for kind in web worker release run; do
		for key in "${!values[@]}"; do
			[ "$(jq -r --arg k "$key" '.[$k]' "$BATS_TEST_TMPDIR/$kind")" = "${values[$key]}" ] ||
				{ echo "$kind: $key" && false; }
		done
	done
	[ "$(slipway config:get d13 P8)" = 'a"b' ]
}

@test "piku-D14 PIKU_INTERNAL_ settings stay inside" {
	slipway config:set kept PIKU_INTERNAL_X=1 || :
	wait_until settled kept
	[ "$(ask kept .env.PIKU_INTERNAL_X)" = null ]
	[ "$(seen kept worker .env.PIKU_INTERNAL_X)" = null ]
	run grep PIKU_INTERNAL_X "$ROOT/envs/kept/LIVE_ENV"
	[ "$status" -eq 1 ]
}

@test "piku-D16 files with settings are for their owner alone" {
	slipway config:set kept SECRET=a-secret-of-d16
	[ "$(stat -Lc %a "$ROOT/config/kept/ENV")" = 600 ]
	[ "$(stat -Lc %a "$ROOT/envs/kept/LIVE_ENV")" = 600 ]
	wait_until settled kept
	# Nothing that others can reach holds the value.
	run find "$ROOT" \( -path "$ROOT/data" -o -path "$ROOT/envs/*/deps" \) -prune -o -type f -perm /044 \
		-exec grep -ls a-secret-of-d16 {} + # -s: retention removes old releases meanwhile
	[ -z "$output" ]
}

@test "piku-D17 killed at any system call, config:set leaves the old settings or the new ones" {
	local old new n seen=''
	slipway config:set kept D17=old FILL="$(printf 'y%.0s' {1..500})"
	old=$(cat "$(settings kept)")
	new=${old/D17=old/D17=new}
	strace -o /dev/null true || skip "strace may not trace here"
	for call in write fsync fdatasync rename renameat renameat2 openat close; do
		for n in 1 2 3; do
			printf '%s\n' "$old" >"$(settings kept)"
			SLIPWAY_ROOT=$ROOT timeout 60 strace -qq -f -o /dev/null -P "$(settings kept)" -P "$(dirname "$(settings kept)")" \
				-e trace="$call" -e inject="$call":signal=KILL:when="$n" \
				"$SLIPWAY_BIN/slipway" config:set kept D17=new >/dev/null 2>&1 || :
			seen=$(cat "$(settings kept)")
			[ "$seen" = "$old" ] || [ "$seen" = "$new" ] || { echo "$call $n: $seen" && false; }
		done
	done
	run slipway config:set kept D17=end
	[ "$status" -eq 0 ]
}

@test "piku-D18 the build uses stored settings" {
	app_create d18
	printf '# nothing\n' >"$WORK/d18/requirements.txt"
	commit d18
	push d18
	run slipway config:set d18 PYTHON_VERSION=3.99
	[ "$status" -ne 0 ]
	[[ $output == *3.99* ]]
	answers d18 1
}

@test "config shows where each value comes from" {
	app_create origin
	env_file origin FROM_REPO=1 BOTH=repo
	push origin
	slipway config:set origin BOTH=operator
	run slipway config origin --origin
	[ "$status" -eq 0 ]
	[[ $output == *FROM_REPO* && $output == *BOTH* && $output == *operator* ]]
	run slipway config:live origin
	[[ $output == *BOTH=operator* ]]
	run slipway config origin
	[[ $output == *BOTH=operator* ]]
}

@test "a failed deployment after config:set keeps the old version serving" {
	app_create dfail
	procfile dfail 'web: test -z "$BROKEN" && exec python3 server.py'
	push dfail
	run slipway config:set dfail BROKEN=1
	[ "$status" -ne 0 ]
	answers dfail 1
}
