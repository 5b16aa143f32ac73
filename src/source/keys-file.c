/*
 * Our entries in the operator's authorized_keys: each key may do one thing, run `slipway ssh FINGERPRINT
 * NAME [GRANTS]`. Every line that is not ours stays as it is; lines of Piku (FINGERPRINT=... NAME=... TOOL
 * $SSH_ORIGINAL_COMMAND) are ours too.
 */
#include "source/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdint.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/words.h"
#include "source/keys-internal.h"

#define FILE_BYTES (4 << 20)

char *ssh_keys_file(void)
{
	const char *file = getenv("SLIPWAY_AUTHORIZED_KEYS"), *home = getenv("HOME");

	if (file && *file)
		return xstrdup(file);
	if (!home || !*home) {
		const struct passwd *user = getpwuid(getuid());

		home = user ? user->pw_dir : "/";
	}
	return path_join(home, ".ssh/authorized_keys");
}

/* One line of the file, taken apart. type is NULL for blank lines, comments and what is no key. */
struct entry {
	char *line, *type, *blob, *comment;
	char *fingerprint, *name, *program; /* of ours; else NULL */
	char *grants;                       /* NULL: everything */
};

struct entries {
	struct entry *v;
	size_t n;
};

static void entry_done(struct entry *entry)
{
	free(entry->line);
	free(entry->type);
	free(entry->blob);
	free(entry->comment);
	free(entry->fingerprint);
	free(entry->name);
	free(entry->program);
	free(entry->grants);
}

static void entries_done(struct entries *all)
{
	for (size_t i = 0; i < all->n; i++)
		entry_done(&all->v[i]);
	free(all->v);
}

/* Where the options before a key end, by sshd's rule: at the first blank outside of quotes. */
static size_t options_length(const char *line)
{
	bool is_quoted = false;
	const char *c = line;

	for (; *c && (is_quoted || (*c != ' ' && *c != '\t')); c++) {
		if (*c == '\\' && c[1] == '"')
			c++;
		else if (*c == '"')
			is_quoted = !is_quoted;
	}
	return (size_t) (c - line);
}

/* The value of the option command="...", unquoted as sshd does it; to be freed. NULL: there is none. */
static char *forced_command(const char *options)
{
	struct strb out = STRB(SIZE_MAX / 2);

	for (const char *c = options; *c;) {
		bool is_it = strncasecmp(c, "command=\"", 9) == 0;

		for (; *c && *c != ',' && *c != '"'; c++)
			;
		if (*c == '"')
			for (c++; *c && *c != '"'; c++) {
				if (*c == '\\' && c[1] == '"')
					c++;
				if (is_it)
					(void) strb_add(&out, c, 1);
			}
		if (is_it)
			return strb_take(&out);
		c += *c == '"';
		c += *c == ',';
	}
	return NULL;
}

