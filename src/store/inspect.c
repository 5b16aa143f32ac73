/* Is the store's file whole? Looked at without changing it, so that what is left of a damaged one stays as it
 * is. */
#include "store/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store-internal.h"

int store_damaged(const char *path, const char *why, struct err **e)
{
	return err_set(e, ERR_MISSING,
		       "%s is damaged (%s): stop slipwayd, put a backup in its place or run `slipway "
		       "recover`, which "
		       "makes it anew from the other files; the apps go on meanwhile",
		       path, why);
}

static int open_as_it_is(struct store *st, const char *path, struct err **e)
{
	int rc = sqlite3_open_v2(path, &st->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(st->db, "PRAGMA busy_timeout=10000; PRAGMA cache_size=-2048;", NULL, NULL,
				  NULL);
	if (rc != SQLITE_OK)
		return store_error(st, rc, NULL, e);
	/* what is in the log stays there */
	(void) sqlite3_db_config(st->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return 0;
}

int store_inspect(const char *path, struct err **e)
{
	_cleanup_(store_close) struct store st = { 0 };
	struct stat sb;
	int version = 0, r;

	if (stat(path, &sb) < 0 && errno != ENOENT)
		return err_set(e, -errno, "looking at %s: %m", path);
	if (access(path, F_OK) < 0 || sb.st_size == 0)
		return err_set(e, ERR_NOT_FOUND, "%s is %s", path,
			       access(path, F_OK) < 0 ? "not there" : "empty");
	r = wal_check(path, e);
	if (r >= 0)
		r = open_as_it_is(&st, path, e);
	if (r >= 0)
		r = store_read_version(&st, &version, e);
	if (r >= 0 && version == 0) /* the one who made it was killed before there was anything in it */
		return err_set(e, ERR_NOT_FOUND, "%s is empty", path);
	if (r >= 0)
		r = store_judge_version(&st, version, true, e);
	return r < 0 ? r : store_check(&st, e);
}
