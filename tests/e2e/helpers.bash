# shellcheck shell=bash
# One real server for each file of tests (setup_file calls server_start, teardown_file server_stop): sshd, git, nginx,
# slipwayd, in a root below BATS_FILE_TMPDIR. Every test has apps of its own names. Nothing waits for a time.
bats_require_minimum_version 1.5.0

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
FIXTURES=$REPO/tests/e2e/fixtures
# shellcheck source=../../scripts/server.bash
. "$REPO/scripts/server.bash"

# --- the server -----------------------------------------------------------------------------------------------

server_start() {
	: "${SLIPWAY_BIN:?set it to the directory of slipway and slipwayd (./check does)}"
	local dir=$BATS_FILE_TMPDIR
	export SERVER_DIR=$BATS_FILE_TMPDIR/s SLIPWAY_BIN SERVER_PORT_FIRST SERVER_PORT_LAST
	# Files that nginx's workers serve must be reachable for them.
	mkdir -p "$SERVER_DIR"
	while [[ $dir == "$BATS_RUN_TMPDIR"* ]]; do
		chmod a+x "$dir"
		dir=$(dirname "$dir")
	done
	# Two files run side by side: their servers hand out ports of ranges of their own.
	SERVER_PORT_FIRST=$((20000 + ${CHECK_SLOT:-2} * 1000))
	SERVER_PORT_LAST=$((SERVER_PORT_FIRST + 999))
	server_prepare
	server_up
	export ROOT=$SERVER_DIR/root WORK=$SERVER_DIR/work HOME=$SERVER_DIR/home SERVER_USER SSH_PORT HTTP_PORT HTTPS_PORT
	export SSH_OPTIONS SSH_URL="ssh://$SERVER_USER@127.0.0.1:$SSH_PORT"
	export GIT_SSH_COMMAND="ssh $SSH_OPTIONS" GIT_TERMINAL_PROMPT=0
	unset XDG_CONFIG_HOME
}

# Stops everything, and fails when anything of this server is still running.
server_stop() {
	local left
	[ -n "${SERVER_DIR:-}" ] || return 0
	load_stop >/dev/null 2>&1 || :
	server_down
	wait_until server_has_no_processes 2>/dev/null || :
	left=$(server_processes)
	[ -z "$left" ] || server_die "left running: $left"
}
server_has_no_processes() { [ -z "$(server_processes)" ]; }

# What failed is explained by the server's log: bats prints this with the failed test.
teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}" ] && [ -n "${SERVER_DIR:-}" ]; then
		echo "--- output of the last 'run':" && printf '%s\n' "${output:-}" | tail -n 60
		[ -z "${stderr:-}" ] || { echo "--- its errors:" && tail -n 20 <<<"$stderr"; }
		echo "--- slipwayd:" && tail -n 15 "$SERVER_DIR/slipwayd.log"
		[ -z "${CHECK_KEEP:-}" ] || { mkdir -p "$CHECK_KEEP" && cp "$SERVER_DIR/slipwayd.log" "$CHECK_KEEP/"; }
	fi
	cleanup_test
}
# For tests that start something themselves.
cleanup_test() { :; }

# In setup_file, which cannot skip: every test of the file does. skip_file WHY; return 0
skip_file() { export SKIP_FILE=$1; }
setup() { [ -z "${SKIP_FILE:-}" ] || skip "$SKIP_FILE"; }

slow() { [ -z "${CHECK_QUICK:-}" ] || skip "slow: not with --quick"; }

slipway() {
	timeout 180 env -i PATH="$SERVER_PATH" HOME="$SERVER_DIR/home" USER="$SERVER_USER" LANG=C.UTF-8 \
		SLIPWAY_ROOT="$ROOT" SLIPWAY_AUTHORIZED_KEYS="$SERVER_DIR/ssh/authorized_keys" \
		"$SLIPWAY_BIN/slipway" "$@"
}

remote() {
	local options=()
	while [[ ${1:-} == -[nT] ]]; do options+=("$1") && shift; done
	# shellcheck disable=SC2086 # the options are words
	timeout 180 ssh $SSH_OPTIONS "${options[@]}" -p "$SSH_PORT" "$SERVER_USER@127.0.0.1" "$@"
}

