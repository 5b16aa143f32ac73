/* What this machine has: the nginx program and its version, IPv6, the user of the workers and what it can
 * read. */
#include "router/nginx-internal.h"

#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/proc.h"

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

char *nginx_find_program(const char *name)
{
	const char *path = getenv("PATH");
	char *at = find_program(name, path);

	return at ? at : find_program(name, SYSTEM_PATH);
}

void nginx_read_version(struct nginx_facts *f, const char *text)
{
	const char *at = strstr(text, "nginx/");
	unsigned major = 0, minor = 0, patch = 0;

	if (at && sscanf(at, "nginx/%3u.%3u.%3u", &major, &minor, &patch) == 3)
		f->version = major * 1000000 + minor * 1000 + patch;
	f->has_threads = strstr(text, "--with-threads") != NULL;
	f->has_realip = strstr(text, "--with-http_realip_module") != NULL;
	f->http2 = !strstr(text, "--with-http_v2_module") ? HTTP2_NONE
		   : f->version >= 1025001                ? HTTP2_DIRECTIVE
							  : HTTP2_LISTEN;
}

static bool kernel_has_ipv6(void)
{
	_cleanup_(closep) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };

	return fd >= 0 && bind(fd, (struct sockaddr *) &any, sizeof any) == 0;
}

/* Only root can give its workers another user. */
static int find_user(struct nginx_facts *f, const struct host *host, struct err **e)
{
	const char *name = host->nginx_user ? host->nginx_user : "www-data";
	const struct passwd *pw;
	const struct group *gr;

	if (geteuid() != 0 && host->nginx_is_private)
		return 0;
	pw = getpwnam(name);
	if (!pw && host->nginx_user)
		return err_set(e, ERR_REFUSED, "config.toml: there is no user '%s' for nginx's workers",
			       name);
	if (!pw)
		pw = getpwnam("nobody");
	if (!pw)
		return 0;
	f->uid = pw->pw_uid;
	f->gid = pw->pw_gid;
	f->user = xstrdup(pw->pw_name);
	gr = getgrgid(f->gid);
	f->group = gr ? xstrdup(gr->gr_name) : NULL;
	return 0;
}

gid_t router_group(const struct host *host)
{
	const struct passwd *pw = getpwnam(host->nginx_user ? host->nginx_user : "www-data");

	return pw ? pw->pw_gid : 0;
}

int nginx_facts_find(struct nginx_facts *ret, const struct host *host, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	int r;

	*ret = (struct nginx_facts){ .program = nginx_find_program("nginx"),
				     .has_ipv6 = kernel_has_ipv6(),
				     .helper = host->nginx_is_private ? NULL : xstrdup(host->nginx_helper) };
	if (!ret->program)
		return err_set(e, ERR_MISSING,
			       "nginx is needed to bring HTTP to apps: install the package 'nginx-light', or "
			       "set kind = "
			       "\"none\" under [router] in config.toml");
	r = proc_run((char *const[]){ ret->program, (char[]){ "-V" }, NULL }, NULL, NULL, 10000, &text, e);
	if (r < 0)
		return r;
	nginx_read_version(ret, text);
	if (ret->version < 1019004)
		return err_set(e, ERR_MISSING, "%s is older than 1.19.4 or did not tell its version: %.*s",
			       ret->program, (int) strcspn(text, "\n"), text);
	return find_user(ret, host, e);
}

void nginx_facts_done(struct nginx_facts *f)
{
	free(f->program);
	free(f->helper);
	free(f->user);
	free(f->group);
	*f = (struct nginx_facts){ 0 };
}

static bool can_enter(const struct nginx_facts *f, const struct stat *st)
{
	if (f->uid == 0)
		return true;
	if (st->st_uid == f->uid)
		return st->st_mode & S_IXUSR;
	return st->st_gid == f->gid ? st->st_mode & S_IXGRP : st->st_mode & S_IXOTH;
}

void nginx_check_reachable(const struct nginx_facts *f, const char *dir, struct strv *notes)
{
	_cleanup_(freep) char *path = xstrdup(dir);
	struct stat st;

	if (!f->user || !notes)
		return;
	for (char *at = path; at; at = strchr(at + 1, '/')) {
		char kept = at == path ? '\0' : *at;

		if (at != path)
			*at = '\0';
		bool is_shut = stat(at == path ? "/" : path, &st) == 0 && !can_enter(f, &st);
		if (is_shut)
			strv_addf(notes,
				  "nginx's workers run as %s, who may not enter %s: files below it are "
				  "answered with 403; "
				  "allow it with: chmod o+x '%s'",
				  f->user, at == path ? "/" : path, at == path ? "/" : path);
		if (is_shut)
			return;
		if (at != path)
			*at = kept;
	}
}
