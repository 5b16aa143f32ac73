/* Records of a directory tree: see snapshot.h. */
#include "deploy/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>

#include "base/file.h"

struct walk {
	/* true: descend into this directory. path is relative to the top. */
	bool (*visit)(void *ctx, const char *path, const struct stat *st);
	void *ctx;
	unsigned depth;
};

enum { MAX_DEPTH = 64 };

/* Walks what is below fd (closed by us) without following a link. */
static int walk(int fd, const char *prefix, const struct walk *w, struct err **e)
{
	DIR *d = fdopendir(fd);
	struct dirent *at;
	int r = 0;

	if (!d) {
		r = err_set(e, -errno, "listing %s: %m", *prefix ? prefix : "the code");
		closep(&fd);
		return r;
	}
	while (r >= 0 && (at = readdir(d))) {
		_cleanup_(freep) char *path = NULL;
		struct stat st;

		if (str_eq(at->d_name, ".") || str_eq(at->d_name, "..") ||
		    fstatat(dirfd(d), at->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		path = *prefix ? path_join(prefix, at->d_name) : xstrdup(at->d_name);
		if (!w->visit(w->ctx, path, &st) || !S_ISDIR(st.st_mode) || w->depth >= MAX_DEPTH)
			continue;
		int sub = openat(dirfd(d), at->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct walk deeper = { w->visit, w->ctx, w->depth + 1 };
		if (sub >= 0)
			r = walk(sub, path, &deeper, e);
	}
	(void) closedir(d);
	return r;
}

static int walk_all(int src_fd, bool (*visit)(void *, const char *, const struct stat *), void *ctx,
		    struct err **e)
{
	int fd = openat(src_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk w = { visit, ctx, 0 };

	return fd < 0 ? err_set(e, -errno, "opening the code: %m") : walk(fd, "", &w, e);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct snapshot_entry *) a)->path, ((const struct snapshot_entry *) b)->path);
}

const struct snapshot_entry *snapshot_find(const struct snapshot *s, const char *path)
{
	struct snapshot_entry key = { .path = (char *) path };

	return s->n ? bsearch(&key, s->v, s->n, sizeof *s->v, by_path) : NULL;
}

static long long mtime_of(const struct stat *st)
{
	return (long long) st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static char type_of(const struct stat *st)
{
	return S_ISDIR(st->st_mode) ? 'd' : S_ISLNK(st->st_mode) ? 'l' : 'f';
}

struct taking {
	struct snapshot *to;
	const struct snapshot *before;
};

static bool take(void *ctx, const char *path, const struct stat *st)
{
	struct taking *t = ctx;
	bool is_new = t->before && !snapshot_find(t->before, path);

	*GROW(&t->to->v, &t->to->n) = (struct snapshot_entry){ xstrdup(path), is_new ? 'b' : 't', type_of(st),
							       (long long) st->st_size, mtime_of(st) };
	return true;
}

int snapshot_take(struct snapshot *ret, int src_fd, const struct snapshot *before, struct err **e)
{
	struct taking t = { ret, before };
	int r = walk_all(src_fd, take, &t, e);

	if (r >= 0 && ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_path);
	return r;
}

/* Records of "ORIGIN TYPE SIZE MTIME PATH", each ended by a NUL: a path may hold anything else. */
int snapshot_write(const struct snapshot *s, const char *path, struct err **e)
{
	struct strb b = STRB(SIZE_MAX / 2);

	for (size_t i = 0; i < s->n; i++) {
		const struct snapshot_entry *at = &s->v[i];

		(void) strb_addf(&b, "%c %c %lld %lld %s", at->origin, at->type, at->size, at->mtime_ns,
				 at->path);
		(void) strb_add(&b, "", 1);
	}
	size_t n = b.len;
	_cleanup_(freep) char *text = strb_take(&b);

	return file_replace_unsynced(path, text, n, 0600, e); /* stage syncs the release whole */
}

static bool read_record(struct snapshot_entry *ret, const char *record)
{
	char *end;

	if (strlen(record) < strlen("t f 0 0 a") || !strchr("tb", record[0]) || record[1] != ' ' ||
	    !strchr("dlf", record[2]) || record[3] != ' ')
		return false;
	ret->origin = record[0];
	ret->type = record[2];
	ret->size = strtoll(record + 4, &end, 10);
	ret->mtime_ns = strtoll(end, &end, 10);
	if (*end != ' ' || !end[1])
		return false;
	ret->path = xstrdup(end + 1);
	return true;
}

int snapshot_read(struct snapshot *ret, const char *path, struct err **e)
{
	_cleanup_(freep) char *text = NULL;
	size_t n;
	int r = file_read(path, 512 << 20, &text, &n, e);

	if (r < 0)
		return r;
	for (const char *at = text; at < text + n; at += strlen(at) + 1) {
		struct snapshot_entry entry = { 0 };

		if (read_record(&entry, at))
			*GROW(&ret->v, &ret->n) = entry;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_path);
	return 0;
}

/* What comes and goes by itself and is worth nothing in the next release. */
static bool is_worthless(const char *path, const struct stat *st)
{
	static const char *const names[] = { "__pycache__", ".cache", ".pytest_cache", "nohup.out",
					     ".DS_Store" };
	static const char *const ends[] = { ".pyc", ".pid", ".sock", ".swp", ".lock" };
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode))
		return true;
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(name, names[i]))
			return true;
	for (size_t i = 0; i < COUNT(ends); i++)
		if (str_ends(name, ends[i]))
			return true;
	return false;
}

struct finding {
	const struct snapshot *s;
	const struct strv *shared;
	struct strv *ret;
};

static bool find(void *ctx, const char *path, const struct stat *st)
{
	struct finding *f = ctx;
	const struct snapshot_entry *was = snapshot_find(f->s, path);

	if (strv_has(f->shared, path)) {
		if (!S_ISLNK(st->st_mode))
			strv_push(f->ret, xstrdup(path));
		return false;
	}
	if (is_worthless(path, st))
		return false;
	if (!was || was->type != type_of(st)) {
		strv_push(f->ret, xstrdup(path));
		return false;
	}
	/* what the build or release command made and the app then changed, as a migrated SQLite file */
	if (was->origin == 'b' && was->type == 'f' &&
	    (was->size != st->st_size || was->mtime_ns != mtime_of(st)))
		strv_push(f->ret, xstrdup(path));
	return was->type == 'd';
}

int snapshot_changes(const struct snapshot *s, int src_fd, const struct strv *shared, struct strv *ret,
		     struct err **e)
{
	struct finding f = { s, shared, ret };

	return walk_all(src_fd, find, &f, e);
}

bool snapshot_is_placeholder_dir(const struct snapshot *s, const char *dir)
{
	static const char *const placeholders[] = { ".gitkeep", ".gitignore", ".keep", ".placeholder",
						    ".empty" };
	size_t n = strlen(dir);

	for (size_t i = 0; i < s->n; i++) {
		const char *path = s->v[i].path;
		bool is_known = false;

		if (strncmp(path, dir, n) != 0 || path[n] != '/' || s->v[i].origin != 't')
			continue;
		for (size_t k = 0; k < COUNT(placeholders); k++)
			is_known |= str_eq(path + n + 1, placeholders[k]);
		if (!is_known)
			return false;
	}
	return true;
}

void snapshot_done(struct snapshot *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].path);
	free(s->v);
	*s = (struct snapshot){ 0 };
}
