#include "linger.h"
#include "descendants.h"
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Orphans became our children (adopt_orphans): without a child there is no descendant either. */
static bool is_alone(void)
{
	pid_t reaped;
	do
		reaped = waitpid(-1, NULL, WNOHANG);
	while (reaped > 0 || (reaped < 0 && errno == EINTR));
	return reaped < 0;
}

static void tell_end(const struct monitor *monitor)
{
	char line[32];
	bool exited = monitor->child_dead && monitor->status.si_code == CLD_EXITED;
	int number = monitor->child_dead ? monitor->status.si_status : SIGHUP;
	int length = snprintf(line, sizeof line, "ended %s %d\n", exited ? "exit" : "signal", number);
	send(monitor->control.fd, line, (size_t)length, MSG_NOSIGNAL);
}

/* Whoever reads the session's output sees its end now, and what is left writes into a pipe that nobody reads. */
static void give_back_streams(struct monitor *monitor)
{
	for (size_t i = 0; i < monitor->flow_count; i++)
		flow_close(monitor->flows[i]);
	int nothing = open("/dev/null", O_RDWR);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(nothing, fd);
	if (nothing > STDERR_FILENO)
		close_fd(&nothing);
}

static void ignore_size(const struct winsize *window, void *context)
{
	(void)window;
	(void)context;
}

static void ignore_signal(int number, void *context)
{
	(void)number;
	(void)context;
}

static void ignore(void *context)
{
	(void)context;
}

static void on_kill(void *context)
{
	struct monitor *monitor = context;
	monitor->revoked = true;
}

static void read_signals(struct monitor *monitor)
{
	struct signalfd_siginfo taken;
	while (read(monitor->signals, &taken, sizeof taken) == (ssize_t)sizeof taken)
		if (taken.ssi_signo != SIGCHLD)
			monitor->revoked = true;
}

static void wait_for_news(struct monitor *monitor)
{
	const struct control_handlers handlers = {ignore_size, ignore_signal, ignore, ignore, on_kill, monitor};
	struct pollfd polled[] = {
		{.fd = monitor->signals, .events = POLLIN},
		{.fd = monitor->control.fd, .events = POLLIN},
	};
	if (poll(polled, 2, -1) < 0)
		return; /* EINTR: nothing was answered */
	if (polled[0].revents)
		read_signals(monitor);
	if (polled[1].revents && !read_control(&monitor->control, &handlers))
		monitor->revoked = true;
}

void linger(struct monitor *monitor)
{
	if (monitor->control.fd < 0 || is_alone())
		return;
	tell_end(monitor);
	give_back_streams(monitor);
	while (!monitor->revoked && !is_alone())
		wait_for_news(monitor);
	if (monitor->revoked)
		kill_descendants(0);
}
