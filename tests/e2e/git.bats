# Git, SSH, logs, destroy: group H of the Piku contract's acceptance cases.
load helpers

setup_file() {
	server_start
	app_create kept
	push kept
}
teardown_file() { server_stop; }

@test "piku-H01 every pushed branch deploys its own revision" {
	app_create h01
	run push h01
	[ "$status" -eq 0 ]
	answers h01 1
	git -C "$WORK/h01" checkout -q -b feat
	set_version h01 2
	run push h01 feat
	[ "$status" -eq 0 ]
	answers h01 2
}

@test "piku-H01 DEPLOY_BRANCH pins one branch, others are only stored" {
	app_create h01b
	push h01b
	slipway config:set h01b DEPLOY_BRANCH=main
	git -C "$WORK/h01b" checkout -q -b feat
	set_version h01b 2
	run push h01b feat
	[ "$status" -eq 0 ]
	answers h01b 1
}

@test "piku-H02 deleting a branch deploys nothing" {
	app_create h02
	push h02
	git -C "$WORK/h02" checkout -q -b feat
	set_version h02 2
	push h02 feat
	wait_until settled h02
	local pid
	pid=$(pid_of h02 web)
	run push h02 :feat
	[ "$status" -eq 0 ]
	[ "$(pid_of h02 web)" = "$pid" ]
	answers h02 2
}

@test "piku-H03 tags deploy nothing, and the push says so" {
	app_create h03
	push h03
	wait_until settled h03
	local before
	before=$(releases_of h03)
	set_version h03 2
	git -C "$WORK/h03" tag light
	git -C "$WORK/h03" tag -a -m annotated heavy
	for tag in light heavy; do
		run push h03 "$tag"
		[ "$status" -eq 0 ]
		[[ $output == *tag* ]]
	done
	answers h03 1
	[ "$(releases_of h03)" = "$before" ]
}

@test "piku-H04 several heads in one push are one deployment, which says which head" {
	app_create h04
	git -C "$WORK/h04" branch other
	set_version h04 2
	run push h04 main other
	[ "$status" -eq 0 ]
	[ "$(releases_of h04 | wc -l)" = 1 ]
	[[ $output == *main* || $output == *other* ]]
}

@test "piku-H05 a rewritten branch is deployed" {
	app_create h05
	push_version h05 2
	git -C "$WORK/h05" reset -q --hard HEAD~1
	set_version h05 3
	run push h05 --force main
	[ "$status" -eq 0 ]
	answers h05 3
}

@test "piku-H06 a submodule that cannot be cloned fails the deployment" {
	app_create h06
	push h06
	git init -q "$WORK/h06-gone"
	git -C "$WORK/h06-gone" commit -q --allow-empty -m x
	git -C "$WORK/h06" submodule --quiet add "file://$WORK/h06-gone" sub
	rm -rf "$WORK/h06-gone"
	commit h06
	run push h06
	[ "$status" -ne 0 ]
	[[ $output == *sub* ]]
	answers h06 1
}

@test "piku-H07 clone, fetch and ls-remote work, and an unknown app is git's error" {
	run git clone -q "$SSH_URL/kept" "$BATS_TEST_TMPDIR/clone"
	[ "$status" -eq 0 ]
	[ -e "$BATS_TEST_TMPDIR/clone/Procfile" ]
	run git -C "$BATS_TEST_TMPDIR/clone" remote show origin
	[ "$status" -eq 0 ]
	[[ $output == *main* ]]
	run git ls-remote "$SSH_URL/kept"
	[ "$status" -eq 0 ]
	[[ $output == *refs/heads/main* ]]
	run git ls-remote "$SSH_URL/unknown"
	[ "$status" -eq 128 ]
	[ ! -e "$ROOT/repos/unknown" ]
}

@test "piku-H09 every key is validated before any is added" {
	local keys=$BATS_TEST_TMPDIR file=$BATS_TEST_TMPDIR/home/.ssh/authorized_keys before
	ssh-keygen -q -t ed25519 -N '' -C one -f "$keys/one"
	ssh-keygen -q -t ed25519 -N '' -C two -f "$keys/two"
	setup_ssh() { env SLIPWAY_ROOT="$ROOT" SLIPWAY_AUTHORIZED_KEYS="$file" "$SLIPWAY_BIN/slipway" setup:ssh "$@"; }
	cat "$keys/one.pub" "$keys/two.pub" >"$keys/both"
	run setup_ssh "$keys/both"
	[ "$status" -eq 0 ]
	[ "$(grep -c 'command=' "$file")" = 2 ]
	[ "$(grep -vc 'restrict' "$file")" = 0 ]
	before=$(sha256sum "$file")
	echo "command=\"id\" $(cat "$keys/one.pub")" >"$keys/options"
	echo garbage >"$keys/garbage"
	(cat "$keys/two.pub" && echo garbage) >"$keys/mixed"
	for bad in options one garbage mixed missing; do
		run setup_ssh "$keys/$bad"
		echo "$bad: $status"
		[ "$status" -ne 0 ]
	done
	[ "$(sha256sum "$file")" = "$before" ]
	ssh-keygen -q -t ed25519 -N '' -C three -f "$keys/three"
	run setup_ssh - <"$keys/three.pub"
	[ "$status" -eq 0 ]
	[ "$(grep -c 'command=' "$file")" = 3 ]
}

