/* Nothing gets into the configuration that could end what it stands in, and no path leads to another's files.
 */
#include "router/nginx-internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "base/file.h"
#include "plan/root.h"

#define NAME_MAX_BYTES 253
#define CONF_MAX       ((size_t) 4 << 20)

/* nginx expands '$' between quotes too, and knows no way to write one. */
bool nginx_is_quotable(const char *s)
{
	for (; *s; s++)
		if (*s == '$' || iscntrl((unsigned char) *s))
			return false;
	return true;
}

char *nginx_quote(const char *s)
{
	struct strb b = STRB(SIZE_MAX / 2);

	(void) strb_adds(&b, "\"");
	for (; *s; s++)
		(void) strb_addf(&b, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	(void) strb_adds(&b, "\"");
	return strb_take(&b);
}

/* The root stands in patterns ("include ROOT/nginx/...") as well: no wildcards. */
int nginx_check_root(const char *root, struct err **e)
{
	if (*root != '/' || !nginx_is_quotable(root) || strpbrk(root, "*?[]{}\"\\"))
		return err_set(e, ERR_REFUSED,
			       "nginx cannot be told of the root directory '%s': it has to be absolute and "
			       "without any of * ? [ ] "
			       "{ } $ \" \\",
			       root);
	return 0;
}

bool nginx_is_proxied(const struct plan *plan)
{
	return plan_routed_service(plan) != NULL;
}

/* "a.example", "*.a.example", "10.0.0.1" */
static const char *name_fault(const char *name)
{
	const char *at = str_starts(name, "*.") ? name + 2 : name;

	if (!*at || strlen(name) > NAME_MAX_BYTES)
		return "has to have 1 to 253 characters";
	while (*at) {
		size_t n = strcspn(at, ".");

		if (n == 0 || n > 63)
			return "has a part between dots that is empty or longer than 63 characters";
		for (size_t i = 0; i < n; i++)
			if (!isalnum((unsigned char) at[i]) && at[i] != '-' && at[i] != '_')
				return "may have letters, digits, '-', '_' and dots, and begin with '*.'; "
				       "write others in "
				       "their xn-- form";
		at += n;
		if (*at == '.' && !*++at)
			return "ends in a dot";
	}
	return NULL;
}

static int check_names(const struct strv *hosts, struct err **e)
{
	for (size_t i = 0; i < hosts->n; i++) {
		const char *fault = name_fault(hosts->v[i]);

		if (fault)
			return err_set(e, ERR_REFUSED, "NGINX_SERVER_NAME: the name '%s' %s", hosts->v[i],
				       fault);
	}
	return 0;
}

static int check_addresses(const struct plan_route *route, const char *bind_address, struct err **e)
{
	_cleanup_(freep) char *v6 = xstrdup(route->ipv6_address ? route->ipv6_address : "::");
	struct in6_addr six;
	struct in_addr four;
	size_t n = strlen(v6);

	if (route->ipv4_address && *route->ipv4_address &&
	    inet_pton(AF_INET, route->ipv4_address, &four) != 1)
		return err_set(e, ERR_REFUSED, "NGINX_IPV4_ADDRESS: '%s' is no IPv4 address",
			       route->ipv4_address);
	if (n > 2 && *v6 == '[' && v6[n - 1] == ']') {
		v6[n - 1] = '\0';
		memmove(v6, v6 + 1, n - 1);
	}
	if (*v6 && inet_pton(AF_INET6, v6, &six) != 1)
		return err_set(e, ERR_REFUSED, "NGINX_IPV6_ADDRESS: '%s' is no IPv6 address",
			       route->ipv6_address);
	if (bind_address && *bind_address && !str_eq(bind_address, "localhost") &&
	    inet_pton(AF_INET, bind_address, &four) != 1 && inet_pton(AF_INET6, bind_address, &six) != 1)
		return err_set(e, ERR_REFUSED, "BIND_ADDRESS: '%s' is no IP address", bind_address);
	return 0;
}

/* What needs no encoding in a redirect and is the same encoded and decoded. */
bool nginx_is_plain_url(const char *url)
{
	if (url[0] != '/' || strstr(url, "//") || strstr(url, "/../") || strstr(url, "/./"))
		return false;
	for (; *url; url++)
		if (!isalnum((unsigned char) *url) && !strchr("/._~-@+,!=&", *url))
			return false;
	return true;
}

static bool has_dots(const char *path)
{
	_cleanup_(strv_done) struct strv parts = { 0 };

	strv_split(&parts, path, "/");
	return strv_has(&parts, "..");
}

static bool is_within(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/' || str_eq(dir, "/"));
}

/* The directory with all links followed; as written while it is not there. To be freed. */
static char *resolved(const char *dir)
{
	char *real = realpath(dir, NULL);

	return real ? real : xstrdup(dir);
}

/* The code of the release, or of any of the app's releases; to be freed. */
static char *code_around(const struct router_app *a, const char *real)
{
	_cleanup_(freep) char *root = resolved(a->root), *src = resolved(a->src);
	_cleanup_(freep) char *releases = xasprintf("%s/releases/%s/v", root, a->plan->app);
	size_t n = strlen(releases);

	if (is_within(real, src))
		return TAKE(src);
	if (!str_starts(real, releases))
		return NULL;
	n += strspn(real + n, "0123456789");
	return is_within(real + n, "/src") ? xstrndup(real, n + strlen("/src")) : NULL;
}

char *nginx_confines_of(const struct router_app *a, const char *real)
{
	static const char *const own[] = { "data", "cache" };
	_cleanup_(freep) char *root = resolved(a->root);
	char *code = code_around(a, real);

	for (size_t i = 0; !code && i < COUNT(own); i++) {
		_cleanup_(freep) char *dir = xasprintf("%s/%s/%s", root, own[i], a->plan->app);

		if (is_within(real, dir))
			code = TAKE(dir);
	}
	return code;
}

/* Outside of the root the operator may have anything served but all of it. */
static bool is_outside(const struct router_app *a, const char *real)
{
	_cleanup_(freep) char *root = resolved(a->root);

	return !is_within(real, root) && !is_within(root, real) && !is_within(real, "/proc") &&
	       !is_within(real, "/sys") && !is_within(real, "/dev");
}

/* Where a mapped path is, all links followed as far as it is there; to be freed. */
static char *locate(const struct router_app *a, const char *path)
{
	_cleanup_(freep) char *src = resolved(a->src), *dir = NULL;

	if (*path == '/')
		dir = xstrdup(path);
	else
		dir = str_eq(path, ".") || !*path ? xstrdup(src) : path_join(src, path);
	for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
		dir[n - 1] = '\0';
	return resolved(dir);
}

static int add_static(struct nginx_statics *ret, const struct router_app *a, const char *url,
		      const char *path, struct err **e)
{
	_cleanup_(freep) char *real = NULL, *from = NULL, *code = NULL;
	struct nginx_static *s;

	if (!nginx_is_plain_url(url) || !str_ends(url, "/"))
		return err_set(e, ERR_REFUSED,
			       "the static mapping '%s:%s': the URL may have letters, digits and / . _ ~ - @ "
			       "+ , ! = & only",
			       url, path);
	if (has_dots(path) || !nginx_is_quotable(path))
		return err_set(
			e, ERR_REFUSED,
			"the static mapping '%s:%s': the path may not have '..', '$' or control characters",
			url, path);
	for (size_t i = 0; i < ret->n; i++)
		if (str_eq(ret->v[i].url, url))
			return err_set(e, ERR_REFUSED,
				       "the static mapping '%s:%s': %s is already mapped to %s", url, path,
				       url, ret->v[i].dir);
	real = locate(a, path);
	from = nginx_confines_of(a, real);
	code = code_around(a, real);
	if (!from && (*path != '/' || !is_outside(a, real)))
		return err_set(e, ERR_REFUSED,
			       "the static mapping '%s:%s' leads to %s, which is not the app's to serve", url,
			       path, real);
	bool is_code = code && str_eq(code, real);

	s = GROW(&ret->v, &ret->n);
	*s = (struct nginx_static){ .url = xstrdup(url),
				    .is_immutable = *path != '/' && code,
				    .is_code = is_code,
				    .dir = TAKE(real),
				    .from = TAKE(from) };
	return 0;
}

/* The static service's command is a directory, with or without slashes around; anything with ':' is in
 * statics. */
static int add_static_service(struct nginx_statics *ret, const struct router_app *a, struct err **e)
{
	for (size_t i = 0; i < a->plan->n_services; i++) {
		const struct plan_service *s = &a->plan->services[i];
		const char *command = s->command ? s->command : "";

		if (s->kind != SERVICE_STATIC || strchr(command, ':'))
			continue;
		struct span dir = { command, strlen(command) };
		while (dir.n && *dir.s == '/')
			dir = (struct span){ dir.s + 1, dir.n - 1 };
		while (dir.n && dir.s[dir.n - 1] == '/')
			dir.n--;
		_cleanup_(freep) char *path = dir.n ? span_dup(dir) : xstrdup(".");

		return add_static(ret, a, "/", path, e);
	}
	return 0;
}

int nginx_statics_find(struct nginx_statics *ret, const struct router_app *a, struct err **e)
{
	const struct plan_route *route = &a->plan->route;
	bool has_site = false;
	int r = 0;

	for (size_t i = 0; i < route->n_statics; i++)
		has_site |= str_eq(route->statics[i].url, "/");
	if (!has_site)
		r = add_static_service(ret, a, e);
	for (size_t i = 0; r == 0 && i < route->n_statics; i++)
		r = add_static(ret, a, route->statics[i].url, route->statics[i].path, e);
	return r;
}

void nginx_statics_done(struct nginx_statics *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].url);
		free(s->v[i].dir);
		free(s->v[i].from);
	}
	free(s->v);
	*s = (struct nginx_statics){ 0 };
}

