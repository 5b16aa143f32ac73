/* Every process the daemon has to do with is watched the same way: its pidfd becomes readable when it has
 * ended. */
#include "daemon/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/proc.h"

static void release(struct child *c)
{
	c->source = sd_event_source_disable_unref(c->source);
	closep(&c->pidfd);
	closep(&c->gate);
	c->pidfd = c->gate = -1;
}

void child_forget(struct child *c)
{
	if (c->pid == 0)
		return;
	release(c);
	c->pid = 0;
	c->start = 0;
}

/* -1 where it is not ours to reap. */
static int reap(int pidfd)
{
	siginfo_t si = { 0 };
	int r;

	do
		r = waitid(P_PIDFD, (id_t) pidfd, &si, WEXITED | WNOHANG);
	while (r < 0 && errno == EINTR);
	if (r < 0 || si.si_pid == 0)
		return -1;
	return si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}

static int on_pidfd(sd_event_source *s UNUSED, int fd, uint32_t events UNUSED, void *ctx)
{
	struct child *c = ctx;
	int status = reap(fd);

	release(c);
	c->on_end(c, status);
	return 0;
}

static int watch(struct child *c, sd_event *loop, struct err **e)
{
	int r = sd_event_add_io(loop, &c->source, c->pidfd, EPOLLIN, on_pidfd, c);

	if (r >= 0)
		return 0;
	release(c);
	c->pid = 0;
	return err_set(e, r, "watching process: %s", strerror(-r));
}

static int open_log(const struct child_spawn *how, struct err **e)
{
	int fd = how->log ? open(how->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
				 how->log_mode)
			  : open("/dev/null", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? err_set(e, -errno, "opening %s: %m", how->log ? how->log : "/dev/null") : fd;
}

int child_start(struct child *c, sd_event *loop, const struct child_spawn *how, struct err **e)
{
	_cleanup_(close_pairp) int gate[2] = { -1, -1 };
	_cleanup_(closep) int out = open_log(how, e);
	struct proc p = PROC(how->argv);

	p.file = how->file;
	if (out < 0)
		return out;
	if (how->is_gated && pipe2(gate, O_CLOEXEC) < 0)
		return err_set(e, -errno, "a pipe for %s: %m", how->argv[0]);
	p.in = gate[0];
	p.out = p.err = out;
	int r = proc_start(&p, e);

	if (r < 0)
		return r;
	c->pid = p.pid;
	c->pidfd = p.pidfd;
	c->start = proc_start_time(p.pid);
	c->gate = take_fd(&gate[1]);
	return watch(c, loop, e);
}

static bool is_there(pid_t pid, unsigned long long start)
{
	return proc_is_alive(pid, start) || (start && proc_start_time(pid) == start && proc_is_child(pid));
}

int child_adopt(struct child *c, sd_event *loop, pid_t pid, unsigned long long start, struct err **e)
{
	_cleanup_(closep) int fd = pidfd_of(pid);

	/* looked at after it was opened: the descriptor is of the process that is compared */
	if (fd < 0 || !is_there(pid, start))
		return -ESRCH;
	c->pid = pid;
	c->start = start;
	c->pidfd = take_fd(&fd);
	c->gate = -1;
	return watch(c, loop, e);
}

void child_release(struct child *c)
{
	if (c->gate >= 0)
		(void) !write(c->gate, "", 1);
	closep(&c->gate);
	c->gate = -1;
}

void child_signal(const struct child *c, int sig)
{
	if (c->pid > 0)
		(void) syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0);
}
