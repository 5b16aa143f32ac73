/* One uWSGI for each instance: its ini is what the plan says and what only its start knows. */
#include "runner/uwsgi.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "plan/root.h"

#define INI_MAX ((size_t) 4 << 20)
#define PROGRAM "/usr/bin/uwsgi-core"
#define PLUGINS "/usr/lib/uwsgi/plugins"

static const struct {
	const char *plugin, *package;
} packages[] = {
	{ "ping", "uwsgi-core" },
	{ "http", "uwsgi-core" },
	{ "python3", "uwsgi-plugin-python3" },
	{ "asyncio_python3", "uwsgi-plugin-asyncio-python3" },
	{ "greenlet_python3", "uwsgi-plugin-greenlet-python3" },
	{ "php", "uwsgi-plugin-php" },
};

static int find_plugin(const struct plan_service *s, const char *name, struct err **e)
{
	_cleanup_(freep) char *path = xasprintf(PLUGINS "/%s_plugin.so", name);

	if (file_exists(path))
		return 0;
	for (size_t i = 0; i < COUNT(packages); i++)
		if (str_eq(packages[i].plugin, name))
			return err_set(
				e, ERR_MISSING,
				"'%s' runs in uWSGI, whose plugin '%s' is missing: install the package %s",
				s->name, name, packages[i].package);
	return err_set(e, ERR_MISSING, "'%s' runs in uWSGI, whose plugin '%s' is missing (%s)", s->name, name,
		       path);
}

int uwsgi_probe(const struct plan *p, const char *root, struct err **e)
{
	_cleanup_(freep) char *longest = root_uwsgi_socket(root, 65535);

	for (size_t i = 0; i < p->n_services; i++) {
		const struct plan_service *s = &p->services[i];

		if (s->uwsgi.n == 0)
			continue;
		if (!file_exists(PROGRAM))
			return err_set(e, ERR_MISSING,
				       "'%s' runs in uWSGI, which is missing: install the package uwsgi-core",
				       s->name);
		if (strlen(longest) >= sizeof((struct sockaddr_un *) NULL)->sun_path)
			return err_set(
				e, ERR_REFUSED,
				"'%s' runs in uWSGI, whose socket would have too long a path (%s): the "
				"root directory needs a shorter one",
				s->name, longest);
		for (size_t k = 0; k < s->uwsgi.n; k++) {
			const char *directive = s->uwsgi.v[k];
			int r = str_starts(directive, "plugin = ")
					? find_plugin(s, directive + strlen("plugin = "), e)
					: 0;

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static bool is_python(const struct spec_service *s)
{
	return strv_has(&s->uwsgi, "plugin = python3");
}

static bool is_php(const struct spec_service *s)
{
	return strv_has(&s->uwsgi, "plugin = php");
}

/* '%' begins something in uWSGI's files. NULL: the value would be read as something else. */
static char *escaped(const char *value)
{
	struct strb b = STRB(INI_MAX);

	if (strstr(value, "$(") || strstr(value, "@(") || strpbrk(value, "\r\n"))
		return NULL;
	for (; *value; value++)
		(void) strb_addf(&b, *value == '%' ? "%%%%" : "%c", *value);
	return strb_take(&b);
}

static int put(struct strb *b, const char *name, const char *value, struct err **e)
{
	_cleanup_(freep) char *text = escaped(value);

	if (!text || strb_addf(b, "%s = %s\n", name, text) < 0)
		return err_set(e, ERR_REFUSED, "uWSGI cannot be told %s = %s", name, value);
	return 0;
}

/* Without a name in front of it, an app is reached by HTTP on its port; with one, on its socket only. */
static int put_http(struct strb *b, const struct spec *spec, const struct spec_service *s, unsigned port,
		    struct err **e)
{
	const char *address = env_get(&spec->env, "BIND_ADDRESS"),
		   *names = env_get(&spec->env, "NGINX_SERVER_NAME");
	bool is_six = address && strchr(address, ':');
	_cleanup_(freep) char *at =
		xasprintf(is_six ? "[%s]:%u" : "%s:%u", address ? address : "127.0.0.1", port);

	if (names && *names && !is_php(s))
		return 0;
	return put(b, "http-socket", at, e);
}

/* has_group: the web server's group has the directory, so sockets need not be open to all. */
static char *compose(const struct spec *spec, const struct spec_service *s, const char *socket, unsigned port,
		     bool has_group, struct err **e)
{
	const char *venv = env_get(&spec->env, "VIRTUAL_ENV");
	_cleanup_(strb_done) struct strb b = STRB(INI_MAX);
	int r = strb_adds(&b, "# Made by slipway at each start of this instance.\n[uwsgi]\n");

	for (size_t i = 0; r >= 0 && i < s->uwsgi.n; i++)
		r = strb_addf(&b, "%s\n", s->uwsgi.v[i]);
	if (r < 0)
		return NULL;
	if (!is_php(s))
		r = put(&b, "socket", socket, e);
	if (r >= 0)
		r = put(&b, "chmod-socket", has_group ? "660" : "666", e);
	if (r >= 0)
		r = put_http(&b, spec, s, port, e);
	if (r >= 0 && venv && *venv && is_python(s))
		r = put(&b, "virtualenv", venv, e);
	return r < 0 ? NULL : strb_take(&b);
}

/* The group is inherited by the socket, as nobody but root could give it that. */
static int make_dir(const char *root, const char *path, uid_t uid, gid_t group, bool *has_group,
		    struct err **e)
{
	_cleanup_(freep) char *parent = root_path(root, "uwsgi");
	struct stat st;
	int r = dir_make(path, 0711, e);

	if (r < 0)
		return r;
	if (stat(parent, &st) == 0 && (st.st_mode & 0711) != 0711)
		(void) chmod(parent, (st.st_mode & 07777) | 0711);
	*has_group = group && chown(path, uid ? uid : (uid_t) -1, group) == 0;
	if (!*has_group && uid && chown(path, uid, (gid_t) -1) < 0)
		return err_set(e, -errno, "giving %s to user %u: %m", path, (unsigned) uid);
	if (chmod(path, *has_group ? 02710 : 0711) < 0)
		return err_set(e, -errno, "%s: %m", path);
	return 0;
}

static void drop_options(struct env *env)
{
	for (size_t i = env->n; i-- > 0;) {
		_cleanup_(freep) char *name = xstrdup(env->v[i].name);

		if (str_starts(name, "UWSGI_"))
			env_unset(env, name);
	}
}

int uwsgi_prepare(struct spec *spec, const struct spec_service *s, const char *root, unsigned port, uid_t uid,
		  struct strv *argv, char **dir, struct err **e)
{
	_cleanup_(freep) char *path = root_uwsgi(root, port), *ini = path_join(path, "ini"),
			      *socket = root_uwsgi_socket(root, port), *text = NULL;
	bool has_group = false;
	int r = make_dir(root, path, uid, spec->web_group, &has_group, e);

	if (r < 0)
		return r;
	text = compose(spec, s, socket, port, has_group, e);
	if (!text)
		return ERR_REFUSED;
	r = file_replace_unsynced(ini, text, strlen(text), 0644, e);
	if (r < 0)
		return r;
	(void) unlink(socket); /* of a former instance: it would be taken for this one's */
	drop_options(&spec->env);
	STRV_ADD(argv, PROGRAM, "--ini", ini);
	*dir = TAKE(path);
	return 0;
}
