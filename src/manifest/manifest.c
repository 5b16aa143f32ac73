/* The one list of all manifests. To add one: a file that ends in its table, and a line here. */
#include "manifest/manifest.h"

#define MANIFESTS(X)  X(procfile)
#define DECLARE(name) extern const struct manifest_ops manifest_##name;
#define ENTRY(name)   &manifest_##name,

MANIFESTS(DECLARE)
static const struct manifest_ops *const manifests[] = { MANIFESTS(ENTRY) };

const struct manifest_ops *manifest_detect(int dir)
{
	for (size_t i = 0; i < COUNT(manifests); i++)
		if (manifests[i]->detect(dir))
			return manifests[i];
	return NULL;
}

const char *manifest_file_names(void)
{
	return "Procfile";
}