static const char *assigned(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

/* Recognises our forced command and takes fingerprint and name from it. */
static void recognise(struct entry *entry, const char *command)
{
	_cleanup_(strv_done) struct strv words = { 0 };
	const char *print = NULL, *name = NULL;
	size_t i = 0;

	if (words_split(&words, command, NULL, NULL) < 0)
		return;
	for (; i < words.n && strchr(words.v[i], '=') && words.v[i][0] != '/'; i++) {
		print = assigned(words.v[i], "FINGERPRINT") ? assigned(words.v[i], "FINGERPRINT") : print;
		name = assigned(words.v[i], "NAME") ? assigned(words.v[i], "NAME") : name;
	}
	if ((words.n == i + 4 || words.n == i + 5) && str_eq(words.v[i + 1], "ssh")) {
		print = words.v[i + 2];
		name = words.v[i + 3];
	} else if (words.n == 0 || !str_eq(words.v[words.n - 1], "$SSH_ORIGINAL_COMMAND")) {
		return;
	}
	if (print && str_starts(print, "SHA256:")) {
		entry->fingerprint = xstrdup(print);
		entry->name = ssh_key_name(name ? name : "");
		entry->program = xstrdup(words.v[i]);
		entry->grants = words.n == i + 5 ? xstrdup(words.v[i + 4]) : NULL;
	}
}

static void read_entry(struct entry *entry)
{
	const char *at = entry->line + strspn(entry->line, " \t");
	_cleanup_(freep) char *options = NULL, *command = NULL, *first = NULL;
	const char *behind = at;

	if (!*at || *at == '#')
		return;
	first = ssh_word(&behind);
	if (!ssh_key_type_is_known(first)) {
		options = xstrndup(at, options_length(at));
		at += strlen(options);
	}
	entry->type = ssh_word(&at);
	entry->blob = ssh_word(&at);
	entry->comment = span_dup(span_trim(at, at + strlen(at)));
	command = options ? forced_command(options) : NULL;
	if (entry->blob && command)
		recognise(entry, command);
}

static int entries_read(struct entries *ret, const char *file, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	int r = file_read(file, FILE_BYTES, &text, NULL, e);

	if (r == -ENOENT) {
		if (e)
			*e = err_free(*e);
		return 0;
	}
	if (r < 0)
		return r;
	for (const char *at = text, *end; *at; at = *end ? end + 1 : end) {
		struct entry *entry = GROW(&ret->v, &ret->n);

		end = at + strcspn(at, "\n");
		entry->line = xstrndup(at, (size_t) (end - at));
		read_entry(entry);
	}
	return 0;
}

/* The file to write when the name is a link: the link stays. To be freed. */
static char *real_file(const char *file)
{
	char *real = realpath(file, NULL);

	return real ? real : xstrdup(file);
}

static int entries_write(const struct entries *all, const char *file, struct err **e)
{
	_cleanup_(freep) char *real = real_file(file);
	_cleanup_(strb_done) struct strb text = STRB(2 * FILE_BYTES);

	for (size_t i = 0; i < all->n; i++)
		if (strb_addf(&text, "%s\n", all->v[i].line) < 0)
			return err_set(e, -E2BIG, "%s would become too large", file);
	return file_replace(real, text.s ? text.s : "", text.len, 0600, e);
}

/* Makes the file's directory and locks it against others that edit the file. A ".ssh" is kept from other
 * users, as sshd wants it. Returns the descriptor that holds the lock. */
static int dir_lock(const char *file, struct err **e)
{
	const char *slash = strrchr(file, '/');
	_cleanup_(freep) char *dir =
		slash ? xstrndup(file, slash == file ? 1 : (size_t) (slash - file)) : xstrdup(".");
	int r = dir_make(dir, 0700, e);

	if (r < 0)
		return r;
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (str_ends(dir, "/.ssh") && fchmod(fd, 0700) < 0))
		return err_set(e, -errno, "opening %s: %m", dir);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_set(e, -errno, "locking %s: %m", dir);
	return take_fd(&fd);
}

/*
 * The line that lets a key in. The command is quoted twice: for the login shell, which is given it by sshd,
 * and for sshd, which takes \" as a quote and all other characters as they are.
 */
static char *line_for(const struct ssh_key *key, const char *grants, const char *program, const char *root)
{
	const char *file = getenv("SLIPWAY_AUTHORIZED_KEYS");
	_cleanup_(freep) char *r = word_quote(root), *p = word_quote(program),
			      *f = file ? word_quote(file) : NULL;
	_cleanup_(freep) char *print = word_quote(key->fingerprint), *name = ssh_key_name(key->name),
			      *g = grants ? word_quote(grants) : NULL;
	_cleanup_(freep) char *command =
		xasprintf("SLIPWAY_ROOT=%s %s%s%s%s ssh %s %s%s%s", r, f ? "SLIPWAY_AUTHORIZED_KEYS=" : "",
			  f ? f : "", f ? " " : "", p, print, name, g ? " " : "", g ? g : "");
	struct strb out = STRB(SIZE_MAX / 2);

	(void) strb_adds(&out, "restrict,pty,command=\"");
	for (const char *c = command; *c; c++) {
		if (*c == '"')
			(void) strb_adds(&out, "\\");
		(void) strb_add(&out, c, 1);
	}
	(void) strb_addf(&out, "\" %s", key->public_key);
	return strb_take(&out);
}

static struct entry *find_blob(const struct entries *all, const char *public_key)
{
	const char *at = public_key;
	_cleanup_(freep) char *type = ssh_word(&at), *blob = ssh_word(&at);

	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].blob && str_eq(all->v[i].blob, blob) && str_eq(all->v[i].type, type))
			return &all->v[i];
	return NULL;
}

/* 1: the entries changed. */
static int install_one(struct entries *all, const char *file, const struct ssh_key *key, const char *program,
		       const char *root, struct err **e)
{
	struct entry *there = find_blob(all, key->public_key);
	const char *grants = key->grants || !there ? key->grants : there->grants;
	_cleanup_(freep) char *own = line_for(key, grants, program, root);

	if (there && !there->fingerprint)
		return err_set(e, ERR_REFUSED,
			       "the key %s is in line %zu of %s already, for something else, and sshd "
			       "takes the first line: remove that line or use another key",
			       key->fingerprint, (size_t) (there - all->v) + 1, file);
	if (there && str_eq(there->line, own))
		return 0;
	if (!there)
		there = GROW(&all->v, &all->n);
	entry_done(there);
	*there = (struct entry){ .line = TAKE(own) };
	read_entry(there);
	return 1;
}

