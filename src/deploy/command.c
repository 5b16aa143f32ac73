/* A command of the release in its sandbox, its output indented in the deployment's log. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/printable.h"
#include "deploy/deploy-internal.h"
#include "plan/root.h"
#include "runner/launch.h"

struct indenter {
	struct printable printable;
	bool is_inside; /* of a line */
};

static void indent_lines(struct indenter *in, const char *data, size_t n)
{
	const char *end = data + n;

	while (data < end) {
		const char *eol = memchr(data, '\n', (size_t) (end - data)), *stop = eol ? eol + 1 : end;

		if (!in->is_inside)
			(void) fputs("       ", stdout);
		(void) fwrite(data, 1, (size_t) (stop - data), stdout);
		in->is_inside = !eol;
		data = stop;
	}
}

/* A line that is written over and over (a progress bar) becomes lines. */
static void indent(void *ctx, const char *data, size_t n)
{
	struct indenter *in = ctx;
	_cleanup_(strb_done) struct strb text = STRB(SIZE_MAX / 2);

	for (size_t i = 0; i < n; i++) {
		bool is_over = data[i] == '\r' && i + 1 < n && data[i + 1] != '\n' && data[i + 1] != '\r';

		printable_add(&in->printable, &text, is_over ? "\n" : data + i, 1);
	}
	if (text.len)
		indent_lines(in, text.s, text.len);
	(void) fflush(stdout);
}

static void end_indent(struct indenter *in)
{
	_cleanup_(strb_done) struct strb text = STRB(64);

	printable_end(&in->printable, &text);
	if (in->is_inside)
		(void) printf("%s\n", text.s ? text.s : "");
}

/* The cgroup of one command, where there is a tree of them. */
struct confined {
	struct cgroup_tree tree;
	char *group;
};

static void confined_done(struct confined *c)
{
	if (c->group)
		cgroup_remove(c->group);
	free(c->group);
	cgroup_tree_done(&c->tree);
}

/* Started in it, as nothing runs between its start and its first instruction. */
static int start(struct deploy *d, struct proc *p, struct confined *in, const struct limits *limits,
		 struct err **e)
{
	_cleanup_(freep) char *path = root_cgroup(d->root),
			      *name = xasprintf("%s:build:%d", d->row.app, (int) getpid());
	int r = cgroup_tree_read(&in->tree, path, e);

	if (r >= 0)
		r = cgroup_visit(&in->tree, name, limits, &in->group, e);
	if (r < 0)
		return r;
	r = proc_start(p, e);
	if (in->group)
		cgroup_leave(&in->tree);
	/* so that it may open /dev/stdout */
	if (r >= 0 && d->user.active && p->pipe >= 0)
		(void) fchown(p->pipe, (uid_t) d->user.active, (gid_t) d->user.active);
	return r;
}

static int out_of_memory(const struct command_run *c, struct err **e)
{
	_cleanup_(freep) char *limit = limit_text(LIMIT_MEMORY, c->limits->max[LIMIT_MEMORY]);

	return err_set(e, ERR_FAILED, "%s: killed by the kernel: out of memory (LIMIT_MEMORY is %s)", c->what,
		       limit);
}

int command_run(struct deploy *d, const struct command_run *c, struct err **e)
{
	struct launch launch = {
		.spec = &d->spec, .command = c->command, .argv = c->argv, .cwd = c->cwd, .write = c->write
	};
	_cleanup_(strv_done) struct strv argv = { 0 }, envp = { 0 };
	_cleanup_(confined_done) struct confined confined = { 0 };
	struct indenter in = { 0 };
	int r;

	if (c->extra)
		launch.extra = *c->extra;
	launch.uid = (uid_t) d->user.active;
	launch_limit(&launch, d->root, c->limits);
	launch_compose(&launch, &argv, &envp);

	_cleanup_(proc_done) struct proc p = PROC(argv.v);
	p.envp = envp.v;
	p.is_tied = true; /* a repair takes away what it would still be writing */
	p.timeout_ms = c->timeout_ms;
	p.on_output = indent;
	p.ctx = &in;
	(void) fflush(stdout);
	r = start(d, &p, &confined, c->limits, e);
	if (r >= 0)
		r = proc_wait(&p, e);
	end_indent(&in);
	if (r < 0)
		return err_wrap(e, r, "%s", c->what);
	if (p.status == -ETIMEDOUT)
		return err_set(e, ERR_FAILED, "%s: not done within %u s", c->what, c->timeout_ms / 1000);
	if (p.status == 0)
		return 0;
	if (confined.group && cgroup_oom_kills(confined.group) > 0)
		return out_of_memory(c, e);
	r = err_set(e, ERR_FAILED, "%s: exited with status %d", c->what, p.status);
	if (e)
		(*e)->status = p.status;
	return r;
}
