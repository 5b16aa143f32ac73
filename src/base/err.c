/* Errors as chains: see err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"

static int push(struct err **e, int code, struct err *cause, const char *fmt, va_list args)
{
	struct err *new;
	int saved = errno;

	if (!e) {
		err_free(cause);
		return code;
	}
	new = xcalloc(1, sizeof *new);
	errno = saved; /* for %m */
	*new = (struct err){ .code = code, .msg = xvasprintf(fmt, args), .cause = cause };
	*e = new;
	return code;
}

int err_set(struct err **e, int code, const char *fmt, ...)
{
	struct err *old = e ? *e : NULL;
	va_list args;

	va_start(args, fmt);
	push(e, code, NULL, fmt, args);
	va_end(args);
	err_free(old); /* last: the arguments may be of it */
	return code;
}

int err_wrap(struct err **e, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	push(e, code, e ? *e : NULL, fmt, args);
	va_end(args);
	if (e && *e && (*e)->cause)
		(*e)->status = (*e)->cause->status;
	return code;
}

struct err *err_free(struct err *e)
{
	while (e) {
		struct err *cause = e->cause;

		free(e->msg);
		free(e);
		e = cause;
	}
	return NULL;
}

char *err_text(const struct err *e)
{
	struct strb b = STRB(65536);

	if (!e)
		return xstrdup("unknown error");
	for (const struct err *at = e; at; at = at->cause)
		(void) strb_addf(&b, "%s%s", at == e ? "" : ": ", at->msg);
	return b.s ? b.s : xstrdup(e->msg);
}

bool err_is_temporary(int code)
{
	static const int codes[] = { ENOSPC, EDQUOT, EBUSY, EIO, EROFS, ENOMEM, EMFILE, ENFILE, EAGAIN };

	for (size_t i = 0; i < COUNT(codes); i++)
		if (code == -codes[i])
			return true;
	return false;
}

int err_exit_status(int code)
{
	if (code <= ERR_USAGE && code >= ERR_PERMISSION)
		return 2 + (ERR_USAGE - code);
	return 1;
}
