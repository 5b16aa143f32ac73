/* doctor: is everything there that this slipway needs? Its code is slipwayd's. */
#include "cli/doctor.h"

const struct command cmd_doctor = {
	.words = "doctor",
	.args = "",
	.summary = "check what slipway needs, and say what to do about what is wrong",
	.details = "Changes nothing. Exits with 1 when something has failed; a warning is something that "
		   "works without, or worse.",
	.group = "Host",
	.needs = CLI_JSON,
	.run = doctor_run,
};
