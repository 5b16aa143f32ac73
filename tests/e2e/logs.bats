# The log keeper and `slipway logs`: caps, rotation, following, gaps, full disks, deaths. What docs/logs.md says is tried here.
# H14 and H15 of the Piku contract are in git.bats, --since in host.bats too.
load helpers

setup_file() {
	export WAIT_SECONDS=120
	server_start
	export SLIPWAY_ROOT=$ROOT
}
teardown_file() { server_stop; }
cleanup_test() {
	local pid
	while read -r pid; do kill -CONT "$pid" && kill "$pid"; done 2>/dev/null <"$BATS_TEST_TMPDIR/pids" || :
	[ ! -e "$BATS_TEST_TMPDIR/mounted" ] || umount --lazy "$(cat "$BATS_TEST_TMPDIR/mounted")"
}

# An app whose services do what they are told: talker NAME [SETTING]... -- SERVICE...
talker() {
	local app=$1 setting
	app_empty "$app"
	# shellcheck disable=SC2016 # the app's shell
	printf '%s\n' 'cd "$DATA_ROOT"' 'rm -f "$PROC_TYPE.in"' 'mkfifo "$PROC_TYPE.new"' 'mv "$PROC_TYPE.new" "$PROC_TYPE.in"' \
		'while :; do sh "$PROC_TYPE.in" </dev/null; done' >"$WORK/$app/talk.sh"
	: >"$WORK/$app/Procfile"
	for setting in "${@:2}"; do
		case $setting in
		*=*) echo "$setting" >>"$WORK/$app/ENV" ;;
		*) echo "$setting: sh talk.sh" >>"$WORK/$app/Procfile" ;;
		esac
	done
	commit "$app"
	push "$app"
}
# tell APP SERVICE SCRIPT: it begins. say: it has ended, and so has all that it wrote been taken from it.
tell() {
	local data=$ROOT/data/$1
	wait_until test -p "$data/$2.in"
	rm -f "$data/$2.done"
	printf '%s\n' "$3" ": >$2.done" | timeout 120 tee "$data/$2.in" >/dev/null
}
has_ended() { [ -e "$ROOT/data/$1/$2.done" ]; }
say() { tell "$@" && wait_until has_ended "$1" "$2"; }
log_of() { echo "$ROOT/logs/$1/$2.1.log"; }
has_grown() { [ "$(stat -c %s "$(log_of "$1" "$2")")" -ge "$3" ]; }
has_logged() { grep -qaE "Z $3\$" "$(log_of "$1" "$2")"; }
# What is kept of a service, without stamps.
texts() {
	cat "$(log_of "$1" "$2").old" "$(log_of "$1" "$2")" 2>/dev/null | cut -d' ' -f2-
}

# follow ARGUMENTS...: into $FOLLOWED; its process is $FOLLOWER.
follow() {
	FOLLOWED=$BATS_TEST_TMPDIR/followed.$((N = ${N:-0} + 1))
	"$SLIPWAY_BIN/slipway" logs -f "$@" >"$FOLLOWED" 2>&1 3>&- &
	FOLLOWER=$!
	echo $FOLLOWER >>"$BATS_TEST_TMPDIR/pids"
}
has_followed() { grep -qE "$1" "$FOLLOWED"; }

keeper() { pgrep -xf "[^ ]*/slipwayd keeper $ROOT"; }
pss() { awk '$1 == "Pss:" { print $2 }' "/proc/$1/smaps_rollup"; }

# numbers FIRST|any LAST: standard input is these numbers, one a line, none missing.
numbers() {
	awk -v first="$1" -v last="$2" 'NR == 1 { n = first == "any" ? $1 : first } $1 != n { print "line " NR ": " $1 " is not " n; exit bad = 1 }
		{ n++ } END { if (!bad && n - 1 != last) { print "the last is " n - 1; exit 1 } }'
}

@test "logs: an app's cap holds for each of its files, which are cut at the end of a line" {
	talker capped LOG_MAX_SIZE=2000 worker
	talker free worker
	say capped worker 'seq 1000'
	say free worker 'seq 1000'
	wait_until has_logged capped worker 1000
	wait_until has_logged free worker 1000
	local file
	for file in "$(log_of capped worker)" "$(log_of capped worker).old"; do
		[ "$(stat -c %s "$file")" -le 2000 ]
		[ "$(tail -c 1 "$file" | od -An -tx1)" = " 0a" ]
		run ! grep -vE '^....-..-..T..:..:..\....Z [0-9]+$' "$file"
	done
	[ "$(stat -c %s "$(log_of capped worker).old")" -gt 1900 ]
	texts capped worker | numbers any 1000
	texts free worker | numbers 1 1000
	[ ! -e "$(log_of free worker).old" ]
	[ "$(stat -c %a "$(log_of free worker)")" = 640 ]
}

