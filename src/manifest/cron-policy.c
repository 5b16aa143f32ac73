/* CRON_OVERLAP, CRON_TIMEOUT, CRON_JITTER and TZ: how an app wants its schedules to run. */
#include "manifest/cron.h"
#include "manifest/settings-internal.h"

void cron_policy_read(struct cron_policy *ret, const struct env *env, struct problems *problems)
{
	const struct settings s = { env, problems };
	const char *overlap = setting_text(&s, "CRON_OVERLAP");

	*ret = (struct cron_policy){
		.allows_overlap = str_eq(overlap, "allow"),
		.timeout_s = (unsigned) setting_number(&s, "CRON_TIMEOUT", 0, 604800, 0),
		.jitter_s = (unsigned) setting_number(&s, "CRON_JITTER", 0, 3600, 0),
		.tz = setting_text(&s, "TZ"),
	};
	if (overlap && !ret->allows_overlap && !str_eq(overlap, "skip"))
		setting_problem(&s, SEVERITY_ERROR, "CRON_OVERLAP", "is '%s': expected skip or allow",
				overlap);
	if (ret->tz && !cron_zone_is_known(ret->tz))
		setting_problem(&s, SEVERITY_WARNING, "TZ",
				"is '%s', which is no time zone that this host knows: schedules run by UTC",
				ret->tz);
}
