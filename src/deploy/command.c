/* A command of the release in its sandbox, its output indented in the deployment's log. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "base/printable.h"
#include "deploy/deploy-internal.h"
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

int command_run(struct deploy *d, const struct command_run *c, struct err **e)
{
	struct launch launch = {
		.spec = &d->spec, .command = c->command, .argv = c->argv, .cwd = c->cwd, .write = c->write
	};
	_cleanup_(strv_done) struct strv argv = { 0 }, envp = { 0 };
	struct indenter in = { 0 };
	int r;

	if (c->extra)
		launch.extra = *c->extra;
	launch_compose(&launch, &argv, &envp);

	_cleanup_(proc_done) struct proc p = PROC(argv.v);
	p.envp = envp.v;
	p.is_tied = true; /* a repair takes away what it would still be writing */
	p.timeout_ms = c->timeout_ms;
	p.on_output = indent;
	p.ctx = &in;
	(void) fflush(stdout);
	r = proc_start(&p, e);
	if (r >= 0)
		r = proc_wait(&p, e);
	end_indent(&in);
	if (r < 0)
		return err_wrap(e, r, "%s", c->what);
	if (p.status == -ETIMEDOUT)
		return err_set(e, ERR_FAILED, "%s: not done within %u s", c->what, c->timeout_ms / 1000);
	if (p.status == 0)
		return 0;
	r = err_set(e, ERR_FAILED, "%s: exited with status %d", c->what, p.status);
	if (e)
		(*e)->status = p.status;
	return r;
}
