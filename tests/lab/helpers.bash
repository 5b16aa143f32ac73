# shellcheck shell=bash
# For tests that stand beside the hosts of the lab and work in them (docs/testing.md, "The lab"). Hosts are numbered 1, 2, 3
# and called lab-1, lab-2, lab-3 in each other's network. The tree is at /src in them, read-only; the gcc build at /build/gcc/src.
bats_require_minimum_version 1.5.0

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../scripts/server.bash
. "$REPO/scripts/server.bash" # wait_until
WAIT_SECONDS=300
SLIPWAY_BIN=/build/gcc/src # in the hosts

host() { echo "${LAB_PREFIX:?run this file by tests/lab/lab run}-$1"; }

# on N COMMAND...: as root in host N. Standard input goes to it: a here-document is a script for `on 1 bash -s`.
on() { docker exec -i -e HOME=/root -e LANG=C.UTF-8 "$(host "$1")" nsenter -t 1 -C "${@:2}"; }
# as N USER COMMAND...: as that user, in the user's home.
as() {
	# shellcheck disable=SC2016 # for the host's shell
	on "$1" sh -c 'export USER="$1" HOME="$(getent passwd "$1" | cut -d: -f6)" && shift && cd "$HOME" && exec runuser -u "$USER" -- "$@"' - "${@:2}"
}

# The host's address in the hosts' network.
address() { docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$(host "$1")"; }

host_is_off() { [ "$(docker inspect -f '{{.State.Running}}' "$(host "$1")")" = false ]; }
host_is_up() { [[ $(on "$1" systemctl is-system-running </dev/null) == @(running|degraded) ]]; }
boot_id() { on "$1" cat /proc/sys/kernel/random/boot_id </dev/null; }

# As the machine would do it: services are stopped in order, /run and /tmp are empty afterwards, the boot has a new id.
# Returns when all that starts at boot has started.
reboot() {
	on "$1" systemctl reboot </dev/null || :
	wait_until host_is_off "$1"
	power_on "$1"
}
# All that runs in the host is gone at once. What is on disk stays as it is at this moment.
power_cut() { docker kill "$(host "$1")" >/dev/null; }
power_on() {
	docker start "$(host "$1")" >/dev/null
	wait_until host_is_up "$1"
}

# is_active N UNIT
is_active() { on "$1" systemctl is-active --quiet "$2" </dev/null; }

# --- slipway on a host, as scripts/install sets it up -----------------------------------------------------------
# Always host 1. Work trees are in /root/work; what is pushed goes over SSH as slipway's user, with root's key.

host_prepare() {
	on 1 bash -s <<-'SCRIPT'
	set -e
	ssh-keygen -q -A
	systemctl enable --now ssh nginx
	mkdir -p /root/work
	[ -e /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -C tester@lab -f /root/.ssh/id_ed25519
	git config --global user.name tester
	git config --global user.email tester@lab
	git config --global init.defaultBranch main
	SCRIPT
}
host_install() {
	on 1 /src/scripts/install --build /build/gcc --no-packages </dev/null || return
	on 1 cat /root/.ssh/id_ed25519.pub </dev/null | as 1 slipway slipway setup:ssh -
}
# What the tests of the next file are not to find.
host_clean() {
	on 1 sh -c '[ ! -e /var/lib/slipway-install/record ] || /src/scripts/uninstall
		rm -rf /var/lib/slipway /root/work /root/.ssh; systemctl disable --now ssh nginx' </dev/null
}

slipway() { as 1 slipway slipway "$@" </dev/null; }
push() {
	on 1 env GIT_SSH_COMMAND='ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes' \
		timeout 280 git -C "/root/work/$1" push "slipway@localhost:$1" main </dev/null 2>&1
}
ask() { on 1 curl -sS --max-time 20 -H "Host: $1.example" http://127.0.0.1/ </dev/null; }
answers() { [[ $(ask "$1") == *'"version": "'"$2"'"'* ]]; }
daemon_pid() { on 1 systemctl show -P MainPID slipwayd </dev/null; }
daemon_answers() { slipway status >/dev/null; }
