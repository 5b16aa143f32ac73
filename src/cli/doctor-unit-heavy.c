/* doctor: what scripts/install set up on a host with systemd. */
#include "cli/doctor.h"

#include "base/file.h"
#include "base/proc.h"
#include "control/control.h"

enum { SYSTEMCTL_MS = 10000 };

/* One word of systemctl about a unit ("enabled", "active"); to be freed. NULL: systemd does not answer. */
static char *ask(const char *program, const char *question, const char *unit)
{
	char *argv[] = { (char *) program, (char *) question, (char *) unit, NULL };
	char *said = NULL;

	if (proc_run(argv, NULL, NULL, SYSTEMCTL_MS, &said, NULL) < 0)
		return NULL;
	said[strcspn(said, "\n")] = '\0';
	return said;
}

static void check_unit(struct doctor *d, const char *program, const char *unit, const char *without)
{
	_cleanup_(freep) char *enabled = ask(program, "is-enabled", unit),
			      *active = ask(program, "is-active", unit);
	bool is_enabled = str_eq(enabled, "enabled");

	if (is_enabled && str_eq(active, "active"))
		SAY_OK(d, unit, "enabled and active");
	else if (enabled && active)
		doctor_say(d, FINDING_FAILED, unit,
			   xasprintf("%s and %s: %s", *enabled ? enabled : "not there",
				     *active ? active : "not active", without),
			   xasprintf("systemctl enable --now %s", unit));
}

void doctor_units(struct doctor *d)
{
	_cleanup_(freep) char *how = control_start_words(d->cli->root),
			      *program = find_program("systemctl", "/usr/bin:/bin");

	if (!str_starts(how, "systemctl ") || !program || !is_dir("/run/systemd/system"))
		return;
	check_unit(d, program, "slipwayd.service", "after a reboot no app runs");
	if (!d->has_host || !str_eq(d->host.router, "nginx") || d->host.nginx_is_private)
		return;
	check_unit(d, program, "slipway-nginx.socket", "no app can be routed");
	check_unit(d, program, "slipway-nginx.path", "nginx does not read what is changed by hand");
	check_unit(d, program, "nginx.service", "no app is reached by HTTP");
}
