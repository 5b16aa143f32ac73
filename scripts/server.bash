# shellcheck shell=bash
# A private slipway server in one directory, for the demo, the end-to-end tests and bench/: root, HOME, keys, sshd,
# slipwayd and its nginx on free loopback ports. Source it, set SERVER_DIR and SLIPWAY_BIN, call server_prepare and
# server_up; later server_down. What runs is recorded in SERVER_DIR/pids (NAME PID START) and found by that alone.

# A standard PATH: what slipwayd and its apps see must not depend on who started the server.
SERVER_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Debian's own python3 and node before others: what scripts/deps installed.
PATH=$SERVER_PATH:$PATH

server_die() { echo "$*" >&2; return 1; }

# Runs the command until it succeeds; fails after WAIT_SECONDS (30).
wait_until() {
	local end=$((SECONDS + ${WAIT_SECONDS:-30}))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || server_die "waited ${WAIT_SECONDS:-30} s in vain for: $*" || return 1
		read -rt 0.03 <> <(:) || :
	done
}

port_answers() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints COUNT free loopback ports; those given are kept when they are free.
free_ports() {
	python3 - "$@" <<-'END'
	import socket, sys
	open_, wanted = [], [int(p) for p in sys.argv[2:]]
	for i in range(int(sys.argv[1])):
	    s = socket.socket()
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	    try:
	        s.bind(("127.0.0.1", wanted[i]))
	    except (OSError, IndexError, OverflowError):
	        s.bind(("127.0.0.1", 0))
	    open_.append(s)
	print(*(s.getsockname()[1] for s in open_))
	END
}

# When a process began, in the kernel's ticks: with its id, its identity.
process_start() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
process_is() { [ -n "$2" ] && [ "$(process_start "$1")" = "$2" ]; }
process_gone() { ! process_is "$1" "$2" || [[ $(cat "/proc/$1/stat" 2>/dev/null) == *') Z '* ]]; }

server_record() { echo "$1 $2 $(process_start "$2")" >>"$SERVER_DIR/pids"; }
server_recorded() { awk -v n="$1" '$1 == n { p = $2 " " $3 } END { print p }' "$SERVER_DIR/pids" 2>/dev/null; }

