/* HTTP requests by way of the module that wraps libcurl: see http.h. */
#include "base/http.h"

#include "base/http-internal.h"
#include "base/module.h"

int http_run(const struct http_request *request, struct http_answer *ret, struct err **e)
{
	const void *found;
	int r = module_load("http", &found, e);

	if (r < 0)
		return err_wrap(e, r, "asking %s", request->url);
	return ((const struct http_module *) found)->run(request, ret, e);
}

void http_answer_done(struct http_answer *a)
{
	free(a->body);
	*a = (struct http_answer){ 0 };
}
