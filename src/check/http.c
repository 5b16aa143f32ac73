/* The http check: the instance itself listens and answers GET PATH with a status from 200 to 399. */
#include "check/check-internal.h"

#include "base/http.h"
#include "base/str.h"

enum { ANSWER_TIMEOUT_MS = 5000, ANSWER_MAX = 8 << 20 };

static int ask(const struct plan_check *check, const struct check_target *t, char **why)
{
	_cleanup_(freep) char *at = tcp_endpoint(t);
	_cleanup_(freep) char *url =
		xasprintf("http://%s%s%s", at, *check->path == '/' ? "" : "/", check->path);
	_cleanup_(freep) char *host = xasprintf("Host: %s", t->host ? t->host : at);
	_cleanup_(err_freep) struct err *refused = NULL;
	_cleanup_(http_answer_done) struct http_answer answer = { 0 };
	const struct http_request request = {
		.method = "GET",
		.url = url,
		.headers = (const char *const[]){ host, "X-Forwarded-Proto: http", NULL },
		.timeout_ms = check->timeout_ms && check->timeout_ms < ANSWER_TIMEOUT_MS ? check->timeout_ms
											 : ANSWER_TIMEOUT_MS,
		.max_answer = ANSWER_MAX,
	};
	int r = http_run(&request, &answer, &refused);

	if (r == ERR_MISSING)
		return r;
	if (r < 0)
		*why = err_text(refused);
	else if (answer.status < 200 || answer.status > 399)
		*why = xasprintf("GET %s answered %d", check->path, answer.status);
	return *why == NULL;
}

static int attempt(const struct plan_check *check, const struct check_target *t, char **why, struct err **e)
{
	int r = tcp_find_listener(t, why, e);

	if (r > 0)
		r = ask(check, t, why);
	return r == ERR_MISSING
		       ? err_set(e, r,
				 "the HTTP check needs slipway-http.so and libcurl4: install slipway again")
		       : r;
}

extern const struct check_ops check_http;
const struct check_ops check_http = { "http", attempt };
