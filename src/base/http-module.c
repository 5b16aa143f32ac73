/* libcurl behind one table: one request, one answer, nothing taken from the environment (no proxy, no netrc).
 */
#include "base/http-internal.h"

#include <curl/curl.h>
#include <errno.h>

#include "base/str.h"

static inline CURL *curl_release(CURL *c)
{
	curl_easy_cleanup(c);
	return NULL;
}
DEFINE_CLEANUP(CURL *, curl_release)

static inline struct curl_slist *slist_release(struct curl_slist *l)
{
	curl_slist_free_all(l);
	return NULL;
}
DEFINE_CLEANUP(struct curl_slist *, slist_release)

static size_t on_body(char *data, size_t size, size_t n, void *body)
{
	return strb_add(body, data, size * n) < 0 ? 0 : size * n;
}

static struct curl_slist *header_list(const struct http_request *request)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* never wait for "100 Continue" */

	for (size_t i = 0; request->headers && request->headers[i]; i++)
		list = curl_slist_append(list, request->headers[i]);
	return list;
}

static void set_up(CURL *c, const struct http_request *request, struct strb *body, char *why)
{
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(c, CURLOPT_URL, request->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long) request->timeout_ms);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "slipway/" VERSION);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, request->follow ? 1L : 0L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	if (request->unix_socket)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
	if (request->body) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_size);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, request->body);
	}
	if (str_eq(request->method, "HEAD"))
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->method);
}

static int failure(CURLcode rc, const char *why)
{
	switch (rc) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_WRITE_ERROR:
		return -E2BIG;
	default:
		return *why ? -EPROTO : -EIO;
	}
}

static int run(const struct http_request *request, struct http_answer *ret, struct err **e)
{
	_cleanup_(curl_releasep) CURL *c = curl_easy_init();
	_cleanup_(slist_releasep) struct curl_slist *headers = header_list(request);
	_cleanup_(strb_done) struct strb body = STRB(request->max_answer);
	char why[CURL_ERROR_SIZE] = "";
	long status = 0;

	if (!c || !headers)
		abort();
	set_up(c, request, &body, why);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	CURLcode rc = curl_easy_perform(c);
	if (rc == CURLE_WRITE_ERROR)
		return err_set(e, -E2BIG, "%s answered more than %zu bytes", request->url,
			       request->max_answer);
	if (rc != CURLE_OK)
		return err_set(e, failure(rc, why), "%s: %s", request->url,
			       *why ? why : curl_easy_strerror(rc));
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	*ret = (struct http_answer){ .status = (int) status, .body_size = body.len };
	ret->body = strb_take(&body);
	return 0;
}

const struct http_module slipway_http = { run };
