#include "monitor.h"
#include "break.h"
#include "descendants.h"
#include "files.h"
#include "hang_up.h"
#include "linger.h"
#include "process.h"
#include "signals.h"
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_resize(const struct winsize *window, void *context)
{
	struct monitor *monitor = context;
	if (monitor->master >= 0)
		resize_terminal(monitor->master, window);
}

static void on_signal(int number, void *context)
{
	struct monitor *monitor = context;
	pid_t foreground = monitor->master >= 0 ? foreground_group(monitor->master) : 0;
	signal_group(foreground ? foreground : monitor->child, number);
}

static void on_break(void *context)
{
	struct monitor *monitor = context;
	if (monitor->master >= 0)
		send_break(monitor->master);
}

static void on_hang_up(void *context)
{
	struct monitor *monitor = context;
	monitor->hung_up = true;
}

static void on_kill(void *context)
{
	struct monitor *monitor = context;
	monitor->revoked = true;
}

/* Its number stays taken until we end (WNOWAIT): no other process or group can get it while its zombie is there. */
static void look_for_death(struct monitor *monitor)
{
	siginfo_t status = {.si_pid = 0};
	if (waitid(P_PID, (id_t)monitor->child, &status, WEXITED | WNOHANG | WNOWAIT) != 0 || status.si_pid == 0)
		return;
	monitor->child_dead = true;
	monitor->status = status;
	/*
	 * Like sshd: what holds our pipes keeps the session; but a terminal belongs to its leader, and after what is in it
	 * has been read, processes in the background do not keep it.
	 */
	for (size_t i = 0; i < monitor->flow_count; i++)
		monitor->flows[i]->last_call = monitor->flows[i]->terminal_source;
}

static bool reap_if_adopted(int process, const struct process_stat *stat, void *context)
{
	const struct monitor *monitor = context;
	(void)process;
	if (stat->parent == getpid() && stat->state == 'Z' && stat->pid != monitor->child)
		waitpid(stat->pid, NULL, WNOHANG);
	return true;
}

/* Orphans that came to us and have died. The session's own zombie stays, and hides those behind it from waitid(2). */
static void reap_adopted(struct monitor *monitor)
{
	for (;;) {
		siginfo_t status = {.si_pid = 0};
		if (waitid(P_ALL, 0, &status, WEXITED | WNOHANG | WNOWAIT) != 0 || status.si_pid == 0)
			return;
		if (status.si_pid == monitor->child) {
			each_process(reap_if_adopted, monitor);
			return;
		}
		waitpid(status.si_pid, NULL, WNOHANG);
	}
}

static void read_signals(struct monitor *monitor)
{
	struct signalfd_siginfo taken;
	while (read(monitor->signals, &taken, sizeof taken) == (ssize_t)sizeof taken)
		if (taken.ssi_signo != SIGCHLD)
			monitor->hung_up = true;
	reap_adopted(monitor);
	look_for_death(monitor);
}

static void read_orders(struct monitor *monitor)
{
	const struct control_handlers handlers = {on_resize, on_signal, on_break, on_hang_up, on_kill, monitor};
	/* Without the sidecar nobody could revoke any more what stays now. */
	if (!read_control(&monitor->control, &handlers))
		monitor->revoked = true;
}

/* The client's end of a terminal's output is gone while its program lives: nobody will ever see the terminal again. */
static bool terminal_is_unseen(const struct monitor *monitor)
{
	return monitor->master >= 0 && !monitor->child_dead && flow_is_over(monitor->flows[1]);
}

static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static void relay_once(struct monitor *monitor)
{
	struct pollfd polled[2 + 2 * MAX_FLOWS];
	int patience = -1;
	polled[0] = (struct pollfd){.fd = monitor->signals, .events = POLLIN};
	polled[1] = (struct pollfd){.fd = monitor->control.fd, .events = POLLIN};
	for (size_t i = 0; i < monitor->flow_count; i++)
		patience = sooner(patience, flow_poll(monitor->flows[i], &polled[2 + 2 * i]));
	if (poll(polled, 2 + 2 * monitor->flow_count, patience) < 0)
		return; /* EINTR: nothing was answered */
	/* Bytes before orders: a signal comes after the input that the client sent before it. */
	for (size_t i = 0; i < monitor->flow_count; i++)
		flow_move(monitor->flows[i], &polled[2 + 2 * i]);
	if (polled[1].revents)
		read_orders(monitor);
	if (polled[0].revents)
		read_signals(monitor);
	monitor->hung_up |= terminal_is_unseen(monitor);
}

/* Dead, and all that it and its children had to say has been passed on. */
static bool is_over(const struct monitor *monitor)
{
	bool over = monitor->child_dead;
	for (size_t i = 1; i < monitor->flow_count; i++)
		over = over && flow_is_over(monitor->flows[i]);
	return over;
}

static void close_session(struct monitor *monitor)
{
	bool has_terminal = monitor->master >= 0;
	pid_t foreground = has_terminal ? foreground_group(monitor->master) : 0;
	/*
	 * No more input. The pipes of the output stay open until we are gone: nobody reads them, but a program that says
	 * goodbye on SIGHUP shall not die of SIGPIPE instead. A terminal the kernel hangs up when its master is closed.
	 */
	flow_close(monitor->flows[0]);
	close_fd(&monitor->master);
	if (monitor->revoked)
		kill_descendants(monitor->child);
	else if (monitor->hung_up && has_terminal && !monitor->child_dead)
		follow_hang_up(monitor->child, foreground);
	else if (monitor->hung_up)
		hang_up(monitor->child, foreground);
	look_for_death(monitor);
}

void watch_session(struct monitor *monitor)
{
	while (!is_over(monitor) && !monitor->hung_up && !monitor->revoked)
		relay_once(monitor);
	close_session(monitor);
	if (!monitor->revoked)
		linger(monitor);
	if (monitor->child_dead && monitor->status.si_code == CLD_EXITED)
		_exit(monitor->status.si_status);
	die_by(monitor->child_dead ? monitor->status.si_status : SIGHUP);
}