# One request of the control API (docs/control.md): control OP [JSON MEMBERS]; prints the answer.
control() {
	python3 - "$ROOT" "$1" "${2:-{\}}" <<-'END'
	import json, socket, sys
	root, op, more = sys.argv[1:]
	s = socket.socket(socket.AF_UNIX)
	s.connect(root + "/run/slipwayd.sock")
	token = open(root + "/run/token").read().strip()
	s.sendall(json.dumps({"token": token, "op": op, **json.loads(more)}).encode() + b"\n")
	print(s.makefile().readline(), end="")
	END
}

# --- apps -----------------------------------------------------------------------------------------------------

# A work tree with nothing but a VERSION, for tests that write the rest.
app_empty() {
	mkdir -p "$WORK/$1"
	git -C "$WORK/$1" init -q -b main
	echo 1 >"$WORK/$1/VERSION"
}

# The generic app: a web service (fixtures/server.py) and a release command.
app_create() {
	app_empty "$1"
	cp "$FIXTURES/server.py" "$FIXTURES/dump.py" "$WORK/$1/"
	printf 'web: python3 server.py\nrelease: true\n' >"$WORK/$1/Procfile"
	commit "$1"
}

commit() {
	git -C "$WORK/$1" add -A
	git -C "$WORK/$1" commit -q --allow-empty -m "${2:-a change}"
}

set_version() { echo "$2" >"$WORK/$1/VERSION" && commit "$1" "version $2"; }
procfile() { printf '%s\n' "${@:2}" >"$WORK/$1/Procfile" && commit "$1" "Procfile"; }

# push NAME [GIT ARGUMENTS: default main]
push() {
	local app=$1
	shift
	timeout 180 git -C "$WORK/$app" push "$SSH_URL/$app" "${@:-main}" 2>&1
}

# What the new app answers; with the given version.
push_version() { set_version "$1" "$2" && push "$1"; }

# --- HTTP -----------------------------------------------------------------------------------------------------

# http HOST PATH [CURL ARGUMENTS]
http() { curl -sS --path-as-is --max-time 20 -H "Host: $1" "http://127.0.0.1:$HTTP_PORT${2:-/}" "${@:3}"; }
http_status() { http "$1" "${2:-/}" -o /dev/null -w '%{http_code}' "${@:3}"; }
https() { curl -sSk --path-as-is --max-time 20 --resolve "$1:$HTTPS_PORT:127.0.0.1" "https://$1:$HTTPS_PORT${2:-/}" "${@:3}"; }
# ask NAME FILTER: of the web app's answer.
ask() { http "$1.localhost" / | jq -r "$2"; }
answers() { [ "$(ask "$1" .version 2>/dev/null)" = "$2" ]; }

