/* The client of the control API: what it makes of the answers of a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "control/control.h"

static const struct row {
	const char *name, *line;
	int want;
} rows[] = {
	{ "an answer", "{\"ok\":true,\"n\":1}\n", 1 },
	{ "an error", "{\"error\":{\"code\":-5002,\"message\":\"no\"}}\n", ERR_REFUSED },
	{ "an error that is an errno", "{\"error\":{\"code\":-2}}\n", -2 },
	{ "an error without a code", "{\"error\":{}}\n", ERR_FAILED },
	{ "a code that is none", "{\"error\":{\"code\":7}}\n", ERR_FAILED },
	{ "a code that would be 0 in 32 bits", "{\"error\":{\"code\":-4294967296}}\n", ERR_FAILED },
	{ "a code that would be 1 in 32 bits", "{\"error\":{\"code\":-4294967295}}\n", ERR_FAILED },
	{ "not ok", "{\"ok\":false}\n", ERR_FAILED },
	{ "an array", "[]\n", -EBADMSG },
	{ "no JSON", "hello\n", -EBADMSG },
	{ "an empty line", "\n", -EBADMSG },
	{ "half a line", "{\"ok\":tr", ERR_MISSING },
	{ "nothing", "", ERR_MISSING },
};

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof addr.sun_path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (const struct sockaddr *) &addr, sizeof addr), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void answers(void **state UNUSED)
{
	char dir[] = "/tmp/slipway-control.XXXXXX";
	assert_non_null(mkdtemp(dir));
	_cleanup_(freep) char *path = path_join(dir, "s"), *token = path_join(dir, "token");
	_cleanup_(closep) int listener = listen_at(path);

	assert_int_equal(file_replace_unsynced(token, "f00d", 4, 0600, NULL), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_(control_close) struct control c = { 0 };
		_cleanup_(json_releasep) json_t *answer = NULL;
		_cleanup_(err_freep) struct err *e = NULL;

		assert_int_equal(control_open(&c, path, NULL), 0);
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		assert_int_equal(write_all(fd, rows[i].line, strlen(rows[i].line)), 0);
		assert_int_equal(close(fd), 0);
		int r = control_receive(&c, true, &answer, &e);
		if (r != rows[i].want || (r < 0) != (e != NULL) || (r == 1) != (answer != NULL))
			fail_msg("%s: %d, not %d", rows[i].name, r, rows[i].want);
	}
	assert_int_equal(tree_remove(dir, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
