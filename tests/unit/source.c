/* Sources: which ref is deployed, keys, repositories and checkouts with the real git, the forced command's
 * words. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/proc.h"
#include "cli/ssh.h"
#include "plan/root.h"
#include "source/git.h"
#include "source/grants.h"
#include "source/keys.h"

#define ZERO "0000000000000000000000000000000000000000"
#define ONE  "1111111111111111111111111111111111111111"
#define TWO  "2222222222222222222222222222222222222222"

/* --- which of the refs of a push -------------------------------------------------------------------------
 */

static const struct choice {
	const char *name, *updates, *branch;
	int want;
	const char *says; /* in one of the notes; NULL: no note */
} choices[] = {
	{ "one branch", ZERO " " ONE " refs/heads/main\n", NULL, 0, NULL },
	{ "an empty DEPLOY_BRANCH is none", ZERO " " ONE " refs/heads/main\n", "", 0, NULL },
	{ "the last of several", ONE " " TWO " refs/heads/a\n" ONE " " TWO " refs/heads/b\n", NULL, 1,
	  "2 branches were pushed: deploying 'b'; 'a' is stored, not deployed" },
	{ "the pinned one of several", ONE " " TWO " refs/heads/a\n" ONE " " TWO " refs/heads/b\n", "a", 0,
	  "branch 'b' is stored, not deployed: this app deploys only 'a'" },
	{ "pinned by its full name", ONE " " TWO " refs/heads/a\n", "refs/heads/a", 0, NULL },
	{ "another than the pinned one", ONE " " TWO " refs/heads/feat\n", "main", -1,
	  "'feat' is stored, not deployed" },
	{ "a deletion", ONE " " ZERO " refs/heads/feat\n", NULL, -1, "'feat' was deleted" },
	{ "a deletion of the pinned one", ONE " " ZERO " refs/heads/main\n", "main", -1,
	  "'main' was deleted" },
	{ "a tag", ZERO " " ONE " refs/tags/v1\n", NULL, -1, "tag 'v1' is stored, not deployed" },
	{ "a tag named like the pinned branch", ZERO " " ONE " refs/tags/main\n", "main", -1, "tag 'main'" },
	{ "a branch and a tag", ZERO " " ONE " refs/heads/main\n" ZERO " " ONE " refs/tags/v1\n", NULL, 0,
	  "tag 'v1'" },
	{ "notes of git", ZERO " " ONE " refs/notes/commits\n", NULL, -1, "'refs/notes/commits' is stored" },
	{ "nothing", "", NULL, -1, NULL },
};

static void chooses(void **state)
{
	const struct choice *row = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(strv_done) struct strv notes = { 0 };
	struct git_update *u = NULL;
	size_t n = 0;

	assert_int_equal(git_updates_parse(&u, &n, row->updates, &e), 0);
	assert_int_equal(git_choose(u, n, row->branch, &notes), row->want);
	git_updates_free(u, n);
	_cleanup_(freep) char *all = strv_join(&notes, "\n");
	if (row->says)
		assert_non_null(strstr(all, row->says));
	else
		assert_string_equal(all, "");
}

static void refuses_what_is_no_hook_input(void **state UNUSED)
{
	static const char *const bad[] = { "x\n", ZERO " " ONE "\n", ZERO " " ONE " main\n",
					   "a b refs/heads/x\n", ZERO " " ONE " refs/heads/x y\n" };
	struct git_update *u = NULL;
	size_t n = 0;

	for (size_t i = 0; i < COUNT(bad); i++) {
		_cleanup_(err_freep) struct err *e = NULL;

		assert_int_equal(git_updates_parse(&u, &n, bad[i], &e), ERR_USAGE);
	}
}

/* --- what an SSH client may ask for ----------------------------------------------------------------------
 */

