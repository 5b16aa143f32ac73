/* Procfiles (Piku spec section 6): the parser alone; the compiler to a plan is manifest_procfile. */
#pragma once

#include "base/problem.h"
#include "plan/plan.h"

struct procfile_entry {
	char *name; /* the kind as written, blanks turned into '-' */
	char *command;
	int line, column; /* column: of the command */
};

struct procfile {
	struct procfile_entry *v;
	size_t n;
};

/*
 * Reads all entries of a text. Bad lines, duplicates (the last wins, the position of the first stays) and web
 * beside wsgi, jwsgi or rwsgi (web is dropped) are warnings in problems. No entry at all is an error there.
 */
void procfile_parse(struct procfile *ret, const char *text, size_t n, const char *file,
		    struct problems *problems);
void procfile_done(struct procfile *p);
/* A Procfile of more bytes or entries than these is refused. */
enum { PROCFILE_MAX_BYTES = 65536, PROCFILE_MAX_ENTRIES = 200 };
/* What a process type means; preflight and release are asked for separately (false). */
bool procfile_kind(const char *name, enum service_kind *ret);
/* SCALING: "kind:count" lines, blank ones and comments. */
struct scaling_entry {
	char *name;
	unsigned count;
	int line, column; /* column: of the name */
};

struct scaling {
	struct scaling_entry *v;
	size_t n;
};

/* Reads a text; bad lines are errors in problems and are left out, of a kind given twice the last line
 * counts. */
void scaling_parse(struct scaling *ret, const char *text, const char *file, struct problems *problems);
void scaling_done(struct scaling *s);
/* Sets instances of the plan's services; unknown kinds are dropped with a warning, bad counts are errors in
 * problems and leave 1. */
void scaling_apply(struct plan *p, const char *text, const char *file, struct problems *problems);
