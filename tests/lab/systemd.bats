# That the lab is what it says: Debian 13 hosts with systemd as PID 1, a network, and boots.
# lab: hosts=2
# shellcheck disable=SC2154 # output is set by run
load helpers

@test "PID 1 is systemd, on Debian 13, and nothing of its own has failed" {
	[ "$(on 1 cat /proc/1/comm)" = systemd ]
	[[ $(on 1 cat /etc/debian_version) == 13* ]]
	run on 1 systemctl list-units --failed --no-legend --plain
	[ -z "$output" ]
	[ "$(on 1 stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]
}

@test "a unit starts in a cgroup of its own, its output is in the journal, and it survives a reboot and a power cut" {
	on 1 bash -s <<-'SCRIPT'
	cat >/etc/systemd/system/lab-probe.service <<-'UNIT'
	[Service]
	ExecStart=/bin/sh -c 'echo probe of $$(cat /proc/sys/kernel/random/boot_id); exec sleep infinity'
	[Install]
	WantedBy=multi-user.target
	UNIT
	systemctl daemon-reload
	systemctl enable --now lab-probe
	SCRIPT
	wait_until is_active 1 lab-probe
	[[ $(on 1 bash -c 'cat /proc/$(systemctl show -P MainPID lab-probe)/cgroup') == *::/system.slice/lab-probe.service* ]]
	local first second third
	first=$(boot_id 1)
	on 1 touch /run/forgotten /tmp/forgotten /var/tmp/kept
	reboot 1
	wait_until is_active 1 lab-probe
	second=$(boot_id 1)
	[ "$(on 1 sh -c 'ls /run/forgotten /tmp/forgotten /var/tmp/kept 2>/dev/null')" = /var/tmp/kept ]
	power_cut 1
	host_is_off 1
	power_on 1
	wait_until is_active 1 lab-probe
	third=$(boot_id 1)
	[ "$first" != "$second" ] && [ "$second" != "$third" ]
	for id in "$first" "$second" "$third"; do
		on 1 journalctl -u lab-probe | grep -q "probe of $id"
	done
	on 1 bash -s <<-'SCRIPT'
	systemctl disable --now lab-probe
	rm /etc/systemd/system/lab-probe.service /var/tmp/kept
	systemctl daemon-reload
	SCRIPT
}

@test "hosts reach each other by name, and stay the same hosts" {
	[ "$(on 1 hostname)" = lab-1 ]
	[ "$(on 2 getent ahostsv4 lab-1 | awk 'NR == 1 { print $1 }')" = "$(address 1)" ]
	on 2 ping -c1 -W 60 lab-1
	local before
	before=$(boot_id 2)
	reboot 1
	on 2 ping -c1 -W 60 lab-1
	[ "$(boot_id 2)" = "$before" ]
}

@test "containers run in a host: Podman's own, without an image from elsewhere" {
	on 1 bash -s <<-'SCRIPT'
	set -e
	mkdir -p /var/tmp/image
	cp -L --parents /bin/true /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6 /var/tmp/image/
	tar -C /var/tmp/image -c . | podman import - localhost/tiny
	rm -r /var/tmp/image
	SCRIPT
	on 1 podman run --rm localhost/tiny /bin/true
	on 1 podman rmi localhost/tiny
}
