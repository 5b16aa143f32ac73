/* Reading public keys: each line by itself, judged by ssh-keygen; one bad line refuses the whole text. */
#include "source/keys.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/proc.h"
#include "source/git-internal.h"
#include "source/keys-internal.h"

#define KEYGEN_MS  30000
#define LINE_BYTES 16384

static const char *const types[] = {
	"ssh-ed25519",
	"ssh-rsa",
	"ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521",
	"sk-ssh-ed25519@openssh.com",
	"sk-ecdsa-sha2-nistp256@openssh.com",
};

bool ssh_key_type_is_known(const char *word)
{
	for (size_t i = 0; word && i < COUNT(types); i++)
		if (str_eq(types[i], word))
			return true;
	return false;
}

char *ssh_word(const char **at)
{
	const char *from = *at + strspn(*at, " \t");
	size_t n = strcspn(from, " \t");

	*at = from + n;
	return n > 0 ? xstrndup(from, n) : NULL;
}

char *ssh_key_name(const char *text)
{
	const char *from = text + strspn(text, "- \t"); /* no name is taken for an option */
	struct span words = span_trim(from, from + strlen(from));
	char *name = xstrndup(words.s, words.n < 64 ? words.n : 64);

	for (char *c = name; *c; c++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+", *c))
			*c = '-';
	if (!*name || *name == '-')
		str_set(&name, "default");
	return name;
}

void ssh_keys_done(struct ssh_keys *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->v[i].fingerprint);
		free(k->v[i].name);
		free(k->v[i].grants);
		free(k->v[i].program);
		free(k->v[i].type);
		free(k->v[i].public_key);
	}
	free(k->v);
	*k = (struct ssh_keys){ 0 };
}

static void collect(void *ctx, const char *data, size_t n)
{
	(void) strb_add(ctx, data, n);
}

/* The key's fingerprint as ssh-keygen sees it; to be freed. NULL with *ret 0: it is no key. */
static int fingerprint(char **ret, const char *keygen, const char *key, struct err **e)
{
	char *const argv[] = { (char *) keygen, (char *) "-l", (char *) "-E", (char *) "sha256",
			       (char *) "-f",   (char *) "-",  NULL };
	_cleanup_(closep) int in = memfd_create("key", MFD_CLOEXEC);
	_cleanup_(strv_done) struct strv words = { 0 };
	_cleanup_(strb_done) struct strb out = STRB(65536);
	_cleanup_(proc_done) struct proc p = PROC(argv);
	int r = in < 0 ? -errno : write_all(in, key, strlen(key));

	if (r < 0 || lseek(in, 0, SEEK_SET) < 0)
		return err_set(e, -errno, "handing a key to ssh-keygen: %m");
	p.in = in;
	p.timeout_ms = KEYGEN_MS;
	p.on_output = collect;
	p.ctx = &out;
	r = proc_start(&p, e);
	if (r >= 0)
		r = proc_wait(&p, e);
	if (r < 0)
		return r;
	if (p.status < 0)
		return err_set(e, ERR_FAILED, "ssh-keygen did not answer within %d s", KEYGEN_MS / 1000);
	strv_split(&words, out.s ? out.s : "", " \n");
	if (p.status == 0 && words.n >= 2 && str_starts(words.v[1], "SHA256:"))
		*ret = xstrdup(words.v[1]);
	return 0;
}

/* What is wrong with a line whose first word is no key type. */
static const char *not_a_key(const char *line)
{
	const char *at = line;

	if (strstr(line, "PRIVATE KEY"))
		return "this is a private key: never give it away; the public one is in the file ending in "
		       ".pub";
	if (strstr(line, "BEGIN SSH2 PUBLIC KEY"))
		return "a key in SSH2 format: convert it with 'ssh-keygen -i -f FILE'";
	if (str_starts(line, "ssh-dss ") || strstr(line, "-cert-v01@"))
		return "keys of this type are not accepted: use an ed25519 key";
	for (;;) {
		_cleanup_(freep) char *word = ssh_word(&at);

		if (!word)
			return "not a public key";
		if (ssh_key_type_is_known(word))
			return "options before the key are not accepted: give the key alone";
	}
}

/* Reads one line; *problem says what is wrong with it. */
static int read_line(struct ssh_keys *keys, const char *keygen, const char *line, int number,
		     const char **problem, struct err **e)
{
	const char *at = line;
	_cleanup_(freep) char *type = ssh_word(&at), *blob = NULL, *key = NULL, *print = NULL;

	*problem = ssh_key_type_is_known(type) ? NULL : not_a_key(line);
	if (*problem)
		return 0;
	blob = ssh_word(&at);
	key = xasprintf("%s %s\n", type, blob ? blob : "");
	int r = blob ? fingerprint(&print, keygen, key, e) : 0;
	if (r < 0)
		return r;
	if (!print) {
		*problem = "ssh-keygen cannot read this key: was it copied whole?";
		return 0;
	}
	struct span comment = span_trim(at, at + strlen(at));
	_cleanup_(freep) char *note = span_dup(comment);
	for (char *c = note; *c; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			*c = ' ';
	*GROW(&keys->v, &keys->n) = (struct ssh_key){
		.fingerprint = TAKE(print),
		.name = ssh_key_name(note),
		.public_key = xasprintf("%s %s%s%s", type, blob, *note ? " " : "", note),
		.type = xstrdup(type),
		.line = number,
	};
	return 0;
}

static int read_lines(struct ssh_keys *keys, const char *keygen, const char *text, struct strb *problems,
		      struct err **e)
{
	int number = 0;

	for (const char *at = text, *end; *at; at = *end ? end + 1 : end) {
		end = at + strcspn(at, "\n");
		struct span trimmed = span_trim(at, end);
		_cleanup_(freep) char *line = span_dup(trimmed);
		const char *problem = NULL;

		number++;
		if (!*line || *line == '#')
			continue;
		int r = trimmed.n > LINE_BYTES ? 0 : read_line(keys, keygen, line, number, &problem, e);
		if (r < 0)
			return r;
		if (trimmed.n > LINE_BYTES)
			problem = "too long for a key";
		if (!problem)
			continue;
		(void) strb_addf(problems, "%sline %d: %s", problems->len ? "; " : "", number, problem);
		if (strstr(line, "PRIVATE KEY") || strstr(line, "SSH2 PUBLIC KEY"))
			break; /* the rest is its body */
	}
	return 0;
}

int ssh_keys_parse(struct ssh_keys *ret, const char *text, const char *file, struct err **e)
{
	_cleanup_(ssh_keys_done) struct ssh_keys keys = { 0 };
	_cleanup_(strb_done) struct strb problems = STRB(65536);
	_cleanup_(freep) char *keygen = NULL;
	int r = source_program(&keygen, "ssh-keygen", "openssh-client", e);

	if (r >= 0)
		r = read_lines(&keys, keygen, text, &problems, e);
	if (r < 0)
		return r;
	if (problems.len)
		return err_set(e, ERR_REFUSED, "invalid public key file '%s': %s; nothing was added", file,
			       problems.s);
	if (keys.n == 0)
		return err_set(e, ERR_REFUSED, "invalid public key file '%s': there is no key in it", file);
	*ret = keys;
	keys = (struct ssh_keys){ 0 };
	return 0;
}