@test "logs: a new cap is that of the next deployment, for the log that goes on" {
	talker recapped worker
	say recapped worker 'seq 500'
	slipway config:set recapped LOG_MAX_SIZE=1024
	say recapped worker 'seq 501 1000'
	wait_until has_logged recapped worker 1000
	[ "$(stat -c %s "$(log_of recapped worker)")" -le 1024 ]
	texts recapped worker | tail -n 40 | numbers 961 1000
}

@test "logs -f goes on over rotations and redeploys" {
	talker on LOG_MAX_SIZE=4096 worker
	follow on
	for i in 0 1 2 3 4 5 6 7 8 9; do
		say on worker "seq $((i * 50 + 1)) $((i * 50 + 50))"
		wait_until has_followed "^worker.1 \| $((i * 50 + 50))\$"
		[ "$i" != 5 ] || push_version on 2
	done
	[ -e "$(log_of on worker).old" ]
	grep -oE '\| [0-9]+$' "$FOLLOWED" | cut -c3- | numbers 1 500
	run ! grep 'missing here' "$FOLLOWED"
	slipway destroy on --yes
	wait_until pid_is_gone "$FOLLOWER"
}

@test "logs -f that was away has all that is still there, and says what is not" {
	talker away LOG_MAX_SIZE=4096 worker
	follow away
	say away worker 'echo begin'
	wait_until has_followed 'begin$'
	kill -STOP "$FOLLOWER"
	say away worker 'seq 1 200' # at most two rotations
	wait_until has_logged away worker 200
	[ -e "$(log_of away worker).old" ]
	kill -CONT "$FOLLOWER"
	wait_until has_followed ' 200$'
	grep -oE '\| [0-9]+$' "$FOLLOWED" | cut -c3- | numbers 1 200
	run ! grep 'missing here' "$FOLLOWED"

	kill -STOP "$FOLLOWER"
	say away worker 'seq 201 3000'
	wait_until has_logged away worker 3000
	kill -CONT "$FOLLOWER"
	wait_until has_followed ' 3000$'
	[ "$(grep -c '^worker.1 | slipway: lines are missing here: the log was rotated [0-9]* times' "$FOLLOWED")" = 1 ]
	sed '1,/missing here/d' "$FOLLOWED" | cut -d' ' -f3 | numbers any 3000
	[ "$(sed '1,/missing here/d' "$FOLLOWED" | wc -l)" -gt 100 ] # both files that are there
	sed '/missing here/,$d' "$FOLLOWED" | grep -oE '[0-9]+$' | numbers 1 "$(sed '/missing here/,$d' "$FOLLOWED" | tail -n1 | cut -d' ' -f3)"
}

@test "logs -f of one who writes faster than anybody reads never leaves out a line in silence" {
	talker fast LOG_MAX_SIZE=1024 worker
	follow fast
	say fast worker 'seq 20000; echo end'
	wait_until has_logged fast worker end
	wait_until has_followed 'end$'
	python3 - "$FOLLOWED" <<-'END'
	import sys
	last, gaps, told = 0, 0, False
	for line in open(sys.argv[1]):
	    text = line.split(" | ")[1].strip()
	    if text.startswith("slipway: lines "):
	        told, gaps = True, gaps + 1
	    elif text != "end":
	        assert int(text) == last + 1 or (told and int(text) > last), f"{text} behind {last}"
	        last, told = int(text), False
	assert last == 20000 or told, last
	print(gaps, "gaps")
	END
}

@test "logs of several services are aligned, also of one that comes while they are followed" {
	talker many a worker
	say many a 'echo one'
	say many worker 'echo two'
	wait_until has_logged many a one
	wait_until has_logged many worker two
	[ "$(slipway logs many)" = $'a.1      | one\nworker.1 | two' ]
	[ "$(slipway logs many a)" = 'a.1 | one' ]
	[ "$(slipway logs many --json | jq -r '"\(.instance) \(.text)"')" = $'a.1 one\nworker.1 two' ]
	[[ $(slipway logs many a --times) =~ ^'a.1 | '20..-..-..T..:..:..\....Z' one'$ ]]
	follow many
	wait_until has_followed two
	procfile many 'a: sh talk.sh' 'worker: sh talk.sh' 'longer-name: sh talk.sh'
	push many
	say many longer-name 'echo three'
	wait_until has_followed 'three$'
	say many a 'echo four'
	wait_until has_followed 'four$'
	grep -qxF 'longer-name.1 | three' "$FOLLOWED"
	grep -qxF 'a.1           | four' "$FOLLOWED"
}