@test "piku-H10 the same key twice is one entry, in files that sshd accepts" {
	local file=$BATS_TEST_TMPDIR/home/.ssh/authorized_keys
	for _ in 1 2; do
		run env SLIPWAY_ROOT="$ROOT" SLIPWAY_AUTHORIZED_KEYS="$file" "$SLIPWAY_BIN/slipway" setup:ssh "$SERVER_DIR/ssh/key.pub"
		[ "$status" -eq 0 ]
	done
	[ "$(wc -l <"$file")" = 1 ]
	[ "$(stat -c %a "$file")" = 600 ]
	[ "$(stat -c %a "$(dirname "$file")")" = 700 ]
}

@test "piku-H11 run has the app's directory, its input, all output and its status" {
	run remote run kept 'ls *.py'
	[ "$status" -eq 0 ]
	[[ $output == *server.py* ]]
	run remote run kept 'exit 7'
	[ "$status" -eq 7 ]
	[ "$(remote run kept 'head -c 1048576 /dev/zero | tr "\0" x' | wc -c)" = 1048576 ]
	[ "$(echo hello | remote run kept 'tr a-z A-Z')" = HELLO ]
	[ "$(remote run kept -- 'echo "a  b" | sed s/a/c/')" = 'c  b' ]
	run slipway run kept 'exit 3'
	[ "$status" -eq 3 ]
}

@test "piku-H12 nothing but slipway's own commands runs over SSH" {
	local proof=$SERVER_DIR/proof
	for hostile in "scp -t x; touch $proof" "ps kept; touch $proof" "ps kept && touch $proof" "ps \$(touch $proof)" \
		"ps \`touch $proof\`" "apps | tee $proof" "apps > $proof" "sh -c 'touch $proof'" "touch $proof" \
		"/usr/bin/touch $proof" "git-receive-pack kept; touch $proof" "git-upload-pack --exec='touch $proof' kept" \
		"git-receive-pack '\$(touch $proof)'" $'ps kept\ntouch '"$proof" "git-upload-archive kept" "git-shell" \
		"apps
touch $proof" "-oProxyCommand=touch\ $proof" "git-receive-pack --help" "git upload-pack /etc" "git-upload-pack '../../etc'" \
		"git-upload-pack '$WORK/kept'" "slipwayd" "../../bin/touch $proof" "config:get kept \"\$(touch $proof)\""; do
		run remote -n "$hostile"
		echo "$hostile: $status"
		[ ! -e "$proof" ]
	done
	run remote -n "touch $proof"
	[ "$status" -ne 0 ]
	# No command: help or a refusal, never a shell.
	run remote </dev/null
	[ ! -e "$proof" ]
	run remote -n ps kept
	[ "$status" -eq 0 ]
	# No forwarding, no terminal tricks.
	SSH_OPTIONS+=" -o ExitOnForwardFailure=yes -R 0:127.0.0.1:1" run remote apps
	[ "$status" -ne 0 ]
}

@test "piku-H14 logs shows the last lines of the services asked for" {
	app_create h14
	procfile h14 'web: seq -f "web line %.0f" 30; exec python3 server.py' \
		'worker: seq -f "worker line %.0f" 5; python3 dump.py'
	push h14
	wait_until grep -q 'listens' "$ROOT/logs/h14/web.1.log"
	wait_until grep -q 'worker line 5' "$ROOT/logs/h14/worker.1.log"
	run slipway logs h14
	[ "$status" -eq 0 ]
	[[ $output == *"web line 30"* && $output == *"worker line 5"* ]]
	[[ $output == *"web.1"* ]]
	run slipway logs h14 web
	[[ $output == *"web line 30"* && $output != *"worker line"* ]]
	run slipway logs h14 web.1
	[[ $output == *"web line 30"* && $output != *"worker line"* ]]
	run slipway logs h14 'w*'
	[[ $output == *"web line 30"* && $output == *"worker line 5"* ]]
	run slipway logs h14 -n 2 worker
	[[ $output == *"worker line 5"* && $output != *"worker line 3"* ]]
	run slipway logs h14 nope
	[ "$status" -eq 0 ]
	[ -n "$output" ]
	run remote logs h14 -n 1 worker
	[[ $output == *"worker line 5"* ]]
}

