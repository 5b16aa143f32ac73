# shellcheck shell=bash
# What the benchmarks share: a private server in a temporary directory, ended with the script. SLIPWAY_BIN: the directory
# of an optimised build (./check makes one).
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=../scripts/server.bash
. "$HERE/scripts/server.bash"

bench_start() {
	SLIPWAY_BIN=${SLIPWAY_BIN:-${CHECK_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/slipway-check}/release/src}
	if [ ! -x "$SLIPWAY_BIN/slipwayd" ]; then
		echo "bench: no slipwayd in $SLIPWAY_BIN: run ./check, or set SLIPWAY_BIN to the src directory of a build" >&2
		exit 5
	fi
	SERVER_DIR=$(mktemp -d)
	# Ports of its own, so that another server of this machine (the demo, a test) does not meet them.
	# shellcheck disable=SC2034 # scripts/server.bash reads them
	SERVER_PORT_FIRST=$((10000 + $$ % 36 * 250)) SERVER_PORT_LAST=$((10249 + $$ % 36 * 250))
	chmod 755 "$SERVER_DIR"
	trap bench_end EXIT
	trap 'exit 130' INT TERM HUP
	server_prepare
	server_up
	export SERVER_DIR HTTP_PORT SSH_PORT SERVER_USER HOME="$SERVER_DIR/home" GIT_SSH_COMMAND="ssh $SSH_OPTIONS"
	export SSH_URL="ssh://$SERVER_USER@127.0.0.1:$SSH_PORT"
	unset XDG_CONFIG_HOME
}

bench_end() {
	server_down
	rm -rf "$SERVER_DIR"
}

# bench_app NAME FILE=TEXT...: commits and pushes an app.
bench_app() {
	local dir=$SERVER_DIR/work/$1 log=$SERVER_DIR/push-$1.log file
	mkdir -p "$dir"
	git -C "$dir" init -q -b main
	for file in "${@:2}"; do printf '%s\n' "${file#*=}" >"$dir/${file%%=*}"; done
	git -C "$dir" add -A
	git -C "$dir" commit -qm first
	git -C "$dir" push -q "$SSH_URL/$1" main >"$log" 2>&1 || { cat "$log" >&2 && return 1; }
}

# bench_apps COUNT KIND: as many apps, app-001 and so on: all "static", or "mixed", every other one with a worker that
# runs. Eight are pushed at a time: a worker's check takes a second.
bench_apps() {
	local i name pid running=()
	for ((i = 1; i <= $1; i++)); do
		name=$(printf 'app-%03d' "$i")
		if [ "$2" = static ] || ((i % 2)); then
			bench_app "$name" 'Procfile=static: .' 'index.html=hello' &
		else
			bench_app "$name" 'Procfile=worker: exec sleep infinity' &
		fi
		running+=($!)
		if ((i % 8 == 0 || i == $1)); then
			for pid in "${running[@]}"; do wait "$pid" || exit 1; done
			running=()
		fi
	done
}

# The app that is measured: Node, because Python's own server would be the bottleneck.
# shellcheck disable=SC2034 # for those who source this
NODE_SERVER='const version = require("fs").readFileSync("VERSION", "utf8").trim();
require("http").createServer((q, s) => s.end(version + "\n")).listen(process.env.PORT, process.env.BIND_ADDRESS, 4096);
process.on("SIGTERM", () => process.exit(0));'

# shellcheck disable=SC2034
PYTHON_SERVER='import http.server, os
VERSION = open("VERSION", "rb").read()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(VERSION)))
        self.end_headers()
        self.wfile.write(VERSION)
http.server.ThreadingHTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Handler).serve_forever()'

pss_kb() {
	local pid total=0
	for pid in "$@"; do total=$((total + $(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup"))); done
	echo $total
}
