/* Snapshots: a file that is read is written and read again as the same entries. */
#include "fuzz.h"

#include "base/file.h"
#include "deploy/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(snapshot_done) struct snapshot s = { 0 }, again = { 0 };
	_cleanup_(freep) char *path = fuzz_file("snapshot", data, size);

	if (snapshot_read(&s, path, NULL) < 0)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		MUST(strchr("tb", s.v[i].origin) && strchr("dlf", s.v[i].type));
		MUST(*s.v[i].path && snapshot_find(&s, s.v[i].path));
		(void) snapshot_is_placeholder_dir(&s, s.v[i].path);
	}
	MUST(snapshot_write(&s, path, NULL) == 0);
	MUST(snapshot_read(&again, path, NULL) == 0 && again.n == s.n);
	for (size_t i = 0; i < s.n; i++)
		MUST(snapshot_find(&again, s.v[i].path));
	return 0;
}
