/* Between toml.c and the module around toml++ (toml-module.cc), which links nothing of slipway. */
#pragma once

#include "base/toml.h"

struct toml_fault {
	int line, column;
	char *message; /* to be freed */
};

struct toml_module {
	/* 0, -EINVAL with *fault filled in, or -ENOMEM. The tree's memory is malloc()'s. */
	int (*parse)(struct toml_node **ret, const char *text, size_t n, struct toml_fault *fault);
};