int ssh_keys_install(const char *file, const struct ssh_keys *keys, const char *program, const char *root,
		     struct strv *added, struct err **e)
{
	_cleanup_(entries_done) struct entries all = { 0 };
	_cleanup_(strv_done) struct strv changed = { 0 };

	if (strpbrk(program, "\r\n") || strpbrk(root, "\r\n"))
		return err_set(e, ERR_REFUSED, "a path with a line break cannot stand in %s", file);
	_cleanup_(closep) int lock = dir_lock(file, e);
	int r = lock < 0 ? lock : entries_read(&all, file, e);
	for (size_t i = 0; r >= 0 && i < keys->n; i++) {
		r = install_one(&all, file, &keys->v[i], program, root, e);
		if (r > 0)
			STRV_ADD(&changed, keys->v[i].fingerprint);
	}
	if (r < 0)
		return r;
	/* also when nothing changed: for the mode */
	r = entries_write(&all, file, e);
	if (r >= 0 && changed.n > 0)
		strv_add(added, (const char *const *) changed.v);
	return r;
}

int ssh_keys_list(const char *file, struct ssh_keys *ret, struct err **e)
{
	_cleanup_(entries_done) struct entries all = { 0 };
	int r = entries_read(&all, file, e);

	for (size_t i = 0; r >= 0 && i < all.n; i++) {
		const struct entry *entry = &all.v[i];

		if (!entry->fingerprint)
			continue;
		*GROW(&ret->v, &ret->n) = (struct ssh_key){
			.fingerprint = xstrdup(entry->fingerprint),
			.name = xstrdup(entry->name),
			.program = xstrdup(entry->program),
			.grants = xstrdup(entry->grants),
			.type = xstrdup(entry->type),
			.public_key = xasprintf("%s %s%s%s", entry->type, entry->blob,
						*entry->comment ? " " : "", entry->comment),
			.line = (int) i + 1,
		};
	}
	return r;
}

static bool is_meant(const struct entry *entry, const char *which)
{
	return entry->fingerprint && (str_eq(entry->fingerprint, which) || str_eq(entry->name, which));
}

static void entry_drop(struct entries *all, size_t at)
{
	entry_done(&all->v[at]);
	memmove(&all->v[at], &all->v[at + 1], (all->n - at - 1) * sizeof *all->v);
	all->n--;
}

/* The file for editing what is said of one key: *lock holds the lock. */
static int open_one(const char *file, const char *which, struct entries *all, int *lock, struct err **e)
{
	_cleanup_(strv_done) struct strv prints = { 0 };

	*lock = dir_lock(file, e);
	int r = *lock < 0 ? *lock : entries_read(all, file, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < all->n; i++)
		if (is_meant(&all->v[i], which) && !strv_has(&prints, all->v[i].fingerprint))
			STRV_ADD(&prints, all->v[i].fingerprint);
	if (prints.n == 0)
		return err_set(e, ERR_NOT_FOUND, "no key '%s' in %s: `slipway keys` lists them", which, file);
	if (prints.n > 1) {
		_cleanup_(freep) char *list = strv_join(&prints, ", ");

		return err_set(e, ERR_REFUSED,
			       "%zu keys are named '%s': name the one that is meant by its "
			       "fingerprint: %s",
			       prints.n, which, list);
	}
	return 0;
}

int ssh_keys_allow(const char *file, const char *which, const char *grants, const char *program,
		   const char *root, struct err **e)
{
	_cleanup_(entries_done) struct entries all = { 0 };
	_cleanup_(closep) int lock = -1;
	int r = open_one(file, which, &all, &lock, e);

	for (size_t i = 0; r >= 0 && i < all.n; i++) {
		struct entry *entry = &all.v[i];

		if (!is_meant(entry, which))
			continue;
		_cleanup_(freep) char *public_key = xasprintf("%s %s%s%s", entry->type, entry->blob,
							      *entry->comment ? " " : "", entry->comment);
		struct ssh_key key = { .fingerprint = entry->fingerprint,
				       .name = entry->name,
				       .public_key = public_key };
		char *line = line_for(&key, grants, program, root);

		entry_done(entry);
		*entry = (struct entry){ .line = line };
		read_entry(entry);
	}
	return r < 0 ? r : entries_write(&all, file, e);
}

int ssh_keys_remove(const char *file, const char *which, struct err **e)
{
	_cleanup_(entries_done) struct entries all = { 0 };
	_cleanup_(closep) int lock = -1;
	int r = open_one(file, which, &all, &lock, e);

	if (r < 0)
		return r;
	for (size_t i = all.n; i-- > 0;)
		if (is_meant(&all.v[i], which))
			entry_drop(&all, i);
	return entries_write(&all, file, e);
}