@test "logs --since takes what was written then or later, and goes on with -f" {
	talker since worker
	say since worker 'seq 5'
	wait_until has_logged since worker 5
	say since worker 'seq 6 10'
	wait_until has_logged since worker 10
	local stamp
	stamp=$(grep -E ' 6$' "$(log_of since worker)" | cut -d' ' -f1)
	slipway logs since --since "$stamp" | cut -d' ' -f3 | numbers 6 10
	slipway logs since --since 1h | cut -d' ' -f3 | numbers 1 10
	follow since --since "$stamp"
	wait_until has_followed ' 10$'
	say since worker 'seq 11 12'
	wait_until has_followed ' 12$'
	cut -d' ' -f3 "$FOLLOWED" | numbers 6 12
}

@test "logs: of a million lines none is lost, and the keeper does not grow" {
	slow
	talker million LOG_MAX_SIZE=100000000 worker
	talker window LOG_MAX_SIZE=100000 worker
	say million worker 'seq 1000'
	say window worker 'seq 1000'
	wait_until has_logged window worker 1000
	local pid before after
	pid=$(keeper)
	before=$(pss "$pid")
	tell million worker 'seq 1001 1000000'
	tell window worker 'seq 1001 300000'
	WAIT_SECONDS=300 wait_until has_ended million worker
	WAIT_SECONDS=300 wait_until has_ended window worker
	WAIT_SECONDS=300 wait_until has_logged million worker 1000000
	WAIT_SECONDS=300 wait_until has_logged window worker 300000
	after=$(pss "$pid")
	echo "# PSS of the keeper: $before KiB, then $after KiB" >&3
	[ "$after" -le $((before + 1024)) ]
	[ "$(texts million worker | sha256sum)" = "$(seq 1000000 | sha256sum)" ]
	[ ! -e "$(log_of million worker).old" ]
	texts window worker | numbers any 300000
	[ "$(texts window worker | wc -l)" -gt 3000 ]
	[ "$(keeper)" = "$pid" ]
}

@test "logs: of a keeper that is killed no more is missing than it held, and its apps go on" {
	talker load LOG_MAX_SIZE=1000000000 worker
	talker calm worker
	local app pid size kills=0
	app=$(pid_of load worker)
	tell load worker 'i=0; while [ ! -e enough ]; do seq -f "line %07.0f." $((i + 1)) $((i += 500)); sleep 0.01; done; echo $i'
	while [ "$kills" -lt 4 ]; do
		size=$(stat -c %s "$(log_of load worker)" 2>/dev/null || echo 0)
		wait_until has_grown load worker $((size + 50000))
		pid=$(keeper)
		kill -KILL "$pid"
		kills=$((kills + 1))
	done
	: >"$ROOT/data/load/enough"
	wait_until has_ended load worker
	wait_until has_logged load worker '[0-9]+'
	python3 - "$(log_of load worker)" "$kills" <<-'END'
	import re, sys
	whole = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z line (\d{7})\.$")
	lines = open(sys.argv[1], "rb").read().split(b"\n")[:-1]
	kills, torn, numbers, last = int(sys.argv[2]), 0, [], int(lines.pop().split()[1])
	for line in lines:
	    match = whole.match(line)
	    if match:
	        numbers.append(int(match[1]))
	    else:
	        torn += 1
	assert numbers == sorted(set(numbers)), "twice, or out of order"
	missing = last - len(numbers)
	print(f"{last} lines, {kills} kills, {missing} missing, {torn} torn")
	# What was read, and the part of a line that was kept.
	assert missing * len("line 0000000.\n") <= kills * (65536 + 16384), missing
	assert torn <= 2 * kills, torn # a line's two halves
	END
	[ "$(pid_of load worker)" = "$app" ]
	# The new one goes on with all of them.
	say calm worker 'echo calm'
	wait_until has_logged calm worker calm
	say load worker 'echo more'
	wait_until has_logged load worker more
}

