/*
 * Self-signed certificates: P-256, by the openssl program. A certificate made here begins with a line that
 * says so and for which names; PEM readers skip it. Whatever lacks that line is an operator's own.
 */
#include "router/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/proc.h"
#include "plan/root.h"
#include "router/nginx-internal.h"

#define MARK       "slipway self-signed:"
#define PEM_MAX    ((size_t) 1 << 20)
#define DAYS       "3650"
#define RENEW_AT_S ((time_t) 9 * 365 * 24 * 3600)

struct pair {
	char *crt, *key; /* paths */
	char *mark;      /* the first line that a certificate for these names has */
	char *crt_text;  /* NULL: not there, unreadable or no certificate */
	bool is_old, has_key;
};

static void pair_done(struct pair *p)
{
	free(p->crt);
	free(p->key);
	free(p->mark);
	free(p->crt_text);
}

static void pair_look(struct pair *p, const char *root, const char *app, const struct strv *names)
{
	_cleanup_(freep) char *joined = names ? strv_join(names, " ") : NULL, *key = NULL;
	struct stat st;

	p->crt = root_path(root, "certs/%s.crt", app);
	p->key = root_path(root, "certs/%s.key", app);
	p->mark = xasprintf(MARK " %s\n", joined ? joined : "");
	if (file_read(p->crt, PEM_MAX, &p->crt_text, NULL, NULL) == 0 &&
	    !strstr(p->crt_text, "-----BEGIN CERTIFICATE-----") &&
	    !strstr(p->crt_text, "-----BEGIN TRUSTED CERTIFICATE-----")) {
		free(p->crt_text);
		p->crt_text = NULL;
	}
	p->is_old = stat(p->crt, &st) == 0 && time(NULL) - st.st_mtime > RENEW_AT_S;
	p->has_key = file_read(p->key, PEM_MAX, &key, NULL, NULL) == 0 && strstr(key, "PRIVATE KEY-----");
}

static bool pair_is_ours(const struct pair *p)
{
	return p->crt_text && str_starts(p->crt_text, MARK);
}

static char *alternative_names(const struct strv *names)
{
	struct strb b = STRB(1 << 20);
	struct in6_addr v6;
	struct in_addr v4;

	for (size_t i = 0; i < names->n; i++) {
		bool is_ip = inet_pton(AF_INET, names->v[i], &v4) == 1 ||
			     inet_pton(AF_INET6, names->v[i], &v6) == 1;

		(void) strb_addf(&b, "%s%s:%s", i ? "," : "subjectAltName=", is_ip ? "IP" : "DNS",
				 names->v[i]);
	}
	return strb_take(&b);
}

/* Runs openssl; the certificate and, unless there is one to be used, the key are written to these files. */
static int run_openssl(const char *app, const struct strv *names, const char *old_key, const char *key,
		       const char *crt, struct err **e)
{
	_cleanup_(freep) char *openssl = nginx_find_program("openssl"), *out = NULL;
	_cleanup_(freep) char *subject = xasprintf("/O=slipway/CN=%s", app), *san = alternative_names(names);
	_cleanup_(strv_done) struct strv argv = { 0 };

	if (!openssl)
		return err_set(e, ERR_MISSING,
			       "openssl is needed to make a certificate for %s: install the package "
			       "'openssl', or put "
			       "a certificate and its key into certs/%s.crt and certs/%s.key",
			       app, app, app);
	STRV_ADD(&argv, openssl, "req", "-x509", "-config", "/dev/null", "-days", DAYS, "-subj", subject,
		 "-addext", san, "-out", crt);
	if (old_key)
		STRV_ADD(&argv, "-key", old_key);
	else
		STRV_ADD(&argv, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
			 key);
	int r = proc_run(argv.v, NULL, NULL, 30000, &out, e);
	if (r > 0)
		return err_set(e, ERR_FAILED, "openssl exited with %d: %.*s", r, (int) strcspn(out, "\n"),
			       out);
	return r;
}

/* The old certificate goes first and the new one comes last: cut short at any point, it is made again. */
static int pair_make(const struct pair *p, const char *app, const struct strv *names, struct err **e)
{
	_cleanup_(freep) char *key = xasprintf("%s.new", p->key), *crt = xasprintf("%s.new", p->crt);
	_cleanup_(freep) char *pem = NULL, *marked = NULL, *key_pem = NULL;
	bool keeps_key = p->has_key && !pair_is_ours(p);
	size_t key_n = 0;
	int r = run_openssl(app, names, keeps_key ? p->key : NULL, key, crt, e);

	if (r == 0)
		r = file_read(crt, PEM_MAX, &pem, NULL, e);
	if (r == 0 && !keeps_key)
		r = file_read(key, PEM_MAX, &key_pem, &key_n, e);
	if (r == 0 && unlink(p->crt) < 0 && errno != ENOENT)
		r = err_set(e, -errno, "removing %s: %m", p->crt);
	if (r == 0 && key_pem)
		r = file_replace(p->key, key_pem, key_n, 0600, e);
	if (r == 0) {
		marked = xasprintf("%s%s", p->mark, pem);
		r = file_replace(p->crt, marked, strlen(marked), 0644, e);
	}
	(void) unlink(key);
	(void) unlink(crt);
	if (key_pem)
		explicit_bzero(key_pem, key_n);
	return r;
}

int certificate_ensure(const char *root, const char *app, const struct strv *names, struct err **e)
{
	_cleanup_(pair_done) struct pair p = { 0 };
	_cleanup_(freep) char *dir = root_path(root, "certs");
	int r;

	pair_look(&p, root, app, names);
	if (p.crt_text && p.has_key && (!pair_is_ours(&p) || (str_starts(p.crt_text, p.mark) && !p.is_old)))
		return 0;
	if (p.crt_text && !p.has_key && !pair_is_ours(&p))
		return err_set(e, ERR_REFUSED,
			       "%s is there but its key %s is missing or no private key: put the key there, "
			       "or remove the "
			       "certificate to have a self-signed one made",
			       p.crt, p.key);
	r = dir_make(dir, 0700, e);
	if (r == 0)
		r = pair_make(&p, app, names, e);
	return r < 0 ? err_wrap(e, r, "a self-signed certificate for %s", app) : 0;
}

int certificate_remove(const char *root, const char *app, struct err **e)
{
	_cleanup_(pair_done) struct pair p = { 0 };

	pair_look(&p, root, app, NULL);
	if (!pair_is_ours(&p))
		return 0;
	if (unlink(p.key) < 0 && errno != ENOENT)
		return err_set(e, -errno, "removing %s: %m", p.key);
	if (unlink(p.crt) < 0 && errno != ENOENT)
		return err_set(e, -errno, "removing %s: %m", p.crt);
	return 0;
}
