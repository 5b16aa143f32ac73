/* Finds and loads the shared objects that wrap rarely needed libraries: see module.h. */
#include "base/module.h"

#include <dlfcn.h>
#include <glob.h>

#include "base/file.h"
#include "base/str.h"

/* The package whose absence makes a module fail to load; for the message. */
static const char *package_of(const char *name)
{
	static const struct {
		const char *name, *package;
	} packages[] = { { "http", "libcurl4" }, { "toml", "libtomlplusplus3" } };

	for (size_t i = 0; i < COUNT(packages); i++)
		if (str_eq(packages[i].name, name))
			return packages[i].package;
	return "slipway";
}

static char *first_match(const char *pattern)
{
	char *found = NULL;
	glob_t g = { 0 };

	if (glob(pattern, GLOB_ERR, NULL, &g) == 0 && g.gl_pathc)
		found = xstrdup(g.gl_pathv[0]);
	globfree(&g);
	return found;
}

/* Beside the executable, in Meson's build tree, or installed; to be freed. NULL: nowhere. */
static char *find(const char *name)
{
	static const char *const places[] = { "", "base/", "../lib/slipway/", "../lib/*/slipway/" };
	_cleanup_(freep) char *dir = exe_dir();
	const char *given =
		secure_getenv("SLIPWAY_MODULES"); /* for programs that lie elsewhere: unit tests */

	if (given) {
		char *path = xasprintf("%s/slipway-%s.so", given, name);

		if (file_exists(path))
			return path;
		free(path);
	}
	for (size_t i = 0; i < COUNT(places); i++) {
		_cleanup_(freep) char *pattern = xasprintf("%s/%sslipway-%s.so", dir, places[i], name);
		char *path = file_exists(pattern) ? xstrdup(pattern) : first_match(pattern);

		if (path)
			return path;
	}
	return NULL;
}

int module_load(const char *name, const void **ret, struct err **e)
{
	_cleanup_(freep) char *path = find(name), *symbol = xasprintf("slipway_%s", name);
	void *object;
	const void *found;

	if (!path)
		return err_set(e, ERR_MISSING,
			       "slipway-%s.so is not beside slipway nor in lib/slipway: install slipway "
			       "again",
			       name);
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* a second time it is the same one */
	if (!object)
		return err_set(e, ERR_MISSING, "%s: install %s", dlerror(), package_of(name));
	found = dlsym(object, symbol);
	if (!found) {
		(void) dlclose(object);
		return err_set(e, ERR_MISSING, "%s is not of this slipway: it has no %s", path, symbol);
	}
	*ret = found;
	return 0;
}
