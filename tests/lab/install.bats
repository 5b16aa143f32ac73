# scripts/install, the units and the system's nginx on a real host, from the installation to what is left of it. The tests
# are one story: each goes on where the one before ended.
# shellcheck disable=SC2154 # output, status are set by run
load helpers

setup_file() {
	host_prepare
	files >"$BATS_FILE_TMPDIR/before"
}
teardown_file() { host_clean; }

# Every file of the host that an installation could have to do with: what runs writes elsewhere.
files() {
	on 1 find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /build -o -path /src \
		-o -path /root -o -path /var/log -o -path /var/tmp -o -path /var/cache -o -path /var/lib/systemd -o -path /var/lib/nginx \
		-o -path /var/lib/private -o -path /var/lib/slipway -o -path /var/spool -o -path '/etc/*-' -o -path /etc/.pwd.lock \) \
		-prune -o -printf '%p %y %m\n' </dev/null | sort
}

set_version() {
	on 1 bash -c "cd /root/work/$1 && echo $2 >VERSION && git add -A && git commit -q -m 'version $2'" </dev/null
}
# Every process of the user, slipwayd, its helpers and what is short-lived left out: "PID COMMAND" a line.
instances() { on 1 sh -c "ps -o pid=,args= -u slipway | grep 'python3 server.py' | grep -v bwrap" </dev/null | sort; }

@test "install: users, units and nginx are there, and everything is found in order" {
	run on 1 /src/scripts/install --build /build/gcc --no-packages </dev/null
	echo "$output"
	[ "$status" -eq 0 ]
	is_active 1 slipwayd
	is_active 1 slipway-nginx.socket
	[ "$(on 1 stat -c '%U %a' /var/lib/slipway/.slipway </dev/null)" = "slipway 711" ]
	on 1 cat /root/.ssh/id_ed25519.pub </dev/null | as 1 slipway slipway setup:ssh -
	run slipway doctor
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"slipwayd.service"*"enabled and active"* ]]
	[[ $output == *"its configuration is valid with the apps' in it"* ]]
	# No other login than by a key that was let in, and no shell by that.
	[ "$(on 1 getent shadow slipway </dev/null | cut -d: -f2)" = '*' ]
}

