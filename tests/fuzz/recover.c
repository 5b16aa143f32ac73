/* What recovery reads of names, links, environments and configurations; and an origin that is read is written
 * alike. */
#include "fuzz.h"

#include "base/file.h"
#include "daemon/recover-text.h"
#include "plan/name.h"
#include "plan/origin.h"
#include "plan/root.h"

static void try_names(const char *name)
{
	_cleanup_(freep) char *app = NULL, *service = NULL, *again = NULL;
	unsigned ordinal;
	long version = 0;

	if (recover_fifo_name(name, &app, &service, &ordinal)) {
		MUST(app_name_is_legal(app) && service_name_is_legal(service) && ordinal >= 1);
		again = xasprintf("%s:%s.%u", app, service, ordinal);
		MUST(str_eq(again, name));
	}
	if (recover_live_link(name, "blog", &version)) {
		_cleanup_(freep) char *link = xasprintf("../releases/blog/v%ld/src", version);

		MUST(str_eq(link, name));
	}
	MUST(recover_version(name) >= 0);
	MUST(recover_log_number(name) >= 0);
}

static void try_origin(const uint8_t *data, size_t size)
{
	_cleanup_(origin_done) struct origin o = { 0 }, again = { 0 };
	_cleanup_(freep) char *dir = root_release(fuzz_dir(), "blog", 1),
			      *path = path_join(dir, "origin.json");

	MUST(dir_make(dir, 0700, NULL) == 0);
	MUST(file_replace_unsynced(path, (const char *) data, size, 0600, NULL) == 0);
	if (origin_read(&o, fuzz_dir(), "blog", 1, NULL) < 0)
		return;
	MUST(origin_write(&o, fuzz_dir(), NULL) == 0);
	MUST(origin_read(&again, fuzz_dir(), "blog", 1, NULL) == 0);
	MUST(str_eq(o.commit, again.commit) && o.deployment == again.deployment &&
	     o.created_at_s == again.created_at_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = fuzz_text(data, size);
	_cleanup_(freep) unsigned *ports = NULL;
	unsigned port;
	long version;
	size_t n = 0;

	try_names(text);
	recover_nginx_ports(text, &ports, &n);
	for (size_t i = 0; i < n; i++)
		MUST(ports[i] >= 1 && ports[i] <= 65535);
	if (recover_environment((const char *) data, size, "web", 1, &version, &port))
		MUST(version >= 1 && port <= 65535);
	try_origin(data, size);
	return 0;
}
