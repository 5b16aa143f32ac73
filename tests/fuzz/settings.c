/* A whole app: settings in the first half, a Procfile behind a line "---"; compiled to a plan and back. */
#include "fuzz.h"

#include <fcntl.h>

#include "base/json.h"
#include "manifest/manifest.h"

static const char *divider(const char *text)
{
	const char *at = strstr(text, "---\n");

	return at ? at : text + strlen(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct host host = { .router = (char *) "nginx",
					  .default_domain = (char *) "apps.example",
					  .keep_releases = 5 };
	_cleanup_(freep) char *text = fuzz_text(data, size), *path = NULL;
	_cleanup_(env_done) struct env env = { 0 };
	_cleanup_(problems_done) struct problems problems = { 0 };
	_cleanup_(plan_done) struct plan p = { 0 }, again = { 0 };
	const char *middle = divider(text), *procfile = middle + (*middle ? 4 : 0);

	path = fuzz_file("Procfile", (const uint8_t *) procfile, strlen(procfile));
	_cleanup_(closep) int dir = open(fuzz_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	env_parse(&env, text, (size_t) (middle - text), "ENV", NULL, true, &problems);
	const struct manifest_input in = {
		.app = "fuzz", .dir = dir, .env = &env, .scaling = text, .host = &host
	};
	const struct manifest_ops *ops = manifest_detect(dir);
	MUST(ops);
	if (ops->compile(&p, &in, &problems, NULL) < 0)
		return 0;
	_cleanup_(json_releasep) json_t *j = plan_to_json(&p);
	MUST(plan_from_json(&again, j, NULL) == 0);
	return 0;
}