@test "piku-H15 logs are rotated at a size, and one who follows loses no line" {
	app_create h15
	echo 'UWSGI_LOG_MAXSIZE=5000' >"$WORK/h15/ENV"
	printf '%s\n' 'for i in $(seq 20); do' '  until [ -e $DATA_ROOT/go$i ]; do sleep 0.02; done' \
		'  seq -f "batch $i line %.0f of many that fill the file" 20' 'done' 'exec python3 dump.py' >"$WORK/h15/chatty.sh"
	procfile h15 'worker: sh chatty.sh'
	push h15
	SLIPWAY_ROOT=$ROOT "$SLIPWAY_BIN/slipway" logs -f h15 >"$BATS_TEST_TMPDIR/followed" 2>&1 3>&- &
	local follower=$!
	for i in $(seq 20); do
		touch "$ROOT/data/h15/go$i"
		wait_until grep -q "batch $i line 20 of" "$BATS_TEST_TMPDIR/followed"
	done
	kill $follower
	[ "$(grep -o 'batch [0-9]* line [0-9]*' "$BATS_TEST_TMPDIR/followed" | sort -u | wc -l)" = 400 ]
	[ -e "$ROOT/logs/h15/worker.1.log.old" ]
	[ "$(stat -c %s "$ROOT/logs/h15/worker.1.log")" -le 6000 ]
	[ "$(stat -c %s "$ROOT/logs/h15/worker.1.log.old")" -le 6000 ]
}

@test "piku-H16 destroy removes everything but data and cache" {
	app_create h16
	push h16
	echo precious >"$ROOT/data/h16/file"
	local pid
	pid=$(pid_of h16 web)
	run slipway destroy h16 </dev/null
	[ "$status" -ne 0 ]
	answers h16 1
	run slipway destroy h16 --yes
	[ "$status" -eq 0 ]
	wait_until pid_is_gone "$pid"
	[ "$(cat "$ROOT/data/h16/file")" = precious ]
	[[ $output == *"==>"*h16* ]]
	for path in apps/h16 repos/h16 releases/h16 envs/h16 logs/h16 config/h16 nginx/h16.conf; do
		[ ! -e "$ROOT/$path" ] || { echo "$path is still there" && false; }
	done
	[ "$(http_status h16.localhost /)" != 200 ]
	run slipway ps h16
	[ "$status" -eq 3 ]
	answers kept 1
}

@test "an app that was destroyed in this very second before can be destroyed" {
	app_create twice
	push twice
	slipway config:set twice A=1
	# What each second from now on would have left.
	local now i
	now=$(date +%s)
	for ((i = 0; i < 120; i++)); do
		mkdir -p "$ROOT/backups/destroyed-twice-$(date -u -d "@$((now + i))" +%Y-%m-%dT%H:%M:%SZ)/kept"
	done
	run slipway destroy twice --yes
	[ "$status" -eq 0 ]
	[ ! -e "$ROOT/config/twice" ]
	[ "$(cat "$ROOT"/backups/destroyed-twice-*/ENV)" = A=1 ]
}

@test "piku-H17 the name of a destroyed app can be pushed again, with its data" {
	app_create h17
	push h17
	echo precious >"$ROOT/data/h17/file"
	slipway destroy h17 --yes
	set_version h17 2
	run push h17
	[ "$status" -eq 0 ]
	answers h17 2
	[ "$(cat "$ROOT/data/h17/file")" = precious ]
}

@test "commands work over SSH, and events know the key's name" {
	run remote apps
	[ "$status" -eq 0 ]
	[[ $output == *kept* ]]
	run remote restart kept
	[ "$status" -eq 0 ]
	run slipway events --json
	[[ $output == *tester* ]]
	run remote nosuch
	[ "$status" -eq 2 ]
}

@test "the push shows the steps with their times, and ends with where the app answers" {
	app_create shown
	run push shown
	[ "$status" -eq 0 ]
	for step in fetch plan build stage start check switch; do
		[[ $output == *"remote: "*"$step"* ]] || { echo "no $step" && false; }
	done
	[[ $output == *"http://shown.localhost:$HTTP_PORT"* ]]
}

# What `git init` leaves when it is killed or the disk is full: as far as HEAD, and git cannot read it.
half_a_repository() {
	mkdir -p "$ROOT/repos/$1/refs"
	echo 'ref: refs/heads/main' >"$ROOT/repos/$1/HEAD"
}

@test "a repository that was left half made is made whole by the next push, or removed at slipwayd's start" {
	local pid start
	half_a_repository half
	half_a_repository gone
	git init -q --bare "$ROOT/repos/empty"
	app_create half
	run push half
	[ "$status" -eq 0 ]
	answers half 1
	read -r pid start <<<"$(server_recorded slipwayd)"
	slipway shutdown
	wait_until process_gone "$pid" "$start"
	server_start_slipwayd
	[ ! -e "$ROOT/repos/gone" ]
	[ ! -e "$ROOT/repos/empty" ]
	[ -e "$ROOT/repos/half/HEAD" ]
	push_version half 2
	answers half 2
}