@test "logs: on a full disk the oldest lines go, the log says so, and no app waits" {
	local dir=$ROOT/logs/full
	mkdir -p "$dir"
	mount -t tmpfs -o size=256k,mode=0750 slipway-test "$dir" 2>/dev/null || skip "mounting is refused here"
	echo "$dir" >"$BATS_TEST_TMPDIR/mounted"
	talker full LOG_MAX_SIZE=200000 worker
	talker beside worker
	follow full
	say full worker 'seq 1000'
	wait_until has_followed ' 1000$'
	# Nothing of 200 kB is left for it; two generations do not fit in 256 kB anyway.
	say full worker 'seq 1001 60000'
	wait_until has_logged full worker 60000
	texts full worker | grep -a '^slipway: the disk was full: older lines were dropped'
	texts full worker | grep -av '^slipway: ' | numbers any 60000
	wait_until has_followed ' 60000$'
	# Full of something else, so that nothing fits any more.
	cat /dev/zero >"$dir/filler" 2>/dev/null || :
	: >"$(log_of full worker)"
	rm "$(log_of full worker).old"
	cat /dev/zero >>"$dir/filler" 2>/dev/null || :
	say full worker 'seq 60001 200000'
	say beside worker 'echo beside'
	wait_until has_logged beside worker beside
	rm "$dir/filler"
	say full worker 'echo room again'
	wait_until has_logged full worker 'room again'
	texts full worker | grep -aE '^slipway: the disk was full: older lines were dropped and [0-9]+ bytes of new ones were lost'
	wait_until has_followed 'room again$'
	wait_until has_followed 'bytes of new ones were lost$'
	[ "$(running full)" = 1 ]
}

@test "logs: a line of 10 MB becomes lines of 16 KiB, and the keeper does not grow" {
	talker long LOG_MAX_SIZE=30000000 worker
	say long worker 'echo begin'
	wait_until has_logged long worker begin
	local before after
	before=$(pss "$(keeper)")
	say long worker 'head -c 10000000 /dev/zero | tr "\0" x; echo; echo end'
	wait_until has_logged long worker end
	after=$(pss "$(keeper)")
	[ "$after" -le $((before + 1024)) ]
	[ "$(texts long worker | tr -cd x | wc -c)" = 10000000 ]
	[ "$(texts long worker | wc -L)" = 16384 ]
	[ "$(texts long worker | grep -c x)" = 611 ]
	[ "$(slipway logs long -n 1)" = 'worker.1 | end' ]
}

@test "logs: what an app writes cannot do anything to a terminal" {
	talker nasty worker
	# The title, the screen, a NUL, a control of eight bits, no UTF-8, a carriage return; and a colour, which may stay.
	say nasty worker 'printf "a\033]0;evil\007b\033[2Jc\000d\233e\377f\rg \033[31mred\n"; echo end'
	wait_until has_logged nasty worker end
	LC_ALL=C grep -qaP '\x1b\]0;evil\x07b\x1b\[2Jc\x00d\x9be\xff' "$(log_of nasty worker)" # it is kept as it was
	local want
	want=$(printf 'worker.1 | abc d\ufffde\ufffdf g \033[31mred\033[0m')
	[ "$(slipway logs nasty | head -n1)" = "$want" ]
	script -qec "'$SLIPWAY_BIN/slipway' logs nasty" /dev/null </dev/null | tr -d '\r' >"$BATS_TEST_TMPDIR/terminal"
	[ "$(head -n1 "$BATS_TEST_TMPDIR/terminal")" = "$want" ]
	slipway logs nasty --json | head -n1 | jq -e '.text | startswith("a\u001b]0;evil\u0007b") and contains("c d\ufffde\ufffdf")'
}

@test "logs -f ends when nobody reads it any more, and one who reads slowly keeps no app waiting" {
	talker reader LOG_MAX_SIZE=100000 worker
	say reader worker 'echo one'
	wait_until has_logged reader worker one
	# Nothing more is written: it must not wait for a line to find out.
	run timeout 60 bash -c '"$SLIPWAY_BIN/slipway" logs -f reader | head -n 1'
	[ "$status" -eq 0 ]
	[ "$output" = 'worker.1 | one' ]
	tell reader worker 'seq 300000'
	run timeout 60 bash -c '"$SLIPWAY_BIN/slipway" logs -f reader | head -n 3'
	[ "$status" -eq 0 ]
	wait_until has_ended reader worker
	# A pipe that nobody empties.
	mkfifo "$BATS_TEST_TMPDIR/slow"
	"$SLIPWAY_BIN/slipway" logs -f reader >"$BATS_TEST_TMPDIR/slow" 3>&- &
	echo $! >>"$BATS_TEST_TMPDIR/pids"
	exec 8<"$BATS_TEST_TMPDIR/slow"
	say reader worker 'seq 300000; echo end'
	wait_until has_logged reader worker end
	exec 8<&-
}
