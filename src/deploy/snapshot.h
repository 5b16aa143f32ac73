/* What lies in a release's src: recorded before and after the build, so that what the app itself wrote is
 * known. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/str.h"

struct snapshot_entry {
	char *path;  /* relative to src */
	char origin; /* 't': of the repository; 'b': made by the build or the release command */
	char type;   /* 'd', 'l' or 'f' */
	long long size, mtime_ns;
};

struct snapshot {
	struct snapshot_entry *v;
	size_t n;
};

/* Lists src; entries that before (may be NULL) does not have are of origin 'b', else 't'. */
int snapshot_take(struct snapshot *ret, int src_fd, const struct snapshot *before, struct err **e);
int snapshot_read(struct snapshot *ret, const char *path, struct err **e);
int snapshot_write(const struct snapshot *s, const char *path, struct err **e);
const struct snapshot_entry *snapshot_find(const struct snapshot *s, const char *path); /* NULL: not there */
/*
 * The paths below src that the app wrote since the snapshot, topmost only: not caches, sockets, pid files or
 * __pycache__. shared: the paths
 * that are links to shared data; they count only when something else is in the place of the link.
 */
int snapshot_changes(const struct snapshot *s, int src_fd, const struct strv *shared, struct strv *ret,
		     struct err **e);
/* Is dir (relative) a directory in which the repository has nothing but placeholders (.gitkeep, .gitignore
 * ...)? */
bool snapshot_is_placeholder_dir(const struct snapshot *s, const char *dir);
void snapshot_done(struct snapshot *s);
