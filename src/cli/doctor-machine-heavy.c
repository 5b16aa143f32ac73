/* doctor: the machine: programs, the sandbox, SSH, ports, disk. */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/landlock.h"
#include "base/sandbox.h"
#include "plan/root.h"
#include "source/keys.h"

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- programs ---- */

static const struct {
	const char *name, *package, *without;
	enum finding_state state;
} programs[] = {
	{ "git", "git", "nothing can be pushed", FINDING_FAILED },
	{ "ssh-keygen", "openssh-client", "no key can be let in", FINDING_FAILED },
	{ "openssl", "openssl", "no certificates can be made", FINDING_FAILED },
	{ "python3", "python3", "no Python app can be built", FINDING_WARNING },
	{ "virtualenv", "python3-virtualenv", "Python apps are built by python3 -m venv", FINDING_OK },
	{ "node", "nodejs", "no Node app can be built", FINDING_WARNING },
	{ "npm", "npm", "no Node app with dependencies can be built", FINDING_WARNING },
};

static void check_programs(struct doctor *d, const char *path)
{
	for (size_t i = 0; i < COUNT(programs); i++) {
		_cleanup_(freep) char *found = find_program(programs[i].name, path);

		if (found)
			SAY_OK(d, programs[i].name, "%s", found);
		else
			doctor_say(d, programs[i].state, programs[i].name,
				   xasprintf("it is not there: %s", programs[i].without),
				   xasprintf("Debian: apt install %s", programs[i].package));
	}
}

/* What Landlock alone lets pass on this kernel, which a newer one refuses; to be freed. */
static char *missing_of_landlock(unsigned abi)
{
	static const struct {
		unsigned abi;
		const char *what;
	} steps[] = {
		{ LANDLOCK_ABI_REFER, "files cannot be moved to another directory" },
		{ LANDLOCK_ABI_TRUNCATE, "truncating is not refused" },
		{ LANDLOCK_ABI_IOCTL, "ioctl on devices is not refused" },
		{ LANDLOCK_ABI_SCOPE, "signals and abstract sockets to others are not refused" },
	};
	struct strb text = STRB(1024);

	for (size_t i = 0; i < COUNT(steps); i++)
		if (abi < steps[i].abi)
			(void) strb_addf(&text, "; %s", steps[i].what);
	return strb_take(&text);
}

static void say_layer(struct doctor *d, enum sandbox_level level, unsigned abi, bool has_bwrap)
{
	_cleanup_(freep) char *missing = missing_of_landlock(abi);

	if (level == SANDBOX_LANDLOCK)
		doctor_say(d, FINDING_WARNING, "sandbox",
			   xasprintf("landlock alone, version %u: other processes, chmod, stat and sockets "
				     "are not "
				     "refused%s",
				     abi, missing),
			   xstrdup(has_bwrap ? "let this user make namespaces (sysctl "
					       "kernel.unprivileged_userns_clone=1, "
					       "kernel.apparmor_restrict_unprivileged_userns=0)"
					     : "Debian: apt install bubblewrap"));
	else if (level == SANDBOX_BOTH)
		SAY_OK(d, "sandbox", "both: bubblewrap, and Landlock version %u%s", abi, missing);
	else
		SAY_OK(d, "sandbox", "bwrap: bubblewrap, without Landlock");
}

static void check_sandbox(struct doctor *d, const char *path)
{
	_cleanup_(freep) char *bwrap = find_program("bwrap", path);
	struct sandbox wish = { .level = SANDBOX_BOTH, .landlock_abi = d->host.landlock_abi };

	if (d->host.sandbox_level)
		(void) sandbox_level_read(&wish.level, d->host.sandbox_level);
	enum sandbox_level level = sandbox_in_force(&wish, path);

	if (level == SANDBOX_OFF)
		doctor_say(d, FINDING_WARNING, "sandbox",
			   xstrdup("off: apps and builds see all that this user sees"),
			   xstrdup("remove [sandbox] level from config.toml"));
	else if (level == SANDBOX_NONE)
		doctor_say(
			d, FINDING_WARNING, "sandbox",
			xasprintf("none: apps and builds see all that this user sees; %s, and the kernel has "
				  "no Landlock",
				  bwrap ? "bubblewrap is there and does not work"
					: "bubblewrap is not there"),
			xstrdup(bwrap ? "let this user make namespaces (sysctl "
					"kernel.unprivileged_userns_clone=1, "
					"kernel.apparmor_restrict_unprivileged_userns=0)"
				      : "Debian: apt install bubblewrap"));
	else
		say_layer(d, level, sandbox_abi(&wish), bwrap != NULL);
}

/* ---- SSH ---- */

/* sshd (StrictModes) lets nobody in when others could change who is let in: the file and all above it, up to
 * home. */
