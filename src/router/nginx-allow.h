/*
 * What may stand in a file that root's nginx is to read, though somebody else wrote it: directives that
 * serve, none that load code, nor write, make or open files as nginx's master does (as root).
 */
#pragma once

#include <stddef.h>

/*
 * NULL: nothing is wrong with the text. Else what is, in *line; to be freed. caches: the directory, root's
 * own, in which nginx may make directories for caches, as root; NULL: nothing is to be cached.
 */
char *nginx_allow_fault(const char *text, size_t n, const char *caches, unsigned *line);
