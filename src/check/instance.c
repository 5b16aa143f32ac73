/* The check of an instance as a process of its own, for who must not wait: the daemon after a boot. */
#include <limits.h>

#include "base/proc.h"
#include "base/str.h"
#include "check/check.h"
#include "plan/root.h"

int check_instance(char **argv, struct err **e)
{
	_cleanup_(plan_done) struct plan plan = { 0 };
	_cleanup_(freep) char *dir = NULL, *path = NULL;
	long version, ordinal, port, pid;

	if (!str_to_long(argv[2], 1, LONG_MAX, &version) || !str_to_long(argv[4], 1, INT_MAX, &ordinal) ||
	    !str_to_long(argv[5], 0, 65535, &port) || !str_to_long(argv[6], 2, INT_MAX, &pid))
		return err_set(e, ERR_USAGE,
			       "usage: slipwayd check ROOT APP VERSION SERVICE ORDINAL PORT PID");
	dir = root_release(argv[0], argv[1], version);
	path = xasprintf("%s/plan.json", dir);
	int r = plan_read(&plan, path, e);

	if (r < 0)
		return r;
	const struct plan_service *service = plan_find_service(&plan, argv[3]);
	_cleanup_(closep) int exit_fd = pidfd_of((pid_t) pid);

	if (!service || exit_fd < 0)
		return err_set(e, ERR_NOT_FOUND, "%s.%s has ended", argv[3], argv[4]);
	_cleanup_(freep) char *socket = root_uwsgi_socket(argv[0], (unsigned) port);
	struct check_target target = { service->name,
				       (unsigned) ordinal,
				       plan.bind_address,
				       (unsigned) port,
				       plan.route.hosts.n ? plan.route.hosts.v[0] : NULL,
				       (pid_t) pid,
				       exit_fd,
				       CHECK_CONNECT_MS,
				       socket };

	return check_wait(&service->check, &target, e);
}
