/* What the operator has set, as files: see mark.h. */
#include "plan/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "plan/root.h"

static char *mark_path(const char *root, const char *app, const char *mark)
{
	return root_path(root, "config/%s/%s", app, mark);
}

bool mark_is_set(const char *root, const char *app, const char *mark)
{
	_cleanup_(freep) char *path = mark_path(root, app, mark);

	return file_exists(path);
}

int mark_set(const char *root, const char *app, const char *mark, bool is_set, struct err **e)
{
	_cleanup_(freep) char *path = mark_path(root, app, mark), *dir = root_path(root, "config/%s", app);
	int r;

	if (file_exists(path) == is_set)
		return 0;
	if (!is_set)
		return unlink(path) < 0 && errno != ENOENT ? err_set(e, -errno, "removing %s: %m", path) : 0;
	r = dir_make(dir, 0700, e);
	return r < 0 ? r : file_replace(path, "", 0, 0600, e);
}