# Every process on the machine that has the directory in its command line, working directory or environment, one
# "PID COMMAND" a line; not this shell and its ancestors.
server_processes() {
	# Without a directory of our own everything would match.
	[[ ${SERVER_DIR:-} == /*/* && -d $SERVER_DIR/root ]] || return 0
	python3 - "$SERVER_DIR" $$ <<-'END'
	import os, sys
	dir, pid, own = sys.argv[1].encode(), int(sys.argv[2]), {os.getpid()}
	while pid > 1:
	    own.add(pid)
	    pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
	for name in filter(str.isdigit, os.listdir("/proc")):
	    try:
	        at = "/proc/" + name
	        command = open(at + "/cmdline", "rb").read()
	        if int(name) not in own and command and (
	                dir + b"/" in command or os.readlink(at + "/cwd").encode().startswith(dir + b"/")
	                or b"=" + dir + b"/root" in open(at + "/environ", "rb").read()):
	            print(name, command.replace(b"\0", b" ").decode(errors="replace"))
	    except OSError:
	        pass
	END
}

# Ends a recorded process, if what has its pid is still what was started from here.
server_end_recorded() {
	local pid start child
	read -r pid start <<<"$(server_recorded "$1")" || return 0
	if [ -z "${pid:-}" ] || ! process_is "$pid" "$start"; then
		return 0
	fi
	if ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$SERVER_DIR"; then
		return 0
	fi
	for child in "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do
		if [ "$child" = "$pid" ] || [ "$1" = sshd ]; then
			kill "$child" 2>/dev/null || :
		fi
	done
	WAIT_SECONDS=20 wait_until process_gone "$pid" "$start" || kill -KILL "$pid"
}

server_slipway() {
	env -i PATH="$SERVER_PATH" HOME="$SERVER_DIR/home" USER="$SERVER_USER" LANG=C.UTF-8 TERM="${TERM:-dumb}" \
		SLIPWAY_ROOT="$SERVER_DIR/root" SLIPWAY_AUTHORIZED_KEYS="$SERVER_DIR/ssh/authorized_keys" \
		"$SLIPWAY_BIN/slipway" "$@"
}

# Directories, keys and settings. More lines of config.toml: standard input, when SERVER_MORE_CONFIG is set.
server_prepare() {
	local dir=$SERVER_DIR ports=()
	mkdir -p "$dir/home" "$dir/work"
	mkdir -p "$dir/ssh"
	chmod 700 "$dir/ssh"
	touch "$dir/pids"
	server_set_names
	[ ! -e "$dir/ports" ] || read -ra ports <"$dir/ports"
	read -r SSH_PORT HTTP_PORT HTTPS_PORT < <(free_ports 3 "${ports[@]}")
	echo "$SSH_PORT $HTTP_PORT $HTTPS_PORT" >"$dir/ports"
	[ -e "$dir/ssh/key" ] || ssh-keygen -q -t ed25519 -N '' -C tester@slipway -f "$dir/ssh/key"
	[ -e "$dir/ssh/host_key" ] || ssh-keygen -q -t ed25519 -N '' -C host -f "$dir/ssh/host_key"
	echo "[127.0.0.1]:$SSH_PORT $(cut -d' ' -f1,2 "$dir/ssh/host_key.pub")" >"$dir/ssh/known_hosts"
	cat >"$dir/home/.gitconfig" <<-END
	[user]
		name = slipway
		email = slipway@localhost
	[init]
		defaultBranch = main
	[advice]
		detachedHead = false
	[protocol "file"]
		allow = always
	END
	server_write_sshd_config
	server_slipway setup >"$dir/setup.log"
	server_write_config >"$dir/root/config.toml"
	server_slipway setup:ssh "$dir/ssh/key.pub" >>"$dir/setup.log"
}

server_set_names() {
	SERVER_USER=$(id -un)
	[ ! -e "$SERVER_DIR/ports" ] || read -r SSH_PORT HTTP_PORT HTTPS_PORT <"$SERVER_DIR/ports"
	SSH_OPTIONS="-F none -i $SERVER_DIR/ssh/key -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes"
	SSH_OPTIONS+=" -o UserKnownHostsFile=$SERVER_DIR/ssh/known_hosts -o StrictHostKeyChecking=yes"
}

# Apps' files are read by nginx's workers: as www-data where they can get at them.
server_nginx_user() {
	if [ "$(id -u)" = 0 ] && id www-data >/dev/null 2>&1 &&
		setpriv --reuid www-data --regid www-data --clear-groups test -x "$SERVER_DIR/root" 2>/dev/null; then
		echo www-data
	else
		id -un
	fi
}

server_write_config() {
	cat <<-END
	# Made by scripts/server.bash.
	[router]
	default_domain = "localhost"

	[nginx]
	private = true
	user = "$(server_nginx_user)"
	http_port = $HTTP_PORT
	https_port = $HTTPS_PORT
	listen_ipv4 = "127.0.0.1"
	listen_ipv6 = ""
	END
	if [ -n "${SERVER_PORT_FIRST:-}" ]; then
		printf '\n[ports]\nfirst = %d\nlast = %d\n' "$SERVER_PORT_FIRST" "${SERVER_PORT_LAST:?}"
	fi
	if [ -n "${SERVER_CONFIG:-}" ]; then
		printf '\n%s\n' "$SERVER_CONFIG"
	fi
}

# A locked account (no password set, "!") may log in by key only through PAM.
server_write_sshd_config() {
	local dir=$SERVER_DIR pam=no
	if [ -e /etc/pam.d/sshd ] && [[ $(getent shadow "$SERVER_USER" 2>/dev/null | cut -d: -f2) == '!'* ]]; then
		pam=yes
	fi
	cat >"$dir/ssh/sshd_config" <<-END
	ListenAddress 127.0.0.1:$SSH_PORT
	HostKey "$dir/ssh/host_key"
	AuthorizedKeysFile "$dir/ssh/authorized_keys"
	PidFile none
	StrictModes no
	UsePAM $pam
	PubkeyAuthentication yes
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	PermitRootLogin prohibit-password
	PermitUserRC no
	X11Forwarding no
	PrintMotd no
	PrintLastLog no
	MaxStartups 200
	Subsystem sftp internal-sftp
	SetEnv "HOME=$dir/home" "SLIPWAY_AUTHORIZED_KEYS=$dir/ssh/authorized_keys"
	END
}

server_start_slipwayd() {
	setsid env -i PATH="$SERVER_PATH" HOME="$SERVER_DIR/home" USER="$SERVER_USER" LANG=C.UTF-8 \
		SLIPWAY_ROOT="$SERVER_DIR/root" SLIPWAY_AUTHORIZED_KEYS="$SERVER_DIR/ssh/authorized_keys" \
		${SERVER_ENV:+"${SERVER_ENV[@]}"} \
		"$SLIPWAY_BIN/slipwayd" </dev/null >>"$SERVER_DIR/slipwayd.log" 2>&1 3>&- 4>&- 8>&- 9>&- &
	SLIPWAYD_PID=$!
	server_record slipwayd "$SLIPWAYD_PID"
	wait_until server_slipwayd_settled
	if ! server_slipwayd_answers; then
		server_die "slipwayd ended: $(tail -n 20 "$SERVER_DIR/slipwayd.log")"
	fi
}
server_slipwayd_answers() { [ -S "$SERVER_DIR/root/run/slipwayd.sock" ] && server_slipway status >/dev/null 2>&1; }
server_slipwayd_settled() { server_slipwayd_answers || ! kill -0 "$SLIPWAYD_PID" 2>/dev/null; }

server_start_sshd() {
	if [ ! -d /run/sshd ] && [ "$(id -u)" = 0 ]; then
		mkdir -m 755 /run/sshd
		touch "$SERVER_DIR/made-run-sshd"
	fi
	setsid env -i PATH="$SERVER_PATH" "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$SERVER_DIR/ssh/sshd_config" \
		</dev/null >>"$SERVER_DIR/sshd.log" 2>&1 3>&- 4>&- 8>&- 9>&- &
	SSHD_PID=$!
	server_record sshd "$SSHD_PID"
	wait_until server_sshd_settled
	port_answers "$SSH_PORT" || server_die "sshd ended: $(tail -n 20 "$SERVER_DIR/sshd.log")"
}
server_sshd_settled() { port_answers "$SSH_PORT" || ! kill -0 "$SSHD_PID" 2>/dev/null; }

server_up() {
	server_start_slipwayd
	server_start_sshd
	wait_until port_answers "$HTTP_PORT" || server_die "nginx: $(tail -n 20 "$SERVER_DIR/slipwayd.log")"
}

# Ends the deployments that were under way: processes of their own, which outlive the daemon, and their steps.
server_end_deployments() {
	python3 - "$SERVER_DIR/root" <<-'END' 2>/dev/null || :
	import os, signal, sqlite3, sys
	root = sys.argv[1]
	def fields(pid):
	    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
	def tree(pid):
	    return [pid] + [p for child in parents.get(pid, []) for p in tree(child)]
	def is_step(pid):    # bwrap cannot tell when its parent ended before it had begun to look
	    argv = open(f"/proc/{pid}/cmdline", "rb").read()
	    return b"bwrap\0--die-with-parent\0" in argv and root.encode() + b"/" in argv
	parents, ending = {}, []
	for pid in filter(str.isdigit, os.listdir("/proc")):
	    try:
	        parents.setdefault(int(fields(pid)[1]), []).append(int(pid))
	        if is_step(pid):
	            ending.append(int(pid))
	    except OSError:
	        pass
	store = sqlite3.connect(f"file:{root}/state.db?mode=ro", uri=True)
	for pid, start in store.execute("SELECT owner_pid, owner_start FROM deployment WHERE state = 'running'").fetchall():
	    try:
	        if pid and int(fields(pid)[19]) == start:
	            ending.append(pid)
	    except OSError:
	        pass
	for pid in ending:
	    for each in tree(pid):
	        try:
	            os.kill(each, signal.SIGKILL)
	        except OSError:
	            pass
	END
}

# Stops everything, instances too. A daemon that was killed is started once more: it adopts what it left, and stops it.
server_down() {
	local pid start
	[[ ${SERVER_DIR:-} == /*/* && -e $SERVER_DIR/pids ]] || return 0
	server_set_names
	if [ -d "$SERVER_DIR/root/run" ] && [ -x "$SLIPWAY_BIN/slipwayd" ]; then
		server_slipwayd_answers || server_start_slipwayd >/dev/null 2>&1 || :
		read -r pid start <<<"$(server_recorded slipwayd)" || :
		server_slipway shutdown --instances >/dev/null 2>&1 || :
		if [ -n "${pid:-}" ]; then
			WAIT_SECONDS=20 wait_until process_gone "$pid" "$start" 2>/dev/null || :
		fi
	fi
	server_end_recorded slipwayd
	server_end_deployments
	server_end_recorded sshd
	if [ -e "$SERVER_DIR/made-run-sshd" ]; then
		# Another sshd that came meanwhile needs it for every connection.
		grep -qsx sshd /proc/[0-9]*/comm || rmdir /run/sshd 2>/dev/null || :
		rm -f "$SERVER_DIR/made-run-sshd"
	fi
	: >"$SERVER_DIR/pids"
}
