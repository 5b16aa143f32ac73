/* Running git: a fixed environment, no configuration of the host's, its last words as the error. */
#include "source/git-internal.h"

#include <fcntl.h>
#include <stdint.h>

#include "base/file.h"
#include "base/proc.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

int source_program(char **ret, const char *name, const char *package, struct err **e)
{
	const char *path = getenv("PATH");
	char *found = find_program(name, path && *path ? path : DEFAULT_PATH);

	if (!found)
		return err_set(e, ERR_MISSING, "%s is not installed: apt install %s", name, package);
	*ret = found;
	return 0;
}

static void keep(struct strv *env, const char *name)
{
	const char *value = getenv(name);

	if (value)
		strv_addf(env, "%s=%s", name, value);
}

void git_environment(struct strv *ret)
{
	static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
					       "ALL_PROXY",  "no_proxy",    "NO_PROXY" };
	const char *path = getenv("PATH");

	strv_addf(ret, "PATH=%s", path && *path ? path : DEFAULT_PATH);
	STRV_ADD(ret, "HOME=/nonexistent", "LC_ALL=C.UTF-8", "GIT_CONFIG_NOSYSTEM=1",
		 "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		 "GIT_ASKPASS=", "SSH_ASKPASS_REQUIRE=never", "GIT_HTTP_LOW_SPEED_LIMIT=1",
		 "GIT_HTTP_LOW_SPEED_TIME=60");
	strv_addf(ret, "GIT_ALLOW_PROTOCOL=https:ssh:git%s",
		  str_eq(getenv("SLIPWAY_ALLOW_FILE_SUBMODULES"), "1") ? ":file" : "");
	for (size_t i = 0; i < COUNT(proxies); i++)
		keep(ret, proxies[i]);
}

/* What a child says: kept as text, handed on line by line. */
struct hearing {
	const struct git_call *call;
	struct strb all, line, last,
		fatal; /* last: the last line that is not blank; fatal: the last of git's errors */
};

static void hear_line(struct hearing *h)
{
	struct span line = span_trim(h->line.s, h->line.s + h->line.len);

	if (line.n > 0) {
		bool is_fatal = str_starts(h->line.s, "fatal: ") || str_starts(h->line.s, "error: ");
		struct strb *to = is_fatal && !h->fatal.len ? &h->fatal : &h->last;

		to->len = 0;
		(void) strb_add(to, line.s, line.n);
		if (h->call->log)
			h->call->log(h->call->ctx, h->line.s);
	}
	h->line.len = 0;
}

static void hear(void *ctx, const char *data, size_t n)
{
	struct hearing *h = ctx;

	if (h->call->out) {
		(void) strb_add(&h->all, data, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (data[i] != '\n' && data[i] != '\r')
			(void) strb_add(&h->line, data + i, 1);
		else if (h->line.len)
			hear_line(h);
	}
}

static int run(const struct git_call *call, struct proc *p, struct hearing *h, struct err **e)
{
	_cleanup_(closep) int null = -1;
	int r;

	p->timeout_ms = call->timeout_ms;
	p->is_tied = true;
	p->cwd = call->work_tree;
	p->on_output = hear;
	p->ctx = h;
	if (call->out)
		p->err = null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	r = proc_start(p, e);
	if (r >= 0)
		r = proc_wait(p, e);
	if (h->line.len)
		hear_line(h);
	if (r < 0)
		return r;
	if (p->status < 0)
		return err_set(e, ERR_FAILED, "git %s did not end within %u s", call->args[0],
			       call->timeout_ms / 1000);
	if (p->status > 0 && !call->out)
		return err_set(e, ERR_FAILED, "git %s: %s", call->args[0],
			       h->fatal.len  ? h->fatal.s
			       : h->last.len ? h->last.s
					     : "failed without a word");
	return p->status;
}

int git_call(const struct git_call *call, struct err **e)
{
	_cleanup_(freep) char *git = NULL;
	_cleanup_(strv_done) struct strv argv = { 0 }, env = { 0 };
	struct hearing h = { call, STRB(1 << 20), STRB(4096), STRB(4096), STRB(4096) };
	int r = source_program(&git, "git", "git", e);

	if (r < 0)
		return r;
	STRV_ADD(&argv, git, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c",
		 "advice.detachedHead=false");
	strv_add(&argv, call->args);
	git_environment(&env);
	strv_addf(&env, "GIT_DIR=%s", call->git_dir);
	if (call->work_tree)
		strv_addf(&env, "GIT_WORK_TREE=%s", call->work_tree);

	_cleanup_(proc_done) struct proc p = PROC(argv.v);
	p.envp = env.v;
	r = run(call, &p, &h, e);
	if (r >= 0 && call->out)
		*call->out = strb_take(&h.all);
	strb_done(&h.all);
	strb_done(&h.line);
	strb_done(&h.last);
	strb_done(&h.fatal);
	return r;
}

bool git_is_commit(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n && strspn(s, "0") < n;
}
