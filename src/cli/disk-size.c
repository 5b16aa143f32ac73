/* How much a tree takes on the disk. */
#include <fts.h>
#include <sys/stat.h>

#include "cli/disk.h"

/* Package managers link files into each other's trees: a share each, and the sum is right. */
static int64_t size_of(const struct stat *st)
{
	int64_t bytes = (int64_t) st->st_blocks * 512;

	return S_ISDIR(st->st_mode) || st->st_nlink < 2 ? bytes : bytes / (int64_t) st->st_nlink;
}

int64_t disk_size(const char *path)
{
	char *paths[] = { (char *) path, NULL };
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	const FTSENT *at;
	int64_t sum = 0;

	while (walk && (at = fts_read(walk)) != NULL)
		if (at->fts_info != FTS_DP && at->fts_info != FTS_NS && at->fts_info != FTS_ERR)
			sum += size_of(at->fts_statp);
	if (walk)
		(void) fts_close(walk);
	return sum;
}

char *disk_text(int64_t bytes)
{
	static const char units[] = "KMGT";
	double n = (double) bytes / 1024;
	size_t unit = 0;

	if (bytes == 0)
		return xstrdup("0");
	for (; n >= 1000 && units[unit + 1]; unit++)
		n /= 1024;
	return xasprintf(n < 10 && unit ? "%.1f%c" : "%.0f%c", n, units[unit]);
}
