/* Children: see proc.h. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"

extern char **environ;

int pidfd_of(pid_t pid)
{
	int fd = (int) syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

static void place(posix_spawn_file_actions_t *fds, int from, int to)
{
	/* dup2 onto itself clears close-on-exec, as POSIX asks of file actions */
	posix_spawn_file_actions_adddup2(fds, from, to);
}

/* Descriptors that collide with 0 to 2 would be overwritten before they are used: move them up first. */
static int lift(int fd, int *owned)
{
	if (fd < 0 || fd > 2)
		return fd;
	return *owned = fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* In the child. What it could not do goes into `tell`, which a program that was started closes. */
__attribute__((noreturn)) static void become(const struct proc *p, pid_t parent, const int *fds, int tell)
{
	sigset_t none;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		(void) signal(sig, SIG_DFL);
	if (!p->is_foreground)
		(void) setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && (!p->cwd || chdir(p->cwd) == 0) &&
	    dup2(fds[0], 0) >= 0 && dup2(fds[1], 1) >= 0 && dup2(fds[2], 2) >= 0 &&
	    syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
		(void) sigprocmask(SIG_SETMASK, &none, NULL);
		(void) execve(p->argv[0], p->argv, p->envp ? p->envp : environ);
	}
	int why = errno ? errno : ESRCH;

	(void) !write(tell, &why, sizeof why);
	_exit(127);
}

/* posix_spawn() knows no death signal. fds: above 2. */
static int fork_tied(struct proc *p, const int *fds, struct err **e)
{
	_cleanup_(close_pairp) int tell[2] = { -1, -1 };
	pid_t parent = getpid();
	int why = 0;

	if (pipe2(tell, O_CLOEXEC) < 0)
		return err_set(e, -errno, "a pipe for %s: %m", p->argv[0]);
	p->pid = fork();
	if (p->pid == 0)
		become(p, parent, fds, tell[1]);
	if (p->pid < 0) {
		p->pid = 0;
		return err_set(e, -errno, "starting %s: %m", p->argv[0]);
	}
	(void) close(take_fd(&tell[1]));
	if (read(tell[0], &why, sizeof why) != sizeof why)
		return 0;
	(void) waitpid(p->pid, NULL, 0);
	p->pid = 0;
	return err_set(e, -why, "starting %s: %s", p->argv[0], strerror(why));
}

