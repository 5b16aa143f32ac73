/* doctor: what its checks say. */
#pragma once

#include "cli/cli.h"
#include "plan/host.h"

/* In slipwayd alone, NULL in slipway. */
__attribute__((weak)) int doctor_run(struct cli *cli, char **argv, struct err **e);

enum finding_state { FINDING_OK, FINDING_WARNING, FINDING_FAILED };

struct finding {
	const char *name; /* "store" */
	enum finding_state state;
	char *text;   /* what is the case */
	char *advice; /* what to do about it; NULL: nothing */
};

struct doctor {
	struct cli *cli;
	struct host host;
	bool has_host; /* config.toml could be read */
	struct finding *v;
	size_t n;
};

void doctor_say(struct doctor *d, enum finding_state state, const char *name, char *text, char *advice);
#define SAY_OK(d, name, ...) doctor_say(d, FINDING_OK, name, xasprintf(__VA_ARGS__), NULL)

/* doctor-unit-heavy.c: on a host with systemd, what scripts/install set up for this root. */
void doctor_units(struct doctor *d);
/* doctor-machine-heavy.c: what does not depend on a root that was set up. */
void doctor_machine(struct doctor *d);
