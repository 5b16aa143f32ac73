/* What plan and explain both print. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/problem.h"

/* One "FILE:LINE:COLUMN: message" a line; warnings say so. */
void problems_print(FILE *to, const struct problems *problems);
/* [{"line", "column", "severity", "message"}], with "file" first if asked for. */
json_t *problems_to_json(const struct problems *problems, bool with_file);