static const struct asked {
	const char *name, *text;
	int want;
	const char *words; /* joined with '|'; or a part of the error */
} asked[] = {
	{ "nothing", "", 0, "" },
	{ "blanks", " \t\n", 0, "" },
	{ "a push", "git-receive-pack 'blog'", 0, "git-receive-pack|blog" },
	{ "a push in two words", "git receive-pack '/blog.git'", 0, "git-receive-pack|/blog.git" },
	{ "a fetch", "git-upload-pack \"blog\"", 0, "git-upload-pack|blog" },
	{ "a command after a push", "git-receive-pack 'a'; id", ERR_PERMISSION, "nothing else" },
	{ "a command after a push, unspaced", "git-receive-pack 'a';id", 0, "git-receive-pack|a;id" },
	{ "a command on the next line", "git-receive-pack 'a'\nid", ERR_PERMISSION, "nothing else" },
	{ "a substitution is a name", "git-receive-pack '$(id)'", 0, "git-receive-pack|$(id)" },
	{ "an option for upload-pack", "git-upload-pack --upload-pack=id a", ERR_PERMISSION, "nothing else" },
	{ "an option as the name", "git-upload-pack '-oProxyCommand=id'", ERR_PERMISSION, "nothing else" },
	{ "an option as the name, long", "git-receive-pack --stateless-rpc", ERR_PERMISSION, "nothing else" },
	{ "no name", "git-receive-pack", ERR_PERMISSION, "nothing else" },
	{ "an archive", "git-upload-archive 'a'", ERR_PERMISSION, "only push, fetch and clone" },
	{ "git's shell", "git-shell -c id", ERR_PERMISSION, "only push, fetch and clone" },
	{ "git with options", "git -c core.sshCommand=id upload-pack a", ERR_PERMISSION,
	  "only push, fetch and clone" },
	{ "git alone", "git", ERR_PERMISSION, "only push, fetch and clone" },
	{ "the hook", "git-hook a", ERR_PERMISSION, "only push, fetch and clone" },
	{ "the forced command itself", "ssh SHA256:x root", ERR_PERMISSION, "only on the server" },
	{ "the forced command, quoted", "'s's\"h\" SHA256:x root", ERR_PERMISSION, "only on the server" },
	{ "setup", "setup", ERR_PERMISSION, "only on the server" },
	{ "a command after scp", "scp -t x; id", ERR_PERMISSION, "one file or directory" },
	{ "scp takes", "scp -r -p -t '~/a b'", 0, "scp|--|-r|-p|-t|~/a b" },
	{ "scp gives", "scp -rf -- -x", ERR_PERMISSION, "one file or directory" },
	{ "scp as a client", "scp x y", ERR_PERMISSION, "one file or directory" },
	{ "scp by another program", "scp -S /bin/sh -t x", ERR_PERMISSION, "one file or directory" },
	{ "scp with an option of ssh", "scp -t -oProxyCommand=id", ERR_PERMISSION, "one file or directory" },
	{ "sftp", "/usr/lib/openssh/sftp-server -f AUTHPRIV", 0, "sftp-server" },
	{ "the sftp subsystem", "internal-sftp", 0, "sftp-server" },
	{ "a server of their own", "/tmp/sftp-server -d /", 0, "sftp-server" },
	{ "an option for the sftp server", "sftp-server -d /", ERR_PERMISSION, "only on the server" },
	{ "a command", "keys --json", 0, "keys|--json" },
	{ "quoted words", "config:set blog 'A=x y' B=\\'", 0, "config:set|blog|A=x y|B='" },
	{ "operators are words", "ps app; id && id | id > x", 0, "ps|app;|id|&&|id|||id|>|x" },
	{ "a quote that is not closed", "ps 'app", ERR_USAGE, "the quote at column 4 is not closed" },
	{ "run keeps what follows", "run blog  ls *.py  'a b' \"$HOME\"; it's", 0,
	  "run|blog|ls *.py  'a b' \"$HOME\"; it's" },
	{ "run with --", "run blog -- -x 'y'", 0, "run|blog|-x 'y'" },
	{ "run with lines", "run blog echo a\necho b", 0, "run|blog|echo a\necho b" },
	{ "run with an option", "run --help", 0, "run|--help" },
	{ "run without a command", "run blog", 0, "run|blog" },
};

static void parses(void **state)
{
	const struct asked *row = *state;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(strv_done) struct strv argv = { 0 };

	assert_int_equal(ssh_parse(&argv, row->text, &e), row->want);
	_cleanup_(freep) char *words = strv_join(&argv, "|"), *text = err_text(e);
	if (row->want < 0)
		assert_non_null(strstr(text, row->words));
	else
		assert_string_equal(words, row->words);
}

static void refuses_a_megabyte(void **state UNUSED)
{
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(strv_done) struct strv argv = { 0 };
	_cleanup_(freep) char *text = xcalloc(1, (1 << 20) + 1);

	memset(text, 'a', 1 << 20);
	assert_int_equal(ssh_parse(&argv, text, &e), ERR_REFUSED);
	text[131072] = '\0';
	memset(text, '\'', 131072);
	assert_int_equal(ssh_parse(&argv, text, NULL), 0);
}

static void knows_gits_protocols(void **state UNUSED)
{
	assert_true(git_protocol_is_legal("version=2"));
	assert_true(git_protocol_is_legal("version=1:side-band"));
	assert_false(git_protocol_is_legal(NULL));
	assert_false(git_protocol_is_legal(""));
	assert_false(git_protocol_is_legal("version=2\nid"));
	assert_false(git_protocol_is_legal("$(id)"));
}

/* --- what a key may do -----------------------------------------------------------------------------------
 */

