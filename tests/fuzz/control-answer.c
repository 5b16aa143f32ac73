/* The client of the control API: a server that says anything is believed only when it is an answer. */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "control/control.h"

/* A listening socket and its token, once; the descriptor. */
static int server(const char *path)
{
	static int fd = -1;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_(freep) char *token = path_join(fuzz_dir(), "token");

	if (fd >= 0)
		return fd;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (bind(fd, (const struct sockaddr *) &addr, sizeof addr) < 0 || listen(fd, 1) < 0 ||
	    file_replace_unsynced(token, "f00d", 4, 0600, NULL) < 0)
		abort();
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *path = path_join(fuzz_dir(), "s");
	int listener = server(path), lines = 0;
	_cleanup_(control_close) struct control c = { 0 };

	if (control_open(&c, path, NULL) < 0)
		abort();
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 || send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) size || close(fd) < 0)
		return close(fd) * 0; /* more than a socket holds */
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	for (int i = 0; i <= lines; i++) { /* as many answers as lines, then the end */
		_cleanup_(err_freep) struct err *e = NULL;
		_cleanup_(json_releasep) json_t *answer = NULL;
		int r = control_receive(&c, true, &answer, &e);

		MUST(i < lines ? r == 1 || r < 0 : r == ERR_MISSING);
		MUST((r == 1) == (answer != NULL) && (r < 0) == (e != NULL));
		MUST(!answer || json_is_true(json_object_get(answer, "ok")));
	}
	return 0;
}
