/* Which of the refs of one push is deployed, and what the pusher is told of the others. */
#include "source/git.h"

#include "source/git-internal.h"

#define HEADS "refs/heads/"
#define TAGS  "refs/tags/"

static const char *short_name(const char *ref)
{
	return str_starts(ref, HEADS)  ? ref + strlen(HEADS)
	       : str_starts(ref, TAGS) ? ref + strlen(TAGS)
				       : ref;
}

/* Is it a branch that could be deployed? Says why when it is not. */
static bool is_candidate(const struct git_update *u, struct strv *notes)
{
	const char *name = short_name(u->ref);

	if (!git_is_commit(u->to))
		strv_addf(notes, "'%s' was deleted: nothing is deployed for that", name);
	else if (str_starts(u->ref, TAGS))
		strv_addf(notes, "tag '%s' is stored, not deployed: push a branch to deploy", name);
	else if (!str_starts(u->ref, HEADS))
		strv_addf(notes, "'%s' is stored, not deployed: push a branch to deploy", name);
	else
		return true;
	return false;
}

int git_choose(const struct git_update *u, size_t n, const char *deploy_branch, struct strv *notes)
{
	const char *wanted = deploy_branch && *deploy_branch ? short_name(deploy_branch) : NULL;
	_cleanup_(strv_done) struct strv others = { 0 };
	int chosen = -1;

	for (size_t i = 0; i < n; i++) {
		if (!is_candidate(&u[i], notes))
			continue;
		if (wanted && !str_eq(short_name(u[i].ref), wanted)) {
			strv_addf(notes,
				  "branch '%s' is stored, not deployed: this app deploys only '%s' "
				  "(DEPLOY_BRANCH)",
				  short_name(u[i].ref), wanted);
			continue;
		}
		if (chosen >= 0)
			strv_addf(&others, "'%s'", short_name(u[chosen].ref));
		chosen = (int) i;
	}
	if (others.n > 0) {
		_cleanup_(freep) char *list = strv_join(&others, ", ");

		strv_addf(notes, "%zu branches were pushed: deploying '%s'; %s %s stored, not deployed",
			  others.n + 1, short_name(u[chosen].ref), list, others.n > 1 ? "are" : "is");
	}
	return chosen;
}

void git_updates_free(struct git_update *u, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(u[i].from);
		free(u[i].to);
		free(u[i].ref);
	}
	free(u);
}

static bool is_object_name(const char *s)
{
	size_t n = strlen(s);

	return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n;
}

int git_updates_parse(struct git_update **ret, size_t *n, const char *text, struct err **e)
{
	_cleanup_(strv_done) struct strv lines = { 0 };
	struct git_update *u = NULL;
	size_t count = 0;

	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_(strv_done) struct strv words = { 0 };

		strv_split(&words, lines.v[i], " ");
		if (words.n != 3 || !is_object_name(words.v[0]) || !is_object_name(words.v[1]) ||
		    !str_starts(words.v[2], "refs/")) {
			git_updates_free(u, count);
			return err_set(e, ERR_USAGE,
				       "line %zu is not 'OLD NEW REF': this command is for git's "
				       "post-receive hook",
				       i + 1);
		}
		*GROW(&u, &count) =
			(struct git_update){ xstrdup(words.v[0]), xstrdup(words.v[1]), xstrdup(words.v[2]) };
	}
	*ret = u;
	*n = count;
	return 0;
}
