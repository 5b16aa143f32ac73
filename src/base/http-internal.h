/* Between http.c and the module around libcurl (http-module.c). */
#pragma once

#include "base/http.h"

struct http_module {
	int (*run)(const struct http_request *request, struct http_answer *ret, struct err **e);
};
