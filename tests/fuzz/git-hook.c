/* A post-receive hook's input, behind a line with DEPLOY_BRANCH: only a branch with a commit is chosen. */
#include "fuzz.h"

#include "source/git.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *branch = fuzz_line(&data, &size), *text = fuzz_text(data, size);
	_cleanup_(strv_done) struct strv notes = { 0 };
	struct git_update *u = NULL;
	size_t n = 0;

	if (git_updates_parse(&u, &n, text, NULL) < 0)
		return 0;
	int chosen = git_choose(u, n, branch, &notes);
	MUST(chosen < 0 || (size_t) chosen < n);
	if (chosen >= 0) {
		MUST(str_starts(u[chosen].ref, "refs/heads/"));
		MUST(strspn(u[chosen].to, "0") != strlen(u[chosen].to));
	}
	git_updates_free(u, n);
	return 0;
}
