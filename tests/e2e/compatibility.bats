#!/usr/bin/env bats
# What a Piku host already has goes on working: its key lines and its hooks.

load helpers

setup_file() { server_start; }
teardown_file() { server_stop; }

# One key line as Piku's setup:ssh wrote it, for a key of its own.
old_key_line() {
	ssh-keygen -q -t ed25519 -N '' -C old@piku -f "$SERVER_DIR/ssh/old"
	local fingerprint
	fingerprint=$(ssh-keygen -lf "$SERVER_DIR/ssh/old.pub" | cut -d' ' -f2)
	# shellcheck disable=SC2016 # the login shell expands it
	printf 'command="SLIPWAY_ROOT=%s FINGERPRINT=%s NAME=default %s $SSH_ORIGINAL_COMMAND",%s %s\n' "$ROOT" "$fingerprint" \
		"$SLIPWAY_BIN/slipway" no-agent-forwarding,no-user-rc,no-X11-forwarding,no-port-forwarding \
		"$(cat "$SERVER_DIR/ssh/old.pub")" >>"$SERVER_DIR/ssh/authorized_keys"
}

as_old_key() { GIT_SSH_COMMAND=${GIT_SSH_COMMAND/"$SERVER_DIR/ssh/key"/"$SERVER_DIR/ssh/old"} "$@"; }

@test "piku-H08 an old key line lets its key push, run commands with quotes, and nothing else" {
	old_key_line
	app_create h08
	run as_old_key push h08
	[ "$status" -eq 0 ]
	answers h08 1
	old_remote() { SSH_OPTIONS=${SSH_OPTIONS/"$SERVER_DIR/ssh/key"/"$SERVER_DIR/ssh/old"} remote "$@"; }
	run old_remote run h08 'echo "a  b"'
	[ "$status" -eq 0 ]
	[[ $output == *'a  b'* ]]
	run old_remote "ps h08; touch $BATS_TEST_TMPDIR/escaped"
	[ "$status" -ne 0 ]
	[ ! -e "$BATS_TEST_TMPDIR/escaped" ]
	run slipway events h08 --json
	[ "$(jq -r '.[] | select(.what == "deploy") | .who' <<<"$output" | sort -u)" = default ]
}

@test "piku-H08 an old hook file is recognised and run" {
	app_create h08b
	push h08b
	set_version h08b 2
	cat >"$ROOT/repos/h08b/hooks/post-receive" <<-END
	#!/usr/bin/env bash
	set -e; set -o pipefail;
	cat | PIKU_ROOT="$ROOT" $SLIPWAY_BIN/slipway git-hook h08b
	END
	chmod +x "$ROOT/repos/h08b/hooks/post-receive"
	# Straight into the repository, so that the old file itself runs.
	run git -C "$WORK/h08b" push "$ROOT/repos/h08b" main
	[ "$status" -eq 0 ]
	wait_until answers h08b 2
	run push_version h08b 3
	[ "$status" -eq 0 ]
	answers h08b 3
}
