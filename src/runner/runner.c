/* The list of runners. */
#include "runner/runner.h"

#include <string.h>

#define RUNNERS(X)    X(native)
#define DECLARE(name) extern const struct runner_ops runner_##name;
#define ENTRY(name)   &runner_##name,
RUNNERS(DECLARE)
static const struct runner_ops *const runners[] = { RUNNERS(ENTRY) };

const struct runner_ops *runner_find(const char *name)
{
	for (size_t i = 0; i < COUNT(runners); i++)
		if (strcmp(runners[i]->name, name) == 0)
			return runners[i];
	return NULL;
}