static const struct granted {
	const char *name, *grants; /* NULL: everything */
	enum role role;
	const char *app; /* NULL: the host */
	bool want;
} granted[] = {
	{ "no grants: who is on the machine", NULL, ROLE_ADMIN, NULL, true },
	{ "admin: the host", "admin", ROLE_ADMIN, NULL, true },
	{ "admin: any app", "admin", ROLE_ADMIN, "shop", true },
	{ "deploy on all apps is not the host", "deploy", ROLE_ADMIN, NULL, false },
	{ "admin of an app is not the host", "admin:shop", ROLE_ADMIN, NULL, false },
	{ "admin of an app destroys it", "admin:shop", ROLE_ADMIN, "shop", true },
	{ "admin of an app reads it", "admin:shop", ROLE_READ, "shop", true },
	{ "deploy is not admin", "deploy:shop", ROLE_ADMIN, "shop", false },
	{ "read is not deploy", "read:shop", ROLE_DEPLOY, "shop", false },
	{ "a name is the whole name", "read:shop", ROLE_READ, "shop-2", false },
	{ "a glob", "read:shop-*", ROLE_READ, "shop-2", true },
	{ "a glob takes a dot too", "read:*", ROLE_READ, "a.b", true },
	{ "one character", "read:sho?", ROLE_READ, "shop", true },
	{ "the second grant", "read:blog,deploy:shop", ROLE_DEPLOY, "shop", true },
	{ "grants do not mix", "deploy:blog,read:shop", ROLE_DEPLOY, "shop", false },
	{ "whoever has a key", "read:blog", ROLE_NONE, NULL, true },
};

static void allows(void **state)
{
	const struct granted *row = *state;
	_cleanup_(grants_done) struct grants g = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	if (row->grants)
		assert_int_equal(grants_parse(&g, row->grants, &e), 0);
	assert_int_equal(grants_allow(row->grants ? &g : NULL, row->role, row->app), row->want);
	_cleanup_(freep) char *text = grants_text(&g);
	assert_string_equal(text, row->grants && !str_eq(row->grants, "read:*") ? row->grants
				  : row->grants                                 ? "read"
										: "");
}

static void refuses_what_is_no_grant(void **state UNUSED)
{
	static const char *const bad[] = { "",         ",",           "root",      "read:",
					   "Admin",    "admin:A",     "read:a b",  "read:[a]",
					   "read:a,b", "deploy:../x", "read:$(id)" };

	for (size_t i = 0; i < COUNT(bad); i++) {
		_cleanup_(grants_done) struct grants g = { 0 };
		_cleanup_(err_freep) struct err *e = NULL;

		assert_int_equal(grants_parse(&g, bad[i], &e), ERR_REFUSED);
		assert_int_equal(g.n, 0);
		assert_false(grants_allow(&g, ROLE_READ, "a"));
	}
}

/* --- real programs in a directory of the test ------------------------------------------------------------
 */

struct place {
	char *dir, *root, *work; /* work: a clone to commit in */
};

static void must(const char *cwd, const char *const *args)
{
	_cleanup_(strv_done) struct strv argv = { 0 }, env = { 0 };
	_cleanup_(freep) char *program = find_program(args[0], getenv("PATH")), *out = NULL;
	_cleanup_(err_freep) struct err *e = NULL;

	assert_non_null(program);
	STRV_ADD(&argv, program);
	strv_add(&argv, args + 1);
	strv_addf(&env, "PATH=%s", getenv("PATH"));
	STRV_ADD(&env, "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		 "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a",
		 "GIT_COMMITTER_EMAIL=a@example.com", "GIT_ALLOW_PROTOCOL=file");
	int r = proc_run(argv.v, env.v, cwd, 60000, &out, &e);
	if (r != 0)
		print_message("%s %s: %d %s\n", args[0], args[1], r, out ? out : e->msg);
	assert_int_equal(r, 0);
}
#define MUST(cwd, ...) must(cwd, (const char *const[]){ __VA_ARGS__, NULL })

static void write_text(const char *dir, const char *name, const char *text)
{
	_cleanup_(freep) char *path = path_join(dir, name);

	assert_int_equal(file_replace(path, text, strlen(text), 0644, NULL), 0);
}

static char *read_text(const char *dir, const char *name)
{
	_cleanup_(freep) char *path = path_join(dir, name);
	char *text = NULL;

	(void) file_read(path, 1 << 20, &text, NULL, NULL);
	return text;
}

