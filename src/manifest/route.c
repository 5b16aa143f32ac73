/* The route of a plan: what the NGINX_* settings say, checked so that nothing in it can be misread by a
 * router. */
#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "manifest/settings-internal.h"

enum { MAX_HOSTS = 100 };

/* A label of a host name; '*' alone may be the first or the last one. */
static bool is_label(struct span label, bool is_outer)
{
	if (label.n == 1 && *label.s == '*')
		return is_outer;
	if (label.n == 0 || label.n > 63 || *label.s == '-' || label.s[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!(isalnum((unsigned char) label.s[i]) && (unsigned char) label.s[i] < 0x80) &&
		    label.s[i] != '-')
			return false;
	return true;
}

static bool is_host_name(const char *host)
{
	bool is_first = true, is_right = *host && strlen(host) <= 253 && !str_eq(host, "*");

	while (is_right) {
		size_t n = strcspn(host, ".");

		is_right = is_label((struct span){ host, n }, is_first || !host[n]);
		if (!host[n])
			return is_right;
		host += n + 1;
		is_first = false;
	}
	return false;
}

static void read_hosts(struct plan *p, const struct settings *s)
{
	static const char name[] = "NGINX_SERVER_NAME";
	_cleanup_(strv_done) struct strv all = { 0 };

	strv_split(&all, setting_text(s, name) ? setting_text(s, name) : "", ", \t");
	if (all.n > MAX_HOSTS)
		setting_problem(s, SEVERITY_ERROR, name, "has more than %d names", MAX_HOSTS);
	for (size_t i = 0; i < all.n && i < MAX_HOSTS; i++) {
		for (char *c = all.v[i]; *c; c++)
			*c = (char) tolower((unsigned char) *c);
		if (!is_host_name(all.v[i]))
			setting_problem(s, SEVERITY_ERROR, name, "has '%s', which is no host name", all.v[i]);
		else if (!strv_has(&p->route.hosts, all.v[i]))
			STRV_ADD(&p->route.hosts, all.v[i]);
	}
}

/* APP.DOMAIN, the app's name as a label. */
static void use_default_domain(struct plan *p, const char *domain)
{
	_cleanup_(freep) char *label = xstrdup(p->app);
	size_t n = strlen(label);

	for (size_t i = 0; i < n; i++)
		if (label[i] == '.' || label[i] == '_')
			label[i] = '-';
	while (n > 1 && label[n - 1] == '-')
		label[--n] = '\0';
	strv_addf(&p->route.hosts, "%s.%s", label, domain);
}

/* Is path the directory or in it? Both are clean. */
static bool is_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static void read_statics(struct plan *p, const struct settings *s)
{
	static const char name[] = "NGINX_STATIC_PATHS";
	const char *text = setting_text(s, name), *root = setting_text(s, "DATA_ROOT"), *why;
	bool is_ours = root && !setting_is_of_code(s, "DATA_ROOT"); /* else it could be anything */
	_cleanup_(freep) char *bad = NULL, *data = is_ours ? path_clean(root) : NULL;
	size_t before = p->route.n_statics;

	if (!text)
		return;
	why = statics_add(&p->route, text, false, &bad);
	if (why)
		setting_problem(s, SEVERITY_ERROR, name, "has '%s': %s", bad, why);
	for (size_t i = before; setting_is_of_code(s, name) && i < p->route.n_statics; i++) {
		const char *path = p->route.statics[i].path;

		if (*path == '/' && (!data || !is_in(path, data)))
			setting_problem(
				s, SEVERITY_ERROR, name,
				"maps '%s', which is outside of the app and of $DATA_ROOT: only the operator "
				"may do that (slipway config:set)",
				path);
	}
}

static void read_files(struct plan *p, int dir, const struct settings *s)
{
	const char *include = setting_text(s, "NGINX_INCLUDE_FILE"),
		   *last = setting_text(s, "NGINX_CATCH_ALL");
	_cleanup_(freep) char *path = include ? path_below(include) : NULL;
	_cleanup_(closep) int fd = path ? open_beneath(dir, path, O_RDONLY | O_NONBLOCK, 0, NULL) : -1;
	struct stat st;

	if (include && !path)
		setting_problem(s, SEVERITY_ERROR, "NGINX_INCLUDE_FILE",
				"is '%s': expected a file of the app, relative to its directory", include);
	else if (include && (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		setting_problem(s, SEVERITY_ERROR, "NGINX_INCLUDE_FILE", "is '%s': the app has no such file",
				include);
	p->route.include_file = TAKE(path);
	if (!last)
		return;
	p->route.catch_all = path_below(*last == '/' ? last + 1 : last);
	if (!p->route.catch_all || strpbrk(p->route.catch_all, " \t"))
		setting_problem(s, SEVERITY_ERROR, "NGINX_CATCH_ALL",
				"is '%s': expected a file like index.html", last);
}

/* "::" or "[::]" as "[::]"; NULL when it is none. To be freed. */
static char *read_ipv6(const char *text)
{
	size_t n = strlen(text);
	bool has_brackets = n > 2 && *text == '[' && text[n - 1] == ']';
	_cleanup_(freep) char *inner = has_brackets ? xstrndup(text + 1, n - 2) : xstrdup(text);
	struct in6_addr address;

	return inet_pton(AF_INET6, inner, &address) == 1 ? xasprintf("[%s]", inner) : NULL;
}

static void read_addresses(struct plan *p, const struct host *host, const struct settings *s)
{
	const char *v4 = setting_text(s, "NGINX_IPV4_ADDRESS"), *v6 = setting_text(s, "NGINX_IPV6_ADDRESS");
	const char *host_v6 = host && host->listen_ipv6 ? host->listen_ipv6 : "[::]";
	struct in_addr address;

	if (v4 && inet_pton(AF_INET, v4, &address) != 1)
		setting_problem(s, SEVERITY_ERROR, "NGINX_IPV4_ADDRESS", "is '%s': expected an IPv4 address",
				v4);
	str_set(&p->route.ipv4_address, v4 ? v4 : host && host->listen_ipv4 ? host->listen_ipv4 : "0.0.0.0");
	p->route.has_ipv6 = !setting_flag(s, "DISABLE_IPV6", false) && (v6 || *host_v6);
	p->route.ipv6_address = *host_v6 ? xstrdup(host_v6) : NULL;
	if (!v6)
		return;
	free(p->route.ipv6_address);
	p->route.ipv6_address = read_ipv6(v6);
	if (!p->route.ipv6_address)
		setting_problem(s, SEVERITY_ERROR, "NGINX_IPV6_ADDRESS",
				"is '%s': expected an IPv6 address like [::]", v6);
}

static void read_acl(struct plan *p, const struct settings *s)
{
	p->route.is_cloudflare_only = setting_flag(s, "NGINX_CLOUDFLARE_ACL", false);
	if (p->route.is_cloudflare_only && p->route.is_https_only)
		setting_problem(
			s, SEVERITY_WARNING, "NGINX_CLOUDFLARE_ACL",
			"is set with NGINX_HTTPS_ONLY: in Cloudflare's mode \"flexible\" the app would "
			"redirect for ever; choose \"full\" there");
}

void route_compile(struct plan *p, const struct manifest_input *in, const struct settings *s)
{
	const struct host *host = in->host;

	read_hosts(p, s);
	if (!setting_text(s, "NGINX_SERVER_NAME") && host && host->default_domain && *host->default_domain)
		use_default_domain(p, host->default_domain);
	read_statics(p, s);
	read_files(p, in->dir, s);
	read_addresses(p, host, s);
	p->route.is_https_only = setting_flag(s, "NGINX_HTTPS_ONLY", false);
	p->route.allows_git = setting_flag(s, "NGINX_ALLOW_GIT_FOLDERS", false);
	cache_compile(&p->route.cache, s);
	read_acl(p, s);
}