static bool check_writable(struct doctor *d, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return true;
	if (!(st.st_mode & 022) && (st.st_uid == geteuid() || st.st_uid == 0))
		return true;
	doctor_say(d, FINDING_FAILED, "ssh",
		   st.st_mode & 022
			   ? xasprintf("%s can be written to by others (mode %03o): sshd takes no key then",
				       path, st.st_mode & 0777U)
			   : xasprintf("%s belongs to user %u: sshd takes no key then", path,
				       (unsigned) st.st_uid),
		   st.st_mode & 022 ? xasprintf("chmod go-w %s", path)
				    : xasprintf("chown it to user %u", geteuid()));
	return false;
}

static bool check_above(struct doctor *d, const char *file)
{
	const char *home = getenv("HOME");
	bool is_below_home = home && *home && str_starts(file, home) && file[strlen(home)] == '/', is_fine;
	_cleanup_(freep) char *dir = xstrdup(file);

	is_fine = check_writable(d, file);
	do {
		*strrchr(dir, '/') = '\0';
		is_fine = *dir == '\0' || (check_writable(d, dir) && is_fine);
	} while (is_below_home && strlen(dir) > strlen(home));
	return is_fine;
}

static bool check_entries(struct doctor *d, const struct ssh_keys *keys)
{
	bool is_fine = true;

	for (size_t i = 0; i < keys->n; i++) {
		const struct ssh_key *key = &keys->v[i];

		if (*key->program != '/' || access(key->program, X_OK) == 0)
			continue;
		doctor_say(d, FINDING_FAILED, "ssh",
			   xasprintf("the line of key '%s' runs %s: %s", key->name, key->program,
				     strerror(errno)),
			   xasprintf("slipway keys:remove %s, then slipway setup:ssh with it again",
				     key->fingerprint));
		is_fine = false;
	}
	return is_fine;
}

static void check_ssh(struct doctor *d)
{
	_cleanup_(freep) char *file = ssh_keys_file();
	_cleanup_(ssh_keys_done) struct ssh_keys keys = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	bool is_fine;

	if (*file != '/')
		return;
	if (ssh_keys_list(file, &keys, &e) < 0) {
		doctor_say(d, FINDING_FAILED, "ssh", err_text(e), NULL);
		return;
	}
	if (!keys.n) {
		doctor_say(d, FINDING_WARNING, "ssh",
			   xasprintf("no key of %s is let in: nobody can push", file),
			   xstrdup("slipway setup:ssh FILE.pub"));
		return;
	}
	is_fine = check_above(d, file);
	is_fine = check_entries(d, &keys) && is_fine;
	if (is_fine)
		SAY_OK(d, "ssh", "%zu key%s in %s", keys.n, keys.n == 1 ? "" : "s", file);
}

/* ---- ports and disk ---- */

static void check_ports(struct doctor *d)
{
	_cleanup_(freep) char *text = NULL;
	unsigned first = 0, last = 0;

	if (!d->has_host)
		return;
	if (file_read("/proc/sys/net/ipv4/ip_local_port_range", 64, &text, NULL, NULL) >= 0 &&
	    sscanf(text, "%5u %5u", &first, &last) == 2 && d->host.port_first <= last &&
	    first <= d->host.port_last)
		doctor_say(
			d, FINDING_WARNING, "ports",
			xasprintf(
				"%u to %u overlap with those the kernel gives to connections (%u to %u): an "
				"instance may find its port taken",
				d->host.port_first, d->host.port_last, first, last),
			xstrdup("set [ports] first and last in config.toml"));
	else
		SAY_OK(d, "ports", "%u to %u", d->host.port_first, d->host.port_last);
}

static void check_disk(struct doctor *d)
{
	enum { FULL_MB = 50, LOW_MB = 500, FULL_INODES = 1000 };
	struct statvfs fs;
	const char *root = d->cli->root;

	if (!root || statvfs(root, &fs) < 0)
		return;
	unsigned long long mb = (unsigned long long) fs.f_bavail * fs.f_frsize >> 20;
	bool is_inodes = fs.f_files && fs.f_favail < FULL_INODES;

	if (mb >= LOW_MB && !is_inodes)
		SAY_OK(d, "disk", "%llu MB free", mb);
	else
		doctor_say(
			d, mb < FULL_MB || is_inodes ? FINDING_FAILED : FINDING_WARNING, "disk",
			is_inodes ? xasprintf("no more than %llu files can be made",
					      (unsigned long long) fs.f_favail)
				  : xasprintf("only %llu MB are free", mb),
			xstrdup("`slipway disk` tells what is large, `slipway cleanup` removes what nothing "
				"needs"));
}

void doctor_machine(struct doctor *d)
{
	_cleanup_(freep) char *path = xasprintf("%s:" SYSTEM_PATH, d->has_host      ? d->host.tool_path
								   : getenv("PATH") ? getenv("PATH")
										    : "/bin");

	check_sandbox(d, path);
	check_programs(d, path);
	check_ssh(d);
	check_ports(d);
	check_disk(d);
}
