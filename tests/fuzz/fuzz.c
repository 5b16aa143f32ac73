/* See fuzz.h. */
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"

void fuzz_broken(const char *what, const char *file, int line)
{
	(void) fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

char *fuzz_text(const uint8_t *data, size_t size)
{
	return xstrndup((const char *) data, size ? strnlen((const char *) data, size) : 0);
}

char *fuzz_line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
	size_t n = end ? (size_t) (end - *data) : *size;
	char *line = fuzz_text(*data, n);

	*data += n + (end != NULL);
	*size -= n + (end != NULL);
	return line;
}

static char *dir;

static void remove_dir(void)
{
	(void) tree_remove(dir, NULL);
	free(dir);
}

const char *fuzz_dir(void)
{
	const char *in = getenv("TMPDIR");

	if (dir)
		return dir;
	dir = xasprintf("%s/slipway-fuzz.XXXXXX", in ? in : "/tmp");
	if (!mkdtemp(dir) || atexit(remove_dir) != 0)
		abort();
	return dir;
}

char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
	char *path = path_join(fuzz_dir(), name);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write_all(fd, data, size) < 0)
		abort();
	return path;
}
