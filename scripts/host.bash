# shellcheck shell=bash
# shellcheck disable=SC2034 # names are used by who sources this
# What scripts/install and scripts/uninstall share: the names on a host (data/meson.build has them, too), and the record
# of what was made. Each line of it is written before the thing is made, so it may name what is not there, never miss
# what is:
#     file PATH | dir PATH | tree PATH | unit NAME | user NAME

HOST_USER=slipway
HOST_HOME=/var/lib/slipway
HOST_ROOT=$HOST_HOME/.slipway
HOST_STATE=/var/lib/slipway-nginx
HOST_RECORDS=/var/lib/slipway-install
HOST_RECORD=$HOST_RECORDS/record

host_say() { printf '%s: %s\n' "$HOST_SCRIPT" "$*"; }
host_die() { printf '%s: %s\n' "$HOST_SCRIPT" "$*" >&2; exit 1; }
host_need_root() { [ "$(id -u)" = 0 ] || host_die "this has to be run as root"; }

recorded() { [ ! -e "$HOST_RECORD" ] || sed -n "s/^$1 //p" "$HOST_RECORD"; }
is_recorded() { [ -e "$HOST_RECORD" ] && grep -qxF -- "$1 $2" "$HOST_RECORD"; }
record() { is_recorded "$1" "$2" || printf '%s %s\n' "$1" "$2" >>"$HOST_RECORD"; }

# As slipway's user, with nothing of ours: as_user COMMAND...
as_user() {
	(cd / && setpriv --reuid "$HOST_USER" --regid "$HOST_USER" --init-groups --no-new-privs env -i HOME="$HOST_HOME" \
		USER="$HOST_USER" LOGNAME="$HOST_USER" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		LANG=C.UTF-8 SLIPWAY_ROOT="$HOST_ROOT" "$@")
}

# Runs the command until it succeeds, for a minute.
wait_for() {
	local end=$((SECONDS + 60))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
