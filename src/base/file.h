/* Files and directories: whole reads, atomic replacement, confinement to a directory. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

int write_all(int fd, const void *data, size_t n); /* 0 or -errno; goes on after a short write */

/*
 * Replaces a file whole or not at all, also when the power fails: temporary file beside it, fsync, rename,
 * fsync of the directory. Readers see the old content or the new one.
 */
int file_replace(const char *path, const void *data, size_t n, mode_t mode, struct err **e);
/* The same without waiting for the disk, which costs an SD card up to 50 ms: for what is worth nothing once
 * the machine has crashed, or is brought to the disk with much else. */
int file_replace_unsynced(const char *path, const void *data, size_t n, mode_t mode, struct err **e);
/* Reads a regular file of at most max bytes into *ret (NUL-terminated, to be freed). n may be NULL. */
int file_read(const char *path, size_t max, char **ret, size_t *n, struct err **e);
/* The same relative to an open directory, never leaving it nor following magic links (openat2(2)). */
int file_read_beneath(int dir, const char *path, size_t max, char **ret, size_t *n, struct err **e);
int open_beneath(int dir, const char *path, int flags, mode_t mode, struct err **e);
bool file_exists(const char *path);
bool is_dir(const char *path);
/* Makes a directory and its parents; those that exist are left as they are. */
int dir_make(const char *path, mode_t mode, struct err **e);
/* Removes path and everything below it; symbolic links are removed, never followed. Missing counts as done.
 */
int tree_remove(const char *path, struct err **e);
int tree_remove_at(int dir, const char *path, struct err **e); /* path relative to an open directory */
/* The names in a directory, sorted, without "." and "..". A missing directory is empty. */
int dir_list(const char *path, struct strv *ret, struct err **e);
/* Makes or replaces the symbolic link at path atomically. */
int link_replace(const char *target, const char *path, struct err **e);
/* Takes an exclusive lock on the file (made if missing), waiting if wait. Returns the descriptor that holds
 * it, -EWOULDBLOCK when somebody else does and wait is false. */
int file_lock(const char *path, bool wait, struct err **e);
/* "a" + "b" = "a/b"; to be freed. */
char *path_join(const char *a, const char *b);
/* The directory of the running executable, without a trailing slash; to be freed. */
char *exe_dir(void);
/* Finds an executable in a PATH-like list of directories; to be freed. NULL: not there. */
char *find_program(const char *name, const char *path);
