// SPDX-License-Identifier: GPL-2.0
/*
 * Process 1 of a test guest once it has booted (with --systemd: the main process of a unit): runs the command, passes on
 * what it prints, tells the host how it ended, and switches the machine off.
 *
 * A program of its own, because a shell cannot do all of this: reap orphans; keep stdout and stderr apart and live; let
 * the command open /dev/stdout again (a virtio port can be opened only once, so there is a pipe between); and pass on
 * everything the command had printed by the time it ended without waiting for daemons that it left behind with the pipe
 * still open.
 *
 * Ports (virtio-serial, made by tests/vm/lib/guest.py), in /dev/virtio-ports:
 *   vm.out     the command's stdout
 *   vm.err     the command's stderr
 *   vm.control to the host, lines: "started", "exit STATUS", and every line written to /run/vm.control by the command
 *             (see tests/vm/bin: "mark", "power-cut SECONDS")
 *
 * /run/vm/command and /run/vm/environment hold strings that end in NUL each; the folder to run in is the first of the
 * former.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL "/run/vm.control"

static void die(const char *what)
{
	/*
	 * Process 1 ending panics the kernel, the unit ending switches off; the harness shows the log, of which this
	 * becomes a line.
	 */
	fprintf(stderr, "supervise: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

static void write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t done = write(fd, data, size);

		if (done < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			die("write to the host");
		}
		data += done;
		size -= (size_t)done;
	}
}

static char *read_file(const char *path, size_t *size)
{
	int fd = open_or_die(path, O_RDONLY);
	size_t room = 1 << 20; /* more than a command line may have */
	char *data = malloc(room + 1);
	ssize_t got;

	if (!data)
		die("malloc");
	*size = 0;
	while ((got = read(fd, data + *size, room - *size)) > 0)
		*size += (size_t)got;
	if (got < 0)
		die(path);
	data[*size] = 0;
	close(fd);
	return data;
}

/* Turns NUL-terminated strings, one after the other, into a vector. */
static char **split(char *data, size_t size)
{
	size_t count = 0, i, at = 0;
	char **vector;

	for (i = 0; i < size; i++)
		count += !data[i];
	vector = calloc(count + 1, sizeof(*vector));
	if (!vector)
		die("calloc");
	for (i = 0; i < count; i++) {
		vector[i] = data + at;
		at += strlen(data + at) + 1;
	}
	return vector;
}

static pid_t start(int out, int err)
{
	size_t size;
	char *data = read_file("/run/vm/command", &size);
	char **command = split(data, size);
	char *settings = read_file("/run/vm/environment", &size);
	char **environment = split(settings, size);
	sigset_t none;
	pid_t child = fork();
	int null;

	if (child < 0)
		die("fork");
	if (child)
		return child;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open_or_die("/dev/null", O_RDONLY);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		die("dup2");
	for (; *environment; environment++)
		putenv(*environment);
	if (chdir(command[0])) {
		/* A folder that only the host has, on a filesystem of its own kind. */
		if (chdir("/"))
			die("chdir");
	}
	execvp(command[1], command + 1);
	fprintf(stderr, "vm: cannot run %s: %s\n", command[1], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Passes on some of what is there. Returns how much: 0 at the end of input, or when there is nothing more for now. */
static size_t relay(int from, int to)
{
	static char buffer[65536];
	ssize_t got = read(from, buffer, sizeof(buffer));

	if (got <= 0)
		return 0;
	write_all(to, buffer, (size_t)got);
	return (size_t)got;
}

/* Passes on what is there now, but not what a daemon left behind goes on to print. */
static void drain(int from, int to)
{
	int there = 0;

	if (from < 0 || ioctl(from, FIONREAD, &there))
		return;
	while (there > 0) {
		size_t got = relay(from, to);

		if (!got)
			return;
		there -= (int)got;
	}
}

/*
 * A kernel with lockdep: it must have been on to the end. It is switched off by other trouble, too, and a run without it would
 * look like one in which it found nothing.
 */
static void check_lockdep(void)
{
	static const char complaint[] = "<3>vm: lockdep is off\n";
	size_t size;
	int log;
	char *stats;

	if (access("/proc/lockdep_stats", R_OK))
		return;
	stats = strstr(read_file("/proc/lockdep_stats", &size), "debug_locks:");
	if (stats && strtol(stats + strlen("debug_locks:"), NULL, 10) == 1)
		return;
	log = open_or_die("/dev/kmsg", O_WRONLY);
	write_all(log, complaint, strlen(complaint));
	close(log);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A descriptor that becomes readable when a child ends. */
static int watch_children(void)
{
	sigset_t mask;
	int children;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	children = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (children < 0)
		die("signalfd");
	return children;
}

static int open_control(void)
{
	if (mkfifo(CONTROL, 0622) && errno != EEXIST)
		die(CONTROL);
	/* Read and write, so that it never is at its end. */
	return open_or_die(CONTROL, O_RDWR | O_NONBLOCK);
}

/* Starts the command. Its standard output and error are to be read from outputs. */
static pid_t start_command(int outputs[2])
{
	int pipes[2][2], i;
	pid_t child;

	for (i = 0; i < 2; i++)
		if (pipe2(pipes[i], O_CLOEXEC))
			die("pipe");
	child = start(pipes[0][1], pipes[1][1]);
	for (i = 0; i < 2; i++) {
		close(pipes[i][1]);
		fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
		outputs[i] = pipes[i][0];
	}
	return child;
}

/* Reaps who has ended. Returns 1 once the command is among them. */
static int reap(int children, pid_t child, int *result)
{
	struct signalfd_siginfo info;
	int status, done = 0;
	pid_t pid;

	if (read(children, &info, sizeof(info)) < 0 && errno != EAGAIN)
		die("read of a signal");
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child) {
			*result = exit_status(status);
			done = 1;
		}
	return done;
}

int main(void)
{
	int ports[2] = { open_or_die("/dev/virtio-ports/vm.out", O_WRONLY), open_or_die("/dev/virtio-ports/vm.err", O_WRONLY) };
	int host = open_or_die("/dev/virtio-ports/vm.control", O_WRONLY);
	int children = watch_children(), control = open_control();
	int outputs[2], i, done = 0, result = 0;
	char line[64];
	pid_t child;

	write_all(host, "started\n", 8);
	child = start_command(outputs);
	while (!done) {
		struct pollfd wait[4] = {
			{ .fd = outputs[0], .events = POLLIN }, { .fd = outputs[1], .events = POLLIN },
			{ .fd = control, .events = POLLIN }, { .fd = children, .events = POLLIN },
		};

		if (poll(wait, 4, -1) < 0 && errno != EINTR)
			die("poll");
		/* Read what is printed before seeing who ended: a marker must not overtake what came before it. */
		for (i = 0; i < 2; i++)
			if (wait[i].revents && !relay(outputs[i], ports[i]) && (wait[i].revents & POLLHUP) &&
			    !(wait[i].revents & POLLIN)) {
				close(outputs[i]);
				outputs[i] = -1; /* poll() passes over it */
			}
		if (wait[2].revents & POLLIN)
			relay(control, host);
		done = reap(children, child, &result);
	}

	/* What the command printed before it ended is in the pipes by now. */
	for (i = 0; i < 2; i++)
		drain(outputs[i], ports[i]);
	drain(control, host);
	check_lockdep();
	snprintf(line, sizeof(line), "exit %d\n", result);
	write_all(host, line, strlen(line));

	if (!access("/run/vm/sync-at-end", F_OK))
		sync();
	reboot(RB_POWER_OFF);
	die("power-off");
	return 1;
}
