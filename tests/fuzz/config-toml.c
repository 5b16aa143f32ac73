/* config.toml: through the module around toml++, and what slipway takes from the tree. */
#include "fuzz.h"

#include "plan/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *path = fuzz_file("config.toml", data, size);
	_cleanup_(host_done) struct host h = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;
	int r = host_read(&h, fuzz_dir(), &e);

	MUST(r != ERR_MISSING); /* the module could not be loaded: SLIPWAY_MODULES */
	MUST(r == 0 || (r == ERR_REFUSED && e));
	if (r < 0)
		return 0;
	MUST(h.http_port <= 65535 && h.https_port <= 65535);
	MUST(h.port_first >= 1 && h.port_first <= h.port_last && h.port_last <= 65535);
	MUST(str_eq(h.router, "nginx") || str_eq(h.router, "none"));
	for (size_t i = 0; i < h.defaults.n; i++)
		MUST(env_name_is_legal(h.defaults.v[i].name) && !strchr(h.defaults.v[i].value, '\n'));
	return 0;
}
