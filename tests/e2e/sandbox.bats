# What an app can and cannot do at each level of the sandbox: the table of docs/sandbox.md, tried line by line.
load helpers

setup_file() {
	[ "$(id -u)" = 0 ] || { skip_file "needs root: the table is root's" && return 0; }
	server_start
	app_create victim
	procfile victim 'web: python3 server.py of-the-victim-itself'
	push victim
	slipway config:set victim SECRET=of-the-victim
	app_create hostile
	cp "$FIXTURES/hostile.py" "$WORK/hostile/"
	# shellcheck disable=SC2016 # the app's shell
	procfile hostile 'web: sh maybe web; exec python3 server.py' 'preflight: sh maybe preflight' 'release: sh maybe release' \
		'cron-try: 0 0 1 1 * python3 hostile.py cron'
	# shellcheck disable=SC2016
	echo '[ ! -e "$DATA_ROOT/try" ] || exec python3 hostile.py "$1"' >"$WORK/hostile/maybe"
	commit hostile
	push hostile
	targets_start
}

teardown_file() {
	targets_stop
	server_stop
}

# Sockets to connect to and files where the host's are, until targets_stop.
targets_start() {
	mkdir -p "$SERVER_DIR/home/.ssh" "$ROOT/config/hostile"
	echo key >"$SERVER_DIR/home/.ssh/id_rsa"
	echo >>"$ROOT/config/victim/ENV"
	mktemp /tmp/slipway-probe.XXXXXX >"$SERVER_DIR/tmp_file"
	mktemp /dev/shm/slipway-probe.XXXXXX >"$SERVER_DIR/shm_file"
	chmod 666 "$(<"$SERVER_DIR/tmp_file")"
	ipcmk -M 4096 -p 600 2>/dev/null | grep -o '[0-9]*$' >"$SERVER_DIR/ipc" || :
	python3 - "$SERVER_DIR/engine.sock" "slipway-probe-$SSH_PORT" <<-'END' >"$SERVER_DIR/listener.log" 2>&1 3>&- &
	import socket, sys, threading
	listening = []
	for address in (sys.argv[1], "\0" + sys.argv[2]):
	    s = socket.socket(socket.AF_UNIX)
	    s.bind(address)
	    s.listen(100)
	    listening.append(s)
	print("ready", flush=True)
	def take(s):
	    while True:
	        s.accept()[0].close()
	threading.Thread(target=take, args=(listening[0],), daemon=True).start()
	take(listening[1])
	END
	server_record listener $!
	WAIT_SECONDS=120 wait_until grep -q ready "$SERVER_DIR/listener.log"
}

targets_stop() {
	local pid start
	[ -n "${SERVER_DIR:-}" ] || return 0
	read -r pid start <<<"$(server_recorded listener)" || :
	if [ -n "${pid:-}" ] && process_is "$pid" "$start"; then
		kill "$pid"
	fi
	rm -f "$(cat "$SERVER_DIR/tmp_file")" "$(cat "$SERVER_DIR/shm_file")"
	if [ -s "$SERVER_DIR/ipc" ]; then
		ipcrm -m "$(<"$SERVER_DIR/ipc")"
	fi
}

# targets_write LEVEL: what the hostile app is told, and the victim's files anew.
targets_write() {
	local data=$ROOT/data/victim
	rm -rf "$data"/{read,append,truncate,rename,renamed,link,remove,chmod,made,made-dir,made-link,theirs}
	for file in read append truncate rename link remove chmod; do echo victim >"$data/$file"; done
	python3 - "$ROOT" "$SERVER_DIR" "slipway-probe-$SSH_PORT" "$(instances victim '.[] | .port')" \
		"$(server_recorded slipwayd | cut -d' ' -f1)" "$1" <<-'END'
	import glob, json, os, subprocess, sys
	root, dir, abstract, port, slipwayd, level = sys.argv[1:]
	def text(name):
	    return open(f"{dir}/{name}").read().strip()
	mark = "of-the-victim-itself"
	pids = []
	for pid in filter(str.isdigit, os.listdir("/proc")):
	    try:
	        argv = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
	        if argv[0] == b"python3" and mark.encode() in argv and root.encode() in open(f"/proc/{pid}/environ", "rb").read():
	            pids.append(int(pid))
	    except OSError:
	        pass
	assert len(pids) == 1, pids
	has = [p for p in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger") if os.path.exists(p)]
	try:
	    os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
	    has.append("/dev/kmsg")
	except OSError:
	    pass
	status = dict(line.split(":\t", 1) for line in open("/proc/self/status"))
	# What needs them is refused at every other level, with or without.
	effective = int(status["CapEff"], 16)
	has += [name for name, bit in (("cap_sys_ptrace", 19), ("cap_sys_admin", 21), ("cap_mknod", 27))
	        if level != "off" or effective >> bit & 1]
	if subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "unshare", "-Um", "true"],
	                  stderr=subprocess.DEVNULL).returncode == 0:
	    has.append("namespaces")
	if text("ipc"):
	    has.append("ipc")
	engines = ["/run/docker.sock", "/run/podman/podman.sock", "/run/dbus/system_bus_socket"]
	t = {"root": root, "victim_pid": pids[0], "victim_mark": mark, "victim_port": int(port), "slipwayd_pid": int(slipwayd),
	     "victim_release": os.path.dirname(os.path.realpath(f"{root}/apps/victim")),
	     "victim_fifo": next(p for p in glob.glob(f"{root}/run/**", recursive=True) if "victim" in p and "web" in p
	                         and not p.endswith(".max")),
	     "ssh_key": f"{dir}/home/.ssh/id_rsa", "authorized_keys": f"{dir}/ssh/authorized_keys",
	     "tmp_file": text("tmp_file"), "shm_file": text("shm_file"), "ipc": int(text("ipc") or 0), "abstract": abstract,
	     "sockets": [f"{dir}/engine.sock", *filter(os.path.exists, engines)], "has": has}
	with open(f"{root}/data/hostile/targets.json", "w") as f:
	    json.dump(t, f)
	END
}

