# Copying files over SSH: inside the directories of the apps that a key may change, and nowhere else.
# shellcheck disable=SC2154 # output and stderr are set by run
load helpers

# server_command WORDS: what the client asks sshd for.
server_command() {
	# shellcheck disable=SC2046 # the options are words
	timeout 60 ssh $(options) "$SERVER_USER@127.0.0.1" "$1" </dev/null
}

setup_file() {
	server_start
	ssh-keygen -q -t ed25519 -N '' -C one -f "$SERVER_DIR/ssh/one"
	for app in one two; do
		app_create "$app"
		push "$app"
	done
	slipway setup:ssh --allow deploy:one "$SERVER_DIR/ssh/one.pub"
	mkdir -p "$SERVER_DIR/local/tree/sub"
	head -c 300000 /dev/urandom >"$SERVER_DIR/local/a file"
	echo sub >"$SERVER_DIR/local/tree/sub/x"
}
teardown_file() { server_stop; }

options() { echo "$SSH_OPTIONS -o Port=$SSH_PORT"; }
options_of() { options | sed "s|$SERVER_DIR/ssh/key|$SERVER_DIR/ssh/$1|"; }
# copy KEY [-O] FROM TO; REMOTE: stands for the server.
copy() {
	local key=$1 words=("${@:2}")
	# shellcheck disable=SC2046 # the options are words
	timeout 120 scp -q $(options_of "$key") "${words[@]/#REMOTE:/$SERVER_USER@127.0.0.1:}"
}
# sftp_as KEY: commands on standard input
sftp_as() {
	# shellcheck disable=SC2046 # the options are words
	timeout 120 sftp -q -b - $(options_of "$1") "$SERVER_USER@127.0.0.1" 2>&1
}

@test "piku-H13 scp, by SFTP and by its old protocol, up and down, to an app's directories" {
	local mode
	for mode in -s -O; do
		copy key "$mode" "$SERVER_DIR/local/a file" "REMOTE:$ROOT/apps/one/up$mode"
		cmp "$SERVER_DIR/local/a file" "$(live_src one)/up$mode"
		copy key "$mode" "REMOTE:$ROOT/apps/one/Procfile" "$BATS_TEST_TMPDIR/Procfile$mode"
		cmp "$WORK/one/Procfile" "$BATS_TEST_TMPDIR/Procfile$mode"
		copy key "$mode" -r "$SERVER_DIR/local/tree" "REMOTE:$ROOT/data/two/tree$mode"
		[ "$(cat "$ROOT/data/two/tree$mode/sub/x")" = sub ]
		copy key "$mode" -r "REMOTE:$ROOT/data/two/tree$mode" "$BATS_TEST_TMPDIR/down$mode"
		[ "$(cat "$BATS_TEST_TMPDIR/down$mode/sub/x")" = sub ]
	done
	[ "$(slipway run one "cat 'up-O'" | cmp - "$SERVER_DIR/local/a file" && echo same)" = same ]
}
live_src() { readlink -f "$ROOT/apps/$1"; }

@test "paths begin in the home directory, and ~ is it" {
	# the root of these tests is not below it, so the root is where one begins
	copy key -O "$SERVER_DIR/local/a file" "REMOTE:data/one/relative"
	copy key -O "$SERVER_DIR/local/a file" "REMOTE:~/data/one/tilde"
	copy key -s "$SERVER_DIR/local/a file" "REMOTE:data/one/relative-s"
	cmp "$ROOT/data/one/relative" "$ROOT/data/one/tilde"
	cmp "$ROOT/data/one/relative" "$ROOT/data/one/relative-s"
}

@test "a key sees nothing but the apps it may change" {
	run sftp_as one <<-END
	ls -1 $ROOT/apps
	ls -1 $ROOT/data
	ls -1 $ROOT
	END
	[ "$status" -eq 0 ]
	[[ $output == *one* && $output != *two* && $output != *state.db* && $output != *config* ]]
	local path
	for path in apps/two/Procfile data/two config/one/ENV state.db run/token releases/two logs/one repos/one; do
		run copy one -s -r "REMOTE:$ROOT/$path" "$BATS_TEST_TMPDIR/stolen"
		[ "$status" -ne 0 ]
		run copy one -O -r "REMOTE:$ROOT/$path" "$BATS_TEST_TMPDIR/stolen"
		[ "$status" -ne 0 ]
		[ ! -e "$BATS_TEST_TMPDIR/stolen" ]
	done
	for path in data/two/x config.toml apps/two/x run/x /usr/bin/x /etc/x; do
		[[ $path == /* ]] || path=$ROOT/$path
		run copy one -s "$SERVER_DIR/local/a file" "REMOTE:$path"
		[ "$status" -ne 0 ]
	done
	[ ! -e "$ROOT/data/two/x" ] && [ ! -e /usr/bin/x ] && [ ! -e /etc/x ]
	run copy one -s "REMOTE:$SERVER_DIR/ssh/authorized_keys" "$BATS_TEST_TMPDIR/stolen"
	[ "$status" -ne 0 ]
}

@test "a link that leads out leads nowhere, and a file that an upload replaces is the app's own" {
	ln -s "$ROOT/state.db" "$ROOT/data/one/link"
	ln -s /etc/shadow "$ROOT/data/one/shadow"
	run copy one -s "REMOTE:$ROOT/data/one/link" "$BATS_TEST_TMPDIR/stolen"
	[ "$status" -ne 0 ]
	run copy one -s "REMOTE:$ROOT/data/one/shadow" "$BATS_TEST_TMPDIR/stolen"
	[ "$status" -ne 0 ]
	run copy one -s "$SERVER_DIR/local/a file" "REMOTE:$ROOT/data/one/link"
	[ "$status" -ne 0 ]
	[ "$(slipway apps --json | jq length)" = 2 ]
	run sftp_as one <<-END
	symlink $ROOT/state.db $ROOT/data/one/made
	get $ROOT/data/one/made $BATS_TEST_TMPDIR/stolen
	END
	[ "$status" -ne 0 ]
	[ ! -e "$BATS_TEST_TMPDIR/stolen" ]
}

@test "a key that may only read copies nothing" {
	slipway keys:allow one read:one
	run copy one -s "REMOTE:$ROOT/apps/one/Procfile" "$BATS_TEST_TMPDIR/no"
	[ "$status" -ne 0 ]
	run copy one -O "$SERVER_DIR/local/a file" "REMOTE:$ROOT/data/one/no"
	[ "$status" -ne 0 ]
	[ ! -e "$ROOT/data/one/no" ]
	slipway keys:allow one deploy:one
}

@test "piku-H12 what stands behind scp is no command" {
	for words in "scp -t x; touch $BATS_TEST_TMPDIR/ran" "scp -t \$(touch $BATS_TEST_TMPDIR/ran)" \
		"scp -S /bin/sh -t x" "scp x y" "/usr/lib/openssh/sftp-server -d / ; touch $BATS_TEST_TMPDIR/ran"; do
		run server_command "$words"
		[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	done
	run server_command "scp -S /bin/sh -t x"
	[ "$status" -eq 7 ]
}
