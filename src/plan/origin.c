/* Where a release came from, beside it: see origin.h. */
#include "plan/origin.h"

#include <jansson.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "plan/members-internal.h"
#include "plan/root.h"

static const struct member members[] = {
	MEMBER(MEMBER_TEXT, origin, app),
	MEMBER(MEMBER_LONG, origin, version),
	MEMBER(MEMBER_TEXT_OR_NULL, origin, commit),
	MEMBER(MEMBER_TEXT_OR_NULL, origin, made_by),
	MEMBER(MEMBER_LONG, origin, deployment),
	MEMBER(MEMBER_LONG, origin, created_at_s),
};

static char *origin_path(const char *root, const char *app, long version)
{
	_cleanup_(freep) char *dir = root_release(root, app, version);

	return path_join(dir, "origin.json");
}

int origin_write(const struct origin *o, const char *root, struct err **e)
{
	_cleanup_(freep) char *path = origin_path(root, o->app, o->version), *text = NULL, *line = NULL;
	_cleanup_(json_releasep) json_t *j = json_object();

	members_write(j, o, members, COUNT(members));
	text = json_dumps(j, JSON_INDENT(2));
	line = xasprintf("%s\n", text);
	return file_replace_unsynced(path, line, strlen(line), 0600, e);
}

int origin_read(struct origin *ret, const char *root, const char *app, long version, struct err **e)
{
	_cleanup_(freep) char *path = origin_path(root, app, version);
	_cleanup_(json_releasep) json_t *j = NULL;
	_cleanup_(origin_done) struct origin o = { 0 };
	int r = json_read_file(path, &j, e);

	if (r >= 0)
		r = members_read(&o, j, "the origin", members, COUNT(members), e);
	if (r >= 0 && (o.version != version || !str_eq(o.app, app)))
		r = err_set(e, ERR_REFUSED, "it is of %s v%ld", o.app, o.version);
	if (r < 0)
		return err_wrap(e, r, "%s", path);
	*ret = o;
	o = (struct origin){ 0 };
	return 0;
}

void origin_done(struct origin *o)
{
	members_done(o, members, COUNT(members));
	*o = (struct origin){ 0 };
}