static int check_catch_all(const char *file, struct err **e)
{
	if (file && (!*file || has_dots(file) || !nginx_is_quotable(file) || *file == '@' || *file == '='))
		return err_set(e, ERR_REFUSED,
			       "NGINX_CATCH_ALL: '%s' is no file's name: write one like index.html, without "
			       "'..', '$' and "
			       "without '@' or '=' in front",
			       file);
	return 0;
}

int nginx_check_app(const struct router_app *a, struct err **e)
{
	const struct plan_route *route = &a->plan->route;
	_cleanup_(nginx_statics_done) struct nginx_statics statics = { 0 };
	int r = nginx_check_root(a->root, e);

	if (r == 0 && (*a->src != '/' || !nginx_is_quotable(a->src)))
		r = err_set(e, ERR_REFUSED, "nginx cannot be told of the directory '%s'", a->src);
	if (r == 0)
		r = check_names(&route->hosts, e);
	if (r == 0)
		r = check_addresses(route, a->plan->bind_address, e);
	if (r == 0)
		r = check_catch_all(route->catch_all, e);
	if (r == 0)
		r = nginx_statics_find(&statics, a, e);
	return r;
}

/* A name that both the file's "server_name" lines and hosts have, or NULL. */
static const char *common_name(const char *text, const struct strv *hosts)
{
	for (const char *at = text; at; at = strchr(at, '\n')) {
		_cleanup_(strv_done) struct strv words = { 0 };
		_cleanup_(freep) char *line = NULL;

		at += strspn(at, " \t\r\n");
		if (!str_starts(at, "server_name"))
			continue;
		line = xstrndup(at, strcspn(at, ";\n"));
		strv_split(&words, line, " \t\r\"'");
		for (size_t i = 0; i < hosts->n; i++)
			for (size_t k = 1; k < words.n; k++)
				if (strcasecmp(words.v[k], hosts->v[i]) == 0)
					return hosts->v[i];
	}
	return NULL;
}

int nginx_check_collision(const char *root, const char *app, const struct strv *hosts, struct err **e)
{
	_cleanup_(freep) char *dir = root_path(root, NGINX_LIVE), *own = xasprintf("%s.conf", app);
	_cleanup_(strv_done) struct strv names = { 0 };
	int r = dir_list(dir, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_(freep) char *path = path_join(dir, names.v[i]), *text = NULL;

		if (!str_ends(names.v[i], ".conf") || *names.v[i] == '.' || str_eq(names.v[i], own) ||
		    file_read(path, CONF_MAX, &text, NULL, NULL) < 0)
			continue;
		const char *name = common_name(text, hosts);
		if (name)
			r = err_set(e, ERR_REFUSED,
				    "the host name %s belongs to the app %.*s already: give one of the two "
				    "another name "
				    "(NGINX_SERVER_NAME)",
				    name, (int) (strlen(names.v[i]) - strlen(".conf")), names.v[i]);
	}
	return r;
}