@test "a push over SSH as that user is answered by the system's nginx" {
	on 1 bash -s <<-'SCRIPT'
	set -e
	rm -rf /root/work/one && git init -q /root/work/one && cd /root/work/one
	cp /src/tests/e2e/fixtures/server.py .
	echo 'web: python3 server.py' >Procfile
	echo 'NGINX_SERVER_NAME=one.example' >ENV
	echo 1 >VERSION
	git add -A && git commit -q -m one
	SCRIPT
	run push one
	echo "$output"
	[ "$status" -eq 0 ]
	answers one 1
	[[ $(on 1 curl -sSk --max-time 20 --resolve one.example:443:127.0.0.1 https://one.example/ </dev/null) == *'"version": "1"'* ]]
	# The host's own site is as it was.
	[[ $(on 1 curl -sS http://127.0.0.1/ </dev/null) == *nginx* ]]
	# In the unit's own cgroup, without rights.
	[[ $(on 1 cat "/proc/$(instances | awk 'NR == 1 { print $1 }')/cgroup" </dev/null) == *slipwayd.service* ]]
	set_version one 2
	run push one
	[ "$status" -eq 0 ]
	answers one 2
}

@test "what nginx refuses is refused with its words, and old routes stay" {
	on 1 bash -c 'cd /root/work/one && echo "NGINX_INCLUDE_FILE=extra.conf" >>ENV && echo "gzip perhaps;" >extra.conf' </dev/null
	set_version one 3
	run push one
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *'invalid value "perhaps" in "gzip" directive'* ]]
	answers one 2
	on 1 nginx -t </dev/null
	on 1 bash -c 'cd /root/work/one && echo "gzip off;" >extra.conf' </dev/null
	set_version one 4
	run push one
	echo "$output"
	[ "$status" -eq 0 ]
	answers one 4
}

@test "a restart and a kill of slipwayd leave instances alone, and the next one finds them" {
	local before
	before=$(instances)
	[ -n "$before" ]
	on 1 systemctl restart slipwayd </dev/null
	wait_until daemon_answers
	[ "$(instances)" = "$before" ]
	local old
	old=$(daemon_pid)
	on 1 kill -KILL "$old" </dev/null
	# shellcheck disable=SC2317
	is_new() { [ "$(daemon_pid)" != "$old" ] && daemon_answers; }
	wait_until is_new
	[ "$(instances)" = "$before" ]
	answers one 4
	# Who has lost its daemon is told how it is started here.
	on 1 systemctl stop slipwayd </dev/null
	[ "$(instances)" = "$before" ]
	run slipway status
	[[ $output == *"systemctl start slipwayd"* ]]
	run push one
	[[ $output == *"systemctl start slipwayd"* ]] || [[ $output == *up-to-date* ]]
	on 1 systemctl start slipwayd </dev/null
	wait_until daemon_answers
	[ "$(instances)" = "$before" ]
}

@test "a touch of a file makes nginx read it again, as in Piku" {
	local before
	before=$(on 1 pgrep -f 'nginx: worker process' </dev/null | sort)
	on 1 touch /var/lib/slipway/.slipway/nginx/one.conf </dev/null
	# shellcheck disable=SC2317
	is_reloaded() { [ -z "$(comm -12 <(on 1 pgrep -f 'nginx: worker process' </dev/null | sort) <(echo "$before"))" ]; }
	wait_until is_reloaded
	answers one 4
}

@test "a helper that is killed amid a reload: the next deployment succeeds, and nginx would start" {
	local n=5
	for _ in 1 2 3; do
		on 1 bash -s <<-'SCRIPT'
		(while :; do systemctl kill -s KILL 'slipway-nginx@*.service' 2>/dev/null; done) &
		killer=$!
		cd /root/work/one && git commit -q --allow-empty -m again
		GIT_SSH_COMMAND='ssh -o BatchMode=yes' timeout 120 git push -q slipway@localhost:one main 2>/dev/null
		kill $killer
		SCRIPT
		answers one 4
		on 1 nginx -t </dev/null
	done
	set_version one $n
	run push one
	echo "$output"
	[ "$status" -eq 0 ]
	answers one $n
}

@test "after a reboot, and after a power cut, apps answer again" {
	reboot 1
	wait_until answers one 5
	power_cut 1
	power_on 1
	wait_until answers one 5
	run slipway doctor
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "an upgrade: the new program runs, the instances are the same" {
	local before old
	before=$(instances)
	[ -n "$before" ]
	old=$(on 1 sha256sum /usr/local/bin/slipwayd </dev/null)
	# Another build of the same place: a program with something behind its end.
	on 1 bash -s <<-'SCRIPT'
	set -e
	rm -rf /var/tmp/other && cp -a /build/gcc /var/tmp/other
	echo another >>/var/tmp/other/src/slipwayd
	unshare -m sh -ec 'mount --bind /var/tmp/other /build/gcc; exec /src/scripts/install --build /build/gcc --no-packages'
	rm -rf /var/tmp/other
	SCRIPT
	daemon_answers
	[ "$(on 1 sha256sum /usr/local/bin/slipwayd </dev/null)" != "$old" ]
	[ "$(on 1 sh -c "sha256sum </proc/$(daemon_pid)/exe" </dev/null | cut -d' ' -f1)" = \
		"$(on 1 sha256sum /usr/local/bin/slipwayd </dev/null | cut -d' ' -f1)" ]
	[ "$(instances)" = "$before" ]
	answers one 5
	# Once more, with nothing new.
	on 1 /src/scripts/install --build /build/gcc --no-packages </dev/null
	[ "$(instances)" = "$before" ]
}

@test "asked for, nothing of slipway's is left running; started again, the apps are back" {
	slipway shutdown --instances
	# shellcheck disable=SC2317
	is_quiet() { [ -z "$(on 1 ps -o pid= -u slipway </dev/null)" ]; }
	wait_until is_quiet
	on 1 systemctl start slipwayd </dev/null
	wait_until answers one 5
}

@test "uninstall, killed half way and run again, leaves nothing but data, and a new installation finds it" {
	on 1 bash -s <<-'SCRIPT'
	/src/scripts/uninstall >/dev/null 2>&1 &
	pid=$!
	while [ -e /usr/local/bin/slipway ] && kill -0 $pid 2>/dev/null; do :; done
	kill -KILL $pid 2>/dev/null
	wait $pid
	[ ! -e /var/lib/slipway-install/record ] || /src/scripts/uninstall
	SCRIPT
	run diff "$BATS_FILE_TMPDIR/before" <(files)
	echo "$output"
	[ "$status" -eq 0 ]
	run on 1 getent passwd slipway </dev/null
	[ "$status" -ne 0 ]
	run on 1 sh -c 'systemctl list-units --all --no-legend --plain "slipway*"; systemctl list-unit-files --no-legend "slipway*"' </dev/null
	[ -z "$output" ]
	[[ $(on 1 curl -sS http://127.0.0.1/ </dev/null) == *nginx* ]]
	on 1 /src/scripts/install --build /build/gcc --no-packages </dev/null
	wait_until answers one "$(on 1 cat /root/work/one/VERSION </dev/null)"
}