static bool is_there(const char *dir, const char *name)
{
	_cleanup_(freep) char *path = path_join(dir, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static int place_make(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);

	p->dir = xstrdup("/tmp/slipway-source-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	p->root = path_join(p->dir, "it's a \"root\" $(id) \\x");
	p->work = path_join(p->dir, "work");
	(void) mkdir(p->root, 0700);
	(void) mkdir(p->work, 0700);
	MUST(p->work, "git", "init", "-q", "-b", "main");
	write_text(p->work, "hello", "one\n");
	MUST(p->work, "git", "add", "hello");
	MUST(p->work, "git", "commit", "-qm", "first\n\nbody");
	*state = p;
	return 0;
}

static int place_remove(void **state)
{
	struct place *p = *state;

	(void) unsetenv("SLIPWAY_ALLOW_FILE_SUBMODULES");
	(void) unsetenv("SLIPWAY_AUTHORIZED_KEYS");
	(void) tree_remove(p->dir, NULL);
	free(p->dir);
	free(p->root);
	free(p->work);
	free(p);
	return 0;
}

/* Pushes what is in work, without the hook. */
static void push(const struct place *p, const char *refspec)
{
	_cleanup_(freep) char *repo = root_repo(p->root, "blog"),
			      *hook = path_join(repo, "hooks/post-receive");

	(void) unlink(hook);
	MUST(p->work, "git", "push", "-q", "--force", repo, refspec);
}

static void makes_a_repository(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *repo = root_repo(p->root, "blog"), *hook = NULL, *again = NULL;
	_cleanup_(err_freep) struct err *e = NULL;

	assert_false(git_repo_exists(p->root, "blog"));
	assert_int_equal(git_repo_make(p->root, "blog", &e), 1);
	assert_true(git_repo_exists(p->root, "blog"));
	assert_int_equal(git_repo_has_refs(p->root, "blog", &e), 0);
	hook = read_text(repo, "hooks/post-receive");
	assert_non_null(strstr(hook, "git-hook blog\n"));
	assert_false(is_there(repo, "hooks/update.sample"));

	write_text(repo, "hooks/post-receive", "#!/bin/sh\n# of an older version\n");
	assert_int_equal(git_repo_make(p->root, "blog", &e), 0);
	again = read_text(repo, "hooks/post-receive");
	assert_string_equal(again, hook);
}

/* What `git init` leaves when it is killed, or when the disk is full. */
static void half_a_repository_is_none(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *repo = root_repo(p->root, "blog"), *refs = path_join(repo, "refs"),
			      *object = path_join(repo, "objects/ab/cd");
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(dir_make(refs, 0700, &e), 0);
	write_text(repo, "HEAD", "ref: refs/heads/main\n");
	assert_false(git_repo_exists(p->root, "blog"));
	assert_int_equal(git_repo_make(p->root, "blog", &e), 1); /* made whole */
	assert_int_equal(git_repo_has_refs(p->root, "blog", &e), 0);
	assert_int_equal(git_repo_forget(p->root, "blog", -1, &e), 1);
	assert_false(is_dir(repo));
	assert_int_equal(git_repo_forget(p->root, "blog", -1, &e), 0);

	assert_int_equal(dir_make(refs, 0700, &e), 0);
	write_text(repo, "HEAD", "");
	assert_int_equal(git_repo_forget(p->root, "blog", -1, &e), 1); /* as it is */
	assert_false(is_dir(repo));

	assert_int_equal(dir_make(object, 0700, &e), 0);
	write_text(repo, "objects/ab/cd/ef", "somebody's work");
	assert_int_equal(git_repo_forget(p->root, "blog", -1, &e), 0);
	assert_true(is_there(repo, "objects/ab/cd/ef"));
}

static void only_an_empty_repository_is_forgotten(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *repo = root_repo(p->root, "blog");
	_cleanup_(closep) int held = -1;
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(git_repo_make(p->root, "blog", &e), 1);
	held = open(repo, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_SH), 0);
	assert_int_equal(git_repo_forget(p->root, "blog", -1, &e), 0); /* a push is under way */
	push(p, "main:refs/heads/main");
	assert_int_equal(git_repo_forget(p->root, "blog", held, &e), 0);
	assert_true(git_repo_exists(p->root, "blog"));
}

static void the_hook_survives_any_path(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *repo = root_repo(p->root, "blog");
	_cleanup_(freep) char *text = NULL, *out = NULL, *root = NULL;
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(git_repo_make(p->root, "blog", &e), 1);
	text = read_text(repo, "hooks/post-receive");
	char *exec = text ? strstr(text, "exec ") : NULL;
	assert_non_null(exec);
	memcpy(exec, "env\n#", 5); /* shows what the program would be given */
	char *argv[] = { (char *) "/bin/sh", (char *) "-c", text, NULL },
	     *envp[] = { (char *) "PATH=/usr/bin:/bin", NULL };
	assert_int_equal(proc_run(argv, envp, NULL, 60000, &out, &e), 0);
	root = xasprintf("SLIPWAY_ROOT=%s\n", p->root);
	assert_non_null(strstr(out, root));
}

static void remembers_what_was_pushed(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *commit = NULL, *again = NULL, *ref = NULL, *subject = NULL, *none = NULL;
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(git_repo_make(p->root, "blog", &e), 1);
	assert_int_equal(git_pushed(p->root, "blog", &commit, &ref, NULL), ERR_NOT_FOUND);
	push(p, "main:refs/heads/trunk");
	assert_int_equal(git_repo_has_refs(p->root, "blog", &e), 1);
	assert_int_equal(git_resolve(p->root, "blog", "HEAD", &commit, NULL), ERR_NOT_FOUND);
	assert_int_equal(git_set_head(p->root, "blog", "refs/heads/trunk", &e), 0);
	assert_int_equal(git_resolve(p->root, "blog", "HEAD", &commit, &e), 0);
	assert_int_equal(git_set_pushed(p->root, "blog", commit, "refs/heads/trunk", &e), 0);
	assert_int_equal(git_pushed(p->root, "blog", &again, &ref, &e), 0);
	assert_string_equal(again, commit);
	assert_string_equal(ref, "refs/heads/trunk");
	assert_int_equal(git_subject(p->root, "blog", commit, &subject, NULL), 0);
	assert_string_equal(subject, "first");
	assert_int_equal(git_subject(p->root, "blog", "--output=x", &none, NULL), ERR_NOT_FOUND);
}

static void resolves_no_hostile_revision(void **state)
{
	const struct place *p = *state;
	static const char *const bad[] = { "--upload-pack=id", "-h",   "main; id", "$(id)", "", "nope",
					   "main\nid",         "--all" };

	assert_int_equal(git_repo_make(p->root, "blog", NULL), 1);
	push(p, "main");
	for (size_t i = 0; i < COUNT(bad); i++) {
		char *commit = NULL;

		assert_int_equal(git_resolve(p->root, "blog", bad[i], &commit, NULL), ERR_NOT_FOUND);
	}
}

/* --- checkouts -------------------------------------------------------------------------------------------
 */

static void remember_line(void *ctx, const char *line)
{
	STRV_ADD((struct strv *) ctx, line);
}

/* Pushes main and checks it out into release/src. */
static int check_out(const struct place *p, const char *release, struct strv *log, struct err **e)
{
	_cleanup_(freep) char *commit = NULL, *src = path_join(release, "src");

	assert_true(git_repo_make(p->root, "blog", NULL) >= 0);
	push(p, "main");
	assert_int_equal(git_resolve(p->root, "blog", "main", &commit, NULL), 0);
	assert_int_equal(dir_make(release, 0700, NULL), 0);
	return git_checkout(p->root, "blog", commit, src, log ? remember_line : NULL, log, e);
}

static void checks_out_what_was_committed(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *release = path_join(p->root, "releases/blog/v1"), *hello = NULL;
	_cleanup_(freep) char *link = path_join(p->work, "link"), *run = path_join(p->work, "run me");
	_cleanup_(freep) char *repo = root_repo(p->root, "blog"), *marker = path_join(p->dir, "smudged");
	_cleanup_(freep) char *smudge = xasprintf("tee '%s'", marker);
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(strv_done) struct strv names = { 0 };
	struct stat st;

	assert_int_equal(symlink("/etc/passwd", link), 0);
	write_text(p->work, "run me", "#!/bin/sh\n");
	assert_int_equal(chmod(run, 0755), 0);
	write_text(p->work, ".gitattributes", "* filter=evil\n");
	MUST(p->work, "git", "add", "-A");
	MUST(p->work, "git", "commit", "-qm", "second");
	/* what somebody wrote into the repository's configuration is not obeyed */
	assert_int_equal(git_repo_make(p->root, "blog", NULL), 1);
	MUST(repo, "git", "config", "filter.evil.smudge", smudge);
	assert_int_equal(check_out(p, release, NULL, &e), 0);

	_cleanup_(freep) char *src = path_join(release, "src"), *there = path_join(src, "link");
	hello = read_text(src, "hello");
	assert_string_equal(hello, "one\n");
	assert_int_equal(lstat(there, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	str_set(&there, NULL);
	there = path_join(src, "run me");
	assert_int_equal(access(there, X_OK), 0);
	assert_false(file_exists(marker));
	assert_false(is_there(src, ".git"));
	assert_int_equal(dir_list(release, &names, NULL), 0);
	assert_int_equal(names.n, 1); /* src alone */
}

static void refuses_what_is_no_commit(void **state)
{
	const struct place *p = *state;
	static const char *const bad[] = { "main", "--index-output=x", ZERO, "1111", "" };
	_cleanup_(freep) char *src = path_join(p->dir, "src"), *git_dir = path_join(p->dir, "git");
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(git_repo_make(p->root, "blog", NULL), 1);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(git_checkout(p->root, "blog", bad[i], src, NULL, NULL, NULL), ERR_REFUSED);
	assert_false(file_exists(src));
	assert_int_equal(git_checkout(p->root, "blog", ONE, src, NULL, NULL, &e), ERR_FAILED);
	assert_false(file_exists(src)); /* nothing half done stays */
	assert_false(file_exists(git_dir));
}

/* A repository "lib" that has "deep" as its submodule, both beside the app's; work takes lib in by url. */
static void add_submodules(const struct place *p, const char *url)
{
	_cleanup_(freep) char *deep = path_join(p->dir, "deep"), *lib = path_join(p->dir, "lib"),
			      *modules = NULL;

	assert_int_equal(mkdir(deep, 0700), 0);
	MUST(deep, "git", "init", "-q", "-b", "main");
	write_text(deep, "bottom", "deep\n");
	MUST(deep, "git", "add", "-A");
	MUST(deep, "git", "commit", "-qm", "deep");
	assert_int_equal(mkdir(lib, 0700), 0);
	MUST(lib, "git", "init", "-q", "-b", "main");
	MUST(lib, "git", "submodule", "--quiet", "add", deep, "inner");
	MUST(lib, "git", "config", "-f", ".gitmodules", "submodule.inner.url",
	     "../deep"); /* relative to lib's own */
	MUST(lib, "git", "add", "-A");
	MUST(lib, "git", "commit", "-qm", "lib");
	MUST(p->work, "git", "submodule", "--quiet", "add", "--name", "a lib", lib, "vendor/lib");
	modules = xasprintf("[submodule \"a lib\"]\n\tpath = vendor/lib\n\turl = %s\n", url ? url : lib);
	write_text(p->work, ".gitmodules", modules);
	MUST(p->work, "git", "add", "-A");
	MUST(p->work, "git", "commit", "-qm", "with a submodule");
}

static void checks_out_submodules(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *release = path_join(p->root, "releases/blog/v1"), *bottom = NULL;
	_cleanup_(err_freep) struct err *e = NULL;
	_cleanup_(strv_done) struct strv log = { 0 }, names = { 0 };

	add_submodules(p, NULL);
	assert_int_equal(setenv("SLIPWAY_ALLOW_FILE_SUBMODULES", "1", 1), 0);
	int r = check_out(p, release, &log, &e);
	_cleanup_(freep) char *text = err_text(e), *lines = strv_join(&log, "\n");
	if (r < 0)
		print_message("%s\n", text);
	assert_int_equal(r, 0);
	bottom = read_text(release, "src/vendor/lib/inner/bottom");
	assert_string_equal(bottom, "deep\n");
	assert_false(is_there(release, "src/.git"));
	assert_false(is_there(release, "src/vendor/lib/.git"));
	assert_false(is_there(release, "src/vendor/lib/inner/.git"));
	assert_int_equal(dir_list(release, &names, NULL), 0);
	assert_int_equal(names.n, 1);
	assert_non_null(strstr(lines, "vendor/lib"));
}

static void a_relative_submodule_is_beside_the_pushed_repository(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *release = path_join(p->root, "releases/blog/v1"),
			      *sibling = root_repo(p->root, "lib");
	_cleanup_(err_freep) struct err *e = NULL;

	add_submodules(p, "../lib");
	assert_int_equal(git_repo_make(p->root, "lib", NULL), 1);
	_cleanup_(freep) char *lib = path_join(p->dir, "lib"),
			      *hook = path_join(sibling, "hooks/post-receive");
	(void) unlink(hook);
	MUST(lib, "git", "push", "-q", sibling, "main");
	MUST(lib, "git", "config", "-f", ".gitmodules", "--get", "submodule.inner.url");
	assert_int_equal(setenv("SLIPWAY_ALLOW_FILE_SUBMODULES", "1", 1), 0);
	/* lib is found; its own "../deep" is beside it, where nothing is */
	assert_int_equal(check_out(p, release, NULL, &e), ERR_FAILED);
	_cleanup_(freep) char *text = err_text(e);
	assert_non_null(strstr(text, "/repos/deep' does not exist"));
	assert_false(is_there(release, "src"));
}

static void a_failing_submodule_fails(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *release = path_join(p->root, "releases/blog/v1");
	_cleanup_(err_freep) struct err *e = NULL;

	add_submodules(p, NULL); /* a local path, which only the operator may allow */
	assert_int_equal(check_out(p, release, NULL, &e), ERR_FAILED);
	_cleanup_(freep) char *text = err_text(e);
	assert_non_null(strstr(text, "fetching submodules (a URL in .gitmodules is local or relative"));
	assert_false(is_there(release, "src"));
	assert_false(is_there(release, "git"));
}

static void no_submodule_by_a_helper(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *release = path_join(p->root, "releases/blog/v1"),
			      *marker = path_join(p->dir, "ran");
	_cleanup_(freep) char *url = xasprintf("ext::sh -c touch%% %s", marker);
	_cleanup_(err_freep) struct err *e = NULL;

	add_submodules(p, url);
	assert_int_equal(setenv("SLIPWAY_ALLOW_FILE_SUBMODULES", "1", 1), 0);
	assert_int_equal(check_out(p, release, NULL, &e), ERR_FAILED);
	assert_false(file_exists(marker));
}

/* --- keys ------------------------------------------------------------------------------------------------
 */

/* A new key pair at dir/name; the public line, to be freed. */
static char *key_make(const struct place *p, const char *name, const char *type, const char *comment)
{
	_cleanup_(freep) char *path = path_join(p->dir, name), *public = xasprintf("%s.pub", name);

	MUST(p->dir, "ssh-keygen", "-q", "-t", type, "-N", "", "-C", comment, "-f", path);
	return read_text(p->dir, public);
}

static void reads_every_key_of_a_file(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *one = key_make(p, "one", "ed25519", "Alice B@laptop; $(id)");
	_cleanup_(freep) char *two = key_make(p, "two", "ecdsa", "");
	_cleanup_(freep) char *text = xasprintf("# team\n\n%s\r\n  %s", one, two);
	_cleanup_(ssh_keys_done) struct ssh_keys keys = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	assert_int_equal(ssh_keys_parse(&keys, text, "team.pub", &e), 0);
	assert_int_equal(keys.n, 2);
	assert_string_equal(keys.v[0].name, "Alice-B@laptop----id-");
	assert_string_equal(keys.v[0].type, "ssh-ed25519");
	assert_int_equal(keys.v[0].line, 3);
	assert_true(str_starts(keys.v[0].fingerprint, "SHA256:"));
	assert_string_equal(keys.v[1].name, "default");
}

static void refuses_files_with_anything_else(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *good = key_make(p, "good", "ed25519", "x"),
			      *private = read_text(p->dir, "good");
	_cleanup_(freep) char *options = xasprintf("command=\"id\",no-pty %s", good);
	_cleanup_(freep) char *cut = xasprintf("%s\n%.40s\n", good, good),
			      *mixed = xasprintf("%snonsense\n%s", good, good);
	_cleanup_(freep) char *both = xasprintf("nonsense\n%s%s", good, options);
	_cleanup_(freep) char *type = xasprintf("ssh-rsa %s", good + strlen("ssh-ed25519 "));
	const struct {
		const char *text, *says;
	} rows[] = {
		{ options, "line 1: options before the key" },
		{ private, "line 1: this is a private key" },
		{ "garbage\n", "line 1: not a public key" },
		{ "", "there is no key in it" },
		{ "# nothing\n", "there is no key in it" },
		{ cut, "line 3: ssh-keygen cannot read this key" },
		{ mixed, "line 2: not a public key" },
		{ both, "line 1: not a public key; line 3: options" },
		{ "ssh-ed25519\n", "line 1: ssh-keygen cannot read" },
		{ "ssh-dss AAAA x\n", "line 1: keys of this type" },
		{ type, "line 1: ssh-keygen cannot read" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_(ssh_keys_done) struct ssh_keys keys = { 0 };
		_cleanup_(err_freep) struct err *e = NULL;

		assert_int_equal(ssh_keys_parse(&keys, rows[i].text, "k.pub", &e), ERR_REFUSED);
		assert_int_equal(keys.n, 0);
		if (!strstr(e->msg, rows[i].says))
			print_message("%s\n", e->msg);
		assert_non_null(strstr(e->msg, rows[i].says));
	}
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void keys_come_and_go(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *dir = path_join(p->dir, "home/.ssh"),
			      *file = path_join(dir, "authorized_keys");
	_cleanup_(freep) char *one = key_make(p, "one", "ed25519", "alice"),
			      *two = key_make(p, "two", "ed25519", "bob");
	_cleanup_(freep) char *old = key_make(p, "old", "ed25519", "carol"),
			      *login = key_make(p, "login", "ed25519", "");
	_cleanup_(freep) char *both = xasprintf("%s%s", one, two), *before = NULL, *first = NULL,
			      *second = NULL;
	_cleanup_(ssh_keys_done) struct ssh_keys keys = { 0 }, list = { 0 }, admin = { 0 }, rest = { 0 };
	_cleanup_(strv_done) struct strv added = { 0 };
	_cleanup_(err_freep) struct err *e = NULL;

	/* an old entry of Piku's and the operator's own key, without a newline at the end */
	assert_int_equal(dir_make(dir, 0755, NULL), 0);
	before = xasprintf(
		"# mine\ncommand=\"FINGERPRINT=SHA256:abc NAME=default /p/piku.py $SSH_ORIGINAL_COMMAND\","
		"no-agent-forwarding,no-user-rc %s%.*s",
		old, (int) strlen(login) - 1, login);
	assert_int_equal(file_replace(file, before, strlen(before), 0644, NULL), 0);

	assert_int_equal(ssh_keys_parse(&keys, both, "k", &e), 0);
	assert_int_equal(ssh_keys_install(file, &keys, "/opt/my tools/slipway", p->root, &added, &e), 0);
	assert_int_equal(added.n, 2);
	assert_int_equal(mode_of(dir), 0700);
	assert_int_equal(mode_of(file), 0600);
	first = read_text(dir, "authorized_keys");
	assert_true(str_starts(first, before));
	MUST(p->dir, "ssh-keygen", "-l", "-f", file); /* every line is one for OpenSSH */

	assert_int_equal(ssh_keys_install(file, &keys, "/opt/my tools/slipway", p->root, &added, &e), 0);
	assert_int_equal(added.n, 2);
	second = read_text(dir, "authorized_keys");
	assert_string_equal(second, first);

	assert_int_equal(ssh_keys_list(file, &list, &e), 0);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.v[0].fingerprint, "SHA256:abc");
	assert_string_equal(list.v[0].name, "default");
	assert_string_equal(list.v[1].name, "alice");
	assert_string_equal(list.v[1].fingerprint, keys.v[0].fingerprint);
	assert_string_equal(list.v[1].public_key, keys.v[0].public_key);
	assert_true(str_starts(one, keys.v[0].public_key));

	/* sshd would take the operator's unrestricted line */
	assert_int_equal(ssh_keys_parse(&admin, login, "k", &e), 0);
	assert_int_equal(ssh_keys_install(file, &admin, "/slipway", p->root, &added, &e), ERR_REFUSED);

	assert_int_equal(ssh_keys_remove(file, "nobody", NULL), ERR_NOT_FOUND);
	assert_int_equal(ssh_keys_remove(file, "alice", &e), 0);
	assert_int_equal(ssh_keys_remove(file, keys.v[1].fingerprint, &e), 0);
	assert_int_equal(ssh_keys_remove(file, "SHA256:abc", &e), 0);
	assert_int_equal(ssh_keys_list(file, &rest, &e), 0);
	assert_int_equal(rest.n, 0);
	_cleanup_(freep) char *left = read_text(dir, "authorized_keys"),
			      *want = xasprintf("# mine\n%s", login);
	assert_string_equal(left, want);
}

static void refuses_a_path_that_breaks_the_line(void **state)
{
	const struct place *p = *state;
	_cleanup_(freep) char *file = path_join(p->dir, "keys/authorized_keys");
	_cleanup_(freep) char *one = key_make(p, "one", "ed25519", "alice");
	_cleanup_(ssh_keys_done) struct ssh_keys keys = { 0 };
	_cleanup_(strv_done) struct strv added = { 0 };

	assert_int_equal(ssh_keys_parse(&keys, one, "k", NULL), 0);
	assert_int_equal(ssh_keys_install(file, &keys, "/slipway", "/a\nssh-ed25519 AAAA", &added, NULL),
			 ERR_REFUSED);
	assert_false(file_exists(file));
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

int main(void)
{
	static const struct CMUnitTest fixed[] = {
		cmocka_unit_test(refuses_what_is_no_hook_input),
		cmocka_unit_test(refuses_what_is_no_grant),
		cmocka_unit_test(refuses_a_megabyte),
		cmocka_unit_test(knows_gits_protocols),
		IN_PLACE(makes_a_repository),
		IN_PLACE(half_a_repository_is_none),
		IN_PLACE(only_an_empty_repository_is_forgotten),
		IN_PLACE(the_hook_survives_any_path),
		IN_PLACE(remembers_what_was_pushed),
		IN_PLACE(resolves_no_hostile_revision),
		IN_PLACE(checks_out_what_was_committed),
		IN_PLACE(refuses_what_is_no_commit),
		IN_PLACE(checks_out_submodules),
		IN_PLACE(a_relative_submodule_is_beside_the_pushed_repository),
		IN_PLACE(a_failing_submodule_fails),
		IN_PLACE(no_submodule_by_a_helper),
		IN_PLACE(reads_every_key_of_a_file),
		IN_PLACE(refuses_files_with_anything_else),
		IN_PLACE(keys_come_and_go),
		IN_PLACE(refuses_a_path_that_breaks_the_line),
	};
	struct CMUnitTest tests[COUNT(choices) + COUNT(asked) + COUNT(granted) + COUNT(fixed)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(choices); i++)
		tests[n++] =
			(struct CMUnitTest){ choices[i].name, chooses, NULL, NULL, (void *) &choices[i] };
	for (size_t i = 0; i < COUNT(asked); i++)
		tests[n++] = (struct CMUnitTest){ asked[i].name, parses, NULL, NULL, (void *) &asked[i] };
	for (size_t i = 0; i < COUNT(granted); i++)
		tests[n++] = (struct CMUnitTest){ granted[i].name, allows, NULL, NULL, (void *) &granted[i] };
	for (size_t i = 0; i < COUNT(fixed); i++)
		tests[n++] = fixed[i];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
