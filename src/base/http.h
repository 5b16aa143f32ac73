/* HTTP requests by libcurl, in a module of its own that is loaded when first used (module.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct http_request {
	const char *method; /* "GET" */
	const char *url;
	const char *unix_socket;    /* path; NULL: by the URL's host and port */
	const char *const *headers; /* "Name: value" up to a NULL; may be NULL */
	const char *body;           /* NULL: none */
	size_t body_size;
	unsigned timeout_ms; /* for all of it, > 0 */
	size_t max_answer;   /* more of a body than this is an error */
	bool follow;         /* redirections, at most 5 */
};

struct http_answer {
	int status; /* 200 ... */
	char *body; /* NUL-terminated; never NULL after success */
	size_t body_size;
};

/* 0 when there was an answer, whatever its status; < 0 with *e when there was none. No proxy, only http(s).
 */
int http_run(const struct http_request *request, struct http_answer *ret, struct err **e);
void http_answer_done(struct http_answer *a);
