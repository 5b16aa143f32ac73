/* For logs.c and logs-follow.c: one instance's log on its way to the reader. */
#pragma once

#include <sys/stat.h>

#include "cli/cli.h"

struct log_file {
	char *name;       /* "web.1" */
	char *path;       /* logs/APP/web.1.log */
	int fd;           /* -1: not there */
	struct strb line; /* its last line as far as it was written */
	bool is_early;    /* the last line with a stamp was before --since: so are those without one */
	/* For following. */
	bool is_changed;    /* to be looked at */
	int64_t rotations;  /* that were told of */
	int64_t generation; /* how many there had been when fd became the log; -1: it is still to come */
	bool is_known;      /* the above is so */
};

struct logs {
	struct cli *cli;
	char *dir;
	const char *pattern; /* "web", "web.1", "w*"; NULL: all */
	struct log_file *files;
	size_t n;
	long lines; /* 0: all */
	bool has_times;
	char *since;  /* a stamp; NULL: not asked for */
	bool is_bare; /* without the name of the instance */
	/* For following until something ends; NULL: until it is interrupted. */
	const char *until;       /* the line that contains this is the last one, and not printed */
	struct control *control; /* an answer is to come, which is the end when that line does not follow */
	json_t *answer;
	bool is_ended;
	int notify;   /* inotify on dir, while following */
	bool is_gone; /* the directory, and so the app */
};

/* Is "web.1.log" the log of an instance that was asked for? *name: "web.1", to be freed. */
bool logs_want(const struct logs *l, const char *file, char **name);
/* The file of that instance; added when it is new. */
struct log_file *logs_file(struct logs *l, const char *name);
/* Adds the logs in the directory that were asked for, and sorts them. */
int logs_find(struct logs *l, struct err **e);
/* Drops those that were not asked for (any more). */
void logs_keep_wanted(struct logs *l);
void logs_done(struct logs *l);
/* Prints what of f was not printed yet. */
void logs_print_rest(struct logs *l, struct log_file *f);
/* Prints a line of slipway's own among those of f. */
void logs_print_note(struct logs *l, struct log_file *f, const char *text);
/* Prints new lines as they come, also across rotation, until it is interrupted; where some are gone before
 * they could be read, a line says so. */
int logs_follow(struct logs *l, struct err **e);

/* The length of a line's time stamp and its blank, or 0: a line that the log keeper did not write. */
size_t logs_stamp_length(const char *line);

/* logs-since.c */
/* "10m", "1h30m" or a time becomes a stamp, to be freed. ERR_USAGE. */
int logs_since_read(const char *text, char **ret, struct err **e);
bool logs_stamp_is_since(const char *line, size_t stamp, const char *since);
/* Moves fd to the begin of a line that is not behind the first one to be shown, nor far before it. */
void logs_seek_since(int fd, const char *since);