host_abi() {
	sed -i '/^\[sandbox\]/,$d' "$ROOT/config.toml"
	slipway doctor --json | jq -r '.. | strings' | grep -o 'Landlock version [0-9]*' | grep -o '[0-9]*$' || echo 0
}

# level LEVEL [ABI]: the hostile app runs at it.
level() {
	sed -i '/^\[sandbox\]/,$d' "$ROOT/config.toml"
	[ -z "${2:-}" ] || printf '[sandbox]\nlandlock_abi = %d\n' "$2" >>"$ROOT/config.toml"
	slipway config:set hostile --no-deploy "SANDBOX=$1"
	rm -f "$ROOT/data/hostile/"*.json
	targets_write "$1"
	slipway deploy hostile --force
	WAIT_SECONDS=120 wait_until settled hostile
	[ "$(slipway ps hostile --json | jq -r '.instances[] | select(.service == "web").sandbox')" = "$1" ]
}

# compare COLUMN RESULT: with the table of docs/sandbox.md.
compare() {
	python3 - "$REPO/docs/sandbox.md" "$1" "$ROOT/data/hostile/$2.json" <<-'END'
	import json, sys
	path, column, result = sys.argv[1:]
	rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in open(path) if line.startswith("|")]
	head = next(r for r in rows if r[0] == "attempt")
	table = {r[0]: r[head.index(column)] for r in rows if len(r) == len(head) and r[1] in ("yes", "no")}
	seen = json.load(open(result))
	assert len(table) > 50, "there is no table"
	bad = [f"only in the document: {a}" for a in table.keys() - seen.keys()]
	bad += [f"not in the document: {a}" for a in seen.keys() - table.keys()]
	bad += [f"{a}: {table[a]} in the document, {seen[a]} in truth"
	        for a in table.keys() & seen.keys() if seen[a] not in (table[a], "-")]
	print(*sorted(bad), sep="\n")
	sys.exit(bool(bad))
	END
}

# column LEVEL [ABI]
column() {
	[ "$(host_abi)" -ge "${2:-0}" ] || skip "this kernel has no Landlock $2"
	level "$@"
	targets_write "$1"
	slipway run hostile python3 hostile.py run
	compare "$*" run
}

@test "sandbox: off, all is possible that this user can do" { column off; }
@test "sandbox: landlock 1" { column landlock 1; }
@test "sandbox: landlock 2" { column landlock 2; }
@test "sandbox: landlock 3" { column landlock 3; }
@test "sandbox: landlock 6" { column landlock 6; }
@test "sandbox: bwrap" { column bwrap; }
@test "sandbox: both 2" { column both 2; }
@test "sandbox: both 6" { column both 6; }

is_json() { jq -e . "$1"; }

@test "sandbox: instances, hooks and schedules can do what run can" {
	[ "$(host_abi)" -ge 2 ] || skip "this kernel has no Landlock 2"
	for level in both landlock; do
		level $level 2
		touch "$ROOT/data/hostile/try"
		for command in preflight release web; do rm -f "$ROOT/data/hostile/$command.json"; done
		slipway deploy hostile --force
		rm "$ROOT/data/hostile/try"
		slipway run-now hostile cron-try
		for command in preflight release web cron; do
			WAIT_SECONDS=120 wait_until is_json "$ROOT/data/hostile/$command.json"
			compare "$level 2" $command
		done
	done
}

@test "sandbox: only the operator chooses the level" {
	app_create chooser
	printf 'SANDBOX=off\nSANDBOX_READ=/\n' >"$WORK/chooser/ENV"
	commit chooser
	push chooser
	run slipway run chooser ls "$ROOT/run"
	[ "$status" -ne 0 ]
	run slipway config:set chooser SANDBOX=strong
	[ "$status" -ne 0 ]
	[[ $output == *"SANDBOX is 'strong'; expected on, both, bwrap, landlock or off"* ]]
	answers chooser 1
	slipway config:set chooser SANDBOX=landlock SANDBOX_READ=/root
	[ "$(slipway ps chooser --json | jq -r '.instances[0].sandbox')" = landlock ]
	slipway run chooser ls /root
}
