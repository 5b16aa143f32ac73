/* NGINX_INCLUDE_FILE: an app's own directives, pasted into its server, and never beyond it. */
#include "router/nginx-internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "router/nginx-allow.h"

#define INCLUDE_MAX ((size_t) 256 << 10)

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Past a token's end, or to the end of the text. As nginx reads: a quote counts only at a token's beginning.
 */
static const char *skip_token(const char *at, const char **fault)
{
	bool is_variable = false;
	char quote = *at == '"' || *at == '\'' ? *at : '\0';

	for (at += quote ? 1 : 0; *at; at++) {
		if (*at == '\\' && at[1]) {
			at++;
			is_variable = false;
		} else if (quote) {
			if (*at == quote)
				return at + 1;
		} else if (*at == '{' && is_variable) {
			continue;
		} else if (*at == '$') {
			is_variable = true;
		} else if (is_blank(*at) || *at == ';' || *at == '{') {
			return at;
		} else {
			is_variable = false;
		}
	}
	if (quote)
		*fault = "a quote is not closed";
	return at;
}

const char *nginx_include_fault(const char *text)
{
	const char *fault = NULL;
	bool is_open = false; /* a directive has begun and not ended */
	int depth = 0;

	for (const char *at = text; *at && !fault;) {
		if (is_blank(*at)) {
			at++;
		} else if (*at == '#') {
			at += strcspn(at, "\n");
		} else if (*at == ';' || *at == '{' || *at == '}') {
			depth += *at == '{' ? 1 : *at == '}' ? -1 : 0;
			is_open = false;
			at++;
			if (depth < 0)
				fault = "there is a '}' too many";
		} else {
			is_open = true;
			at = skip_token(at, &fault);
		}
	}
	if (!fault && depth > 0)
		fault = "a '}' is missing";
	if (!fault && is_open)
		fault = "a ';' is missing at the end";
	return fault;
}

/* Piku's: an app that is not behind uWSGI may have written its directives for one that is. */
static char *say_proxy(const char *text)
{
	struct strb b = STRB(INCLUDE_MAX * 4);
	const char *at;

	while ((at = strstr(text, "uwsgi_"))) {
		(void) strb_add(&b, text, (size_t) (at - text));
		(void) strb_adds(&b, "proxy_");
		text = at + strlen("uwsgi_");
	}
	(void) strb_adds(&b, text);
	return strb_take(&b);
}

/* A release's own copy, which the app cannot write to, or the file in code that is none yet. */
static int read_file(const struct router_app *a, const char *file, char **ret, size_t *n, struct err **e)
{
	_cleanup_(closep) int dir = -1;

	if (a->include_copy && file_exists(a->include_copy))
		return file_read(a->include_copy, INCLUDE_MAX, ret, n, e);
	dir = open(a->src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? err_set(e, -errno, "opening %s: %m", a->src)
		       : file_read_beneath(dir, file, INCLUDE_MAX, ret, n, e);
}

int nginx_include_read(const struct router_app *a, char **ret, struct err **e)
{
	const char *file = a->plan->route.include_file;
	_cleanup_(freep) char *text = NULL, *expanded = NULL, *ready = NULL;
	size_t n = 0;
	int r;

	if (!file) {
		*ret = xstrdup("");
		return 0;
	}
	r = read_file(a, file, &text, &n, e);
	if (r < 0)
		return err_wrap(e, ERR_REFUSED, "NGINX_INCLUDE_FILE names '%s', which cannot be read", file);
	assert(text);
	if (strlen(text) != n)
		return err_set(e, ERR_REFUSED, "%s: there is a NUL byte in it", file);
	expanded = a->env ? env_expand(a->env, text) : xstrdup(text);
	if (!expanded || strlen(expanded) > INCLUDE_MAX)
		return err_set(e, ERR_REFUSED, "%s: larger than %zu bytes with its $NAMES replaced", file,
			       INCLUDE_MAX);
	const struct plan_service *routed = plan_routed_service(a->plan);
	ready = routed && service_has_socket(routed) ? TAKE(expanded) : say_proxy(expanded);
	unsigned line = 0;
	const char *fault = nginx_include_fault(ready);
	_cleanup_(freep) char *forbidden =
		a->host->nginx_is_private ? NULL : nginx_allow_fault(ready, strlen(ready), NULL, &line);
	if (fault)
		return err_set(e, ERR_REFUSED,
			       "%s: %s: its directives have to stay within the app's own server", file,
			       fault);
	if (forbidden)
		return err_set(e, ERR_REFUSED, "%s:%u: %s", file, line, forbidden);
	*ret = TAKE(ready);
	return 0;
}
