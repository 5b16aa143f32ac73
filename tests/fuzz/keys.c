/*
 * authorized_keys: listing our entries and adding one changes no other line. The first line of the input is
 * the name that the new key is given.
 */
#include "fuzz.h"

#include "base/file.h"
#include "source/keys.h"

#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIFuzzFuzzFuzzFuzzFuzzFuzzFuzzFuzzFuzzFuzzFuzz"

static bool has_line(const char *text, const char *line, size_t n)
{
	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strcspn(at, "\n") == n && memcmp(at, line, n) == 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *name = fuzz_line(&data, &size), *before = fuzz_text(data, size), *after = NULL;
	_cleanup_(freep) char *file = fuzz_file("authorized_keys", (const uint8_t *) before, strlen(before));
	_cleanup_(ssh_keys_done) struct ssh_keys listed = { 0 }, again = { 0 };
	_cleanup_(strv_done) struct strv added = { 0 };
	struct ssh_key key = { .fingerprint = (char *) "SHA256:fuzz",
			       .name = name,
			       .type = (char *) "ssh-ed25519",
			       .public_key = (char *) "ssh-ed25519 " BLOB " fuzz" };
	const struct ssh_keys one = { &key, 1 };

	MUST(ssh_keys_list(file, &listed, NULL) == 0);
	for (size_t i = 0; i < listed.n; i++)
		MUST(*listed.v[i].name && str_starts(listed.v[i].fingerprint, "SHA256:") &&
		     listed.v[i].line > 0);
	if (strstr(before, BLOB) ||
	    ssh_keys_install(file, &one, "/usr/bin/sli'p \"way", "/srv/r", &added, NULL) < 0)
		return 0;
	MUST(file_read(file, 8 << 20, &after, NULL, NULL) == 0);
	for (const char *at = before; *at; at += strcspn(at, "\n"), at += *at == '\n')
		MUST(has_line(after, at, strcspn(at, "\n")));
	MUST(added.n == 1 && ssh_keys_list(file, &again, NULL) == 0 && again.n == listed.n + 1);
	MUST(str_eq(again.v[again.n - 1].fingerprint, "SHA256:fuzz"));
	return 0;
}