static int start_tied(struct proc *p, int pipe_in, struct err **e)
{
	_cleanup_(closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = p->out < 0 ? pipe_in : p->out, err = p->err < 0 ? (p->out < 0 ? pipe_in : p->out) : p->err;
	const int from[3] = { p->in < 0 ? null : p->in, out, err };
	int fds[3] = { -1, -1, -1 }, r = 0;

	for (size_t i = 0; r >= 0 && i < COUNT(fds); i++) {
		fds[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
		r = fds[i] < 0 ? err_set(e, -errno, "descriptors for %s: %m", p->argv[0]) : 0;
	}
	if (r >= 0)
		r = fork_tied(p, fds, e);
	for (size_t i = 0; i < COUNT(fds); i++)
		closep(&fds[i]);
	return r;
}

static int spawn(struct proc *p, int pipe_in, struct err **e)
{
	_cleanup_(closep) int own_in = -1, own_out = -1, own_err = -1;
	int in = lift(p->in, &own_in);
	int out = lift(p->out < 0 ? pipe_in : p->out, &own_out);
	int err = lift(p->err < 0 ? (p->out < 0 ? pipe_in : p->out) : p->err, &own_err);
	posix_spawn_file_actions_t fds;
	posix_spawnattr_t attr;
	sigset_t none, all;
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&fds); /* in this order */
	if (p->cwd)
		posix_spawn_file_actions_addchdir_np(&fds, p->cwd);
	if (in < 0)
		posix_spawn_file_actions_addopen(&fds, 0, "/dev/null", O_RDONLY, 0);
	else
		place(&fds, in, 0);
	place(&fds, out, 1);
	place(&fds, err, 2);
	posix_spawn_file_actions_addclosefrom_np(&fds, 3);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	if (!p->is_foreground)
		flags |= POSIX_SPAWN_SETSID;
	posix_spawnattr_setflags(&attr, flags);
	int r = posix_spawn(&p->pid, p->file ? p->file : p->argv[0], &fds, &attr, p->argv,
			    p->envp ? p->envp : environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fds);
	if (r != 0) {
		p->pid = 0;
		return err_set(e, -r, "starting %s: %s", p->argv[0], strerror(r));
	}
	return 0;
}

int proc_start(struct proc *p, struct err **e)
{
	_cleanup_(close_pairp) int out[2] = { -1, -1 };
	bool wants_pipe = p->out < 0 || p->err < 0;

	if (wants_pipe && (pipe2(out, O_CLOEXEC) < 0 || fcntl(out[0], F_SETFL, O_NONBLOCK) < 0))
		return err_set(e, -errno, "a pipe for %s: %m", p->argv[0]);
	int r = p->is_tied ? start_tied(p, out[1], e) : spawn(p, out[1], e);
	if (r < 0)
		return r;
	p->pipe = take_fd(&out[0]);
	p->pidfd = pidfd_of(p->pid); /* no race: nobody has reaped it */
	return p->pidfd < 0 ? err_set(e, p->pidfd, "watching %s: %s", p->argv[0], strerror(-p->pidfd)) : 0;
}

/* Hands on what is in the pipe. false: nothing more will come. */
static bool drain(struct proc *p)
{
	char buf[16384];
	ssize_t n;

	while ((n = read(p->pipe, buf, sizeof buf)) > 0)
		if (p->on_output)
			p->on_output(p->ctx, buf, (size_t) n);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static int remaining(int64_t deadline)
{
	int64_t left = deadline - monotonic_ms();

	return deadline == 0 ? -1 : left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int) left;
}

static void reap(struct proc *p)
{
	siginfo_t si = { 0 };

	if (!p->is_foreground)
		(void) kill(-p->pid, SIGKILL); /* what it left behind */
	while (waitid(P_PIDFD, (id_t) p->pidfd, &si, WEXITED) < 0 && errno == EINTR)
		;
	p->pid = 0;
	if (p->status == 0)
		p->status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}

int proc_wait(struct proc *p, struct err **e)
{
	int64_t deadline = p->timeout_ms ? monotonic_ms() + p->timeout_ms : 0;
	struct pollfd fds[2] = { { .fd = p->pidfd, .events = POLLIN }, { .fd = p->pipe, .events = POLLIN } };

	p->status = 0;
	for (;;) {
		int n = poll(fds, 2, remaining(deadline));

		if (n < 0 && errno != EINTR)
			return err_set(e, -errno, "waiting for %s: %m", p->argv[0]);
		if (n == 0) {
			(void) kill(p->is_foreground ? p->pid : -p->pid, p->status < 0 ? SIGKILL : SIGTERM);
			p->status = -ETIMEDOUT;
			deadline = monotonic_ms() + 10000;
		}
		if (n > 0 && fds[1].revents && !drain(p))
			fds[1].fd = -1;
		if (n > 0 && fds[0].revents)
			break;
	}
	reap(p);
	if (p->pipe >= 0)
		(void) drain(p); /* to EAGAIN, not EOF: a daemonized grandchild may hold on */
	return 0;
}

void proc_done(struct proc *p)
{
	if (p->pid > 0 && p->pidfd >= 0) {
		(void) kill(p->is_foreground ? p->pid : -p->pid, SIGKILL);
		reap(p);
	}
	closep(&p->pidfd);
	closep(&p->pipe);
	p->pidfd = p->pipe = -1;
}

static void collect(void *ctx, const char *data, size_t n)
{
	(void) strb_add(ctx, data, n);
}

int proc_run(char *const *argv, char *const *envp, const char *cwd, unsigned timeout_ms, char **out,
	     struct err **e)
{
	struct strb text = STRB(1 << 20);
	_cleanup_(proc_done) struct proc p = PROC(argv);

	p.envp = envp;
	p.cwd = cwd;
	p.timeout_ms = timeout_ms;
	p.on_output = collect;
	p.ctx = &text;
	int r = proc_start(&p, e);
	if (r >= 0)
		r = proc_wait(&p, e);
	if (r >= 0 && p.status < 0)
		r = err_set(e, -ETIMEDOUT, "%s did not end within %u s", argv[0], timeout_ms / 1000);
	if (r >= 0 && out)
		*out = strb_take(&text);
	strb_done(&text);
	return r < 0 ? r : p.status;
}

/* The text after the command name in /proc/PID/stat, which may itself hold blanks and parentheses. */
static char *stat_tail(pid_t pid)
{
	_cleanup_(freep) char *path = xasprintf("/proc/%d/stat", (int) pid), *text = NULL;

	if (file_read(path, 4096, &text, NULL, NULL) < 0)
		return NULL;
	const char *paren = strrchr(text, ')');

	return paren && paren[1] ? xstrdup(paren + 2) : NULL;
}

unsigned long long proc_start_time(pid_t pid)
{
	_cleanup_(freep) char *tail = stat_tail(pid);
	_cleanup_(strv_done) struct strv fields = { 0 };

	if (!tail)
		return 0;
	strv_split(&fields, tail, " ");
	return fields.n > 19 ? strtoull(fields.v[19], NULL, 10) : 0;
}

bool proc_is_child(pid_t pid)
{
	_cleanup_(freep) char *tail = stat_tail(pid);

	return tail && *tail && tail[1] == ' ' && strtol(tail + 2, NULL, 10) == getpid();
}

bool proc_is_alive(pid_t pid, unsigned long long start_time)
{
	_cleanup_(freep) char *tail = stat_tail(pid);

	return tail && *tail != 'Z' && *tail != 'X' && proc_start_time(pid) == start_time;
}

char *boot_id(void)
{
	_cleanup_(freep) char *id = NULL;
	const char *injected = getenv("SLIPWAY_TEST_BOOT");
	struct stat ns;

	if (injected)
		return xstrdup(injected);
	if (file_read("/proc/sys/kernel/random/boot_id", 64, &id, NULL, NULL) < 0)
		id = xstrdup("");
	id[strcspn(id, "\n")] = '\0';
	if (stat("/proc/self/ns/pid", &ns) < 0)
		return TAKE(id);
	return xasprintf("%s pid:%llu", id, (unsigned long long) ns.st_ino);
}