load_start() {
	load_stop >/dev/null 2>&1 || :
	"$REPO/scripts/load" --port "$HTTP_PORT" --host "$1.localhost" --rate "${2:-50}" "${@:3}" \
		>"$BATS_TEST_TMPDIR/load" 2>&1 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/load.pid"
	wait_until grep -q started "$BATS_TEST_TMPDIR/load"
}
# Prints the counts (JSON: scripts/load).
load_stop() {
	local pid
	pid=$(cat "${BATS_TEST_TMPDIR:-/nonexistent}/load.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null || :
	wait_until pid_is_gone "$pid"
	rm -f "$BATS_TEST_TMPDIR/load.pid"
	tail -n1 "$BATS_TEST_TMPDIR/load"
}

# --- what runs ------------------------------------------------------------------------------------------------

# instances NAME [FILTER over the array]: default: "SERVICE.ORDINAL STATE PID PORT" a line, stopping ones left out.
instances() {
	control instances "{\"app\": \"$1\"}" | jq -r "[.instances[] | select(.state != \"stopping\")]
		| sort_by([.service, .ordinal, .deployment])
		| ${2:-.[] | \"\(.service).\(.ordinal) \(.state) \(.pid) \(.port)\"}"
}
running() { instances "$1" "[.[] | select(.state == \"running\")] | length"; }
running_is() { [ "$(running "$1")" = "$2" ]; }
pid_of() { instances "$1" ".[] | select(.service == \"$2\" and .ordinal == ${3:-1}) | .pid"; }
# Once the old instances are retired, exactly one instance of each service.ordinal is left.
settled() {
	control instances "{\"app\": \"$1\"}" |
		jq -e '[.instances[] | "\(.service).\(.ordinal)"] | length == (unique | length)'
}
pid_is_gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"; }

# What a worker saw (fixtures/dump.py): seen NAME SERVICE FILTER
seen() { jq -r "$3" "$ROOT/data/$1/$2.json"; }
seen_is() { [ "$(seen "$1" "$2" "$3" 2>/dev/null)" = "$4" ]; }
forget_seen() { rm -f "$ROOT/data/$1/"*.json; }

releases_of() { find "$ROOT/releases/$1" -mindepth 1 -maxdepth 1 -name 'v*' -printf '%f\n' 2>/dev/null | sort -V; }
live_release() { readlink -f "$ROOT/apps/$1" | sed 's|/src$||; s|.*/||'; }

# Every file of the root with its content, but what goes on by itself: to see that nothing was changed.
root_content() {
	(cd "$ROOT" && find apps config data envs nginx releases repos \( -type f -exec sha256sum {} + \) -o \
		\( -type l -printf '%p -> %l\n' \)) | sort
}

# --- levels of the sandbox ------------------------------------------------------------------------------------

# In setup_file: makes what refuses layers to slipwayd (fixtures/refuse.c). False: not here, and why is $SKIP_FILE.
refuse_build() {
	export REFUSE=$BATS_FILE_TMPDIR/refuse
	command -v gcc >/dev/null || { skip_file "needs gcc" && return 1; }
	gcc -O1 -Wall -o "$REFUSE" "$FIXTURES/refuse.c"
	"$REFUSE" namespaces landlock -- true || { skip_file "this kernel has no seccomp filters" && return 1; }
}

# beneath WHAT...: slipwayd is started anew where that is refused; its apps too.
beneath() {
	local pid start
	# shellcheck disable=SC2034 # scripts/server.bash reads it
	SERVER_ENV=("$REFUSE" "$@" --)
	read -r pid start <<<"$(server_recorded slipwayd)"
	slipway shutdown --instances
	WAIT_SECONDS=120 wait_until process_gone "$pid" "$start"
	server_start_slipwayd
}

# --- the crash matrix -----------------------------------------------------------------------------------------

# A server of a build with hooks (-Ddebug_hooks=true): what reads the folder, dies where it says.
crash_server_start() {
	[ -n "${SLIPWAY_HOOKS_BIN-unset}" ] || { skip_file "there is no build with hooks (./check --quick makes none)" && return 0; }
	export SLIPWAY_BIN=${SLIPWAY_HOOKS_BIN:-$SLIPWAY_BIN}
	mkdir -p "$BATS_FILE_TMPDIR/s/root"
	# In memory, where it may be: what is killed does not ask for the disk.
	mount -t tmpfs -o size=200m,mode=0711 slipway-test "$BATS_FILE_TMPDIR/s/root" 2>/dev/null || :
	mkdir -p "$BATS_FILE_TMPDIR/s/root/run/crash"
	chmod 700 "$BATS_FILE_TMPDIR/s/root/run"
	SERVER_ENV=(SLIPWAY_TEST_BACKOFF_MS=100) # nginx is back at once
	server_start
}

crash_server_stop() {
	server_stop
	# Workers of an nginx that was killed may still be at their last request.
	! mountpoint -q "$BATS_FILE_TMPDIR/s/root" || wait_until umount "$BATS_FILE_TMPDIR/s/root" ||
		umount --lazy "$BATS_FILE_TMPDIR/s/root"
}

# crash_matrix SCENARIO [--all]: a selection of its cells, or with CRASH_ALL=1 all. Prints its table.
crash_matrix() {
	local table status=0
	[ -e "$ROOT/run/crash/daemon" ] || skip "this build has no debug hooks: set SLIPWAY_HOOKS_BIN"
	[ -z "${CRASH_ALL:-}" ] || set -- "$1" --all
	table=$(python3 "$FIXTURES/crash.py" "$@" ${CRASH_ONLY:+--only "$CRASH_ONLY"}) || status=$?
	printf '# %s\n' "${table//$'\n'/$'\n# '}" >&3
	return "$status"
}
