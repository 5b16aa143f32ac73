/* What the one who pushes reads: step names with times, details indented, the outcome in one line. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/printable.h"
#include "deploy/deploy-internal.h"
#include "plan/root.h"
#include "source/git.h"

static void print(const char *mark, const char *fmt, va_list args)
{
	_cleanup_(freep) char *raw = xvasprintf(fmt, args), *text = printable_text(raw);
	_cleanup_(strv_done) struct strv lines = { 0 };

	/* Indented from the second line on: none of them can pass for one of ours. */
	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++)
		(void) printf("%s%s\n", i ? "       " : mark, lines.v[i]);
}

#define PRINT(mark)                                                                                          \
	do {                                                                                                 \
		va_list args;                                                                                \
		va_start(args, fmt);                                                                         \
		print(mark, fmt, args);                                                                      \
		va_end(args);                                                                                \
	} while (0)

void say(const char *fmt, ...)
{
	PRINT("-----> ");
}

void say_detail(const char *fmt, ...)
{
	PRINT("       ");
}

void say_warning(const char *fmt, ...)
{
	PRINT("Warning: ");
}

static void say_error(const char *fmt, ...) PRINTF(1, 2);

static void say_error(const char *fmt, ...)
{
	PRINT("Error: ");
}

void say_problems(const struct problems *p)
{
	for (size_t i = 0; i < p->n; i++) {
		_cleanup_(freep) char *text = problem_text(&p->v[i]);

		if (p->v[i].severity == SEVERITY_ERROR)
			say_error("%s", text);
		else
			say_warning("%s", text);
	}
}

void report_begin(const struct deploy *d)
{
	say("%s app '%s'%s%s", d->kind->title, d->row.app, d->row.by ? ", asked for by " : "",
	    d->row.by ? d->row.by : "");
}

void report_step(const struct deploy *d UNUSED, const char *name, int64_t took_ms)
{
	(void) printf("       %-7s %" PRId64 ".%02" PRId64 " s\n", name, took_ms / 1000, took_ms % 1000 / 10);
}

static char *url_of(const struct deploy *d)
{
	const struct router_ops *router = d->plan.router ? router_find(d->plan.router) : NULL;

	return router && router->url ? router->url(&d->host, &d->plan) : NULL;
}

/* Where the app is reached, or why nowhere (Piku spec P8). */
static void report_address(const struct deploy *d)
{
	_cleanup_(freep) char *url = url_of(d);
	const struct plan_service *web = plan_routed_service(&d->plan);

	if (url)
		say_detail("%s", url);
	else if (web && d->n_targets && targets_of((struct deploy *) d, web, 1))
		say_detail("no host name: set NGINX_SERVER_NAME to route one to it; here it answers on %s:%u",
			   d->plan.bind_address, targets_of((struct deploy *) d, web, 1)->port);
}

void report_success(const struct deploy *d, int64_t took_ms)
{
	static const struct {
		const char *kind, *text;
	} done[] = {
		{ "stop", "is stopped" },      { "destroy", "is destroyed" }, { "scale", "is scaled" },
		{ "restart", "is restarted" }, { "start", "is started" },
	};
	_cleanup_(freep) char *what = NULL;

	for (size_t i = 0; i < COUNT(done); i++)
		if (str_eq(done[i].kind, d->row.kind))
			what = xasprintf("'%s' %s", d->row.app, done[i].text);
	if (!what)
		what = xasprintf(d->is_activated ? "v%ld of '%s' is live"
						 : "v%ld of '%s' is ready; `restart` makes it live",
				 d->version, d->row.app);
	(void) printf("=====> %s (%" PRId64 ".%02" PRId64 " s)\n", what, took_ms / 1000, took_ms % 1000 / 10);
	if (d->is_activated && d->plan.app)
		report_address(d);
}

void report_failure(const struct deploy *d, const char *step, const struct err *e, bool is_rolled_back)
{
	_cleanup_(freep) char *why = err_text(e), *log = root_deploy_log(d->root, d->row.app, d->row.id);

	say_error("%s failed: %s", step, why);
	say_detail("log: %s", log);
	if (d->row.from_version && is_rolled_back)
		say_detail("v%" PRId64 " was put back and is live.", d->row.from_version);
	else if (d->row.from_version)
		say_detail("nothing was changed: v%" PRId64 " is still %s.", d->row.from_version,
			   d->app.is_stopped ? "stopped" : "live");
	else
		say_detail("nothing is live: '%s' has no release yet.", d->row.app);
	if (str_eq(d->row.kind, "deploy"))
		say_detail("mend it and push again; the same commit is tried again by: slipway deploy %s "
			   "--force",
			   d->row.app);
}

enum { TAIL_LINES = 12 };

/* As the log keeper stamps lines; such texts compare like the times they stand for. */
static char *stamp_of(int64_t ms)
{
	_cleanup_(freep) char *seconds = time_text(ms / 1000);

	seconds[strlen(seconds) - 1] = '\0'; /* without the Z */
	return xasprintf("%s.%03d", seconds, (int) (ms % 1000));
}

void report_log_tail(const struct deploy *d, const struct target *t)
{
	_cleanup_(freep) char *path = root_log(d->root, d->row.app, t->service->name, t->ordinal),
			      *text = NULL;
	_cleanup_(freep) char *since = stamp_of(t->started_ms);
	_cleanup_(strv_done) struct strv lines = { 0 };

	if (file_read(path, 64 << 20, &text, NULL, NULL) < 0)
		return;
	strv_split(&lines, text, "\n");
	size_t first = lines.n > TAIL_LINES ? lines.n - TAIL_LINES : 0;
	while (first < lines.n && strncmp(lines.v[first], since, strlen(since)) < 0)
		first++;
	if (first < lines.n)
		say_detail("the last it wrote:");
	for (; first < lines.n; first++) {
		const char *blank = strchr(lines.v[first], ' ');

		say_detail("%s.%u | %s", t->service->name, t->ordinal, blank ? blank + 1 : lines.v[first]);
	}
}
