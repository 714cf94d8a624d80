#define _GNU_SOURCE /* pipe2 */
#include "run.h"
#include "app_root.h"
#include "descendants.h"
#include "fail.h"
#include "files.h"
#include "guard.h"
#include "launch.h"
#include "monitor.h"
#include "options.h"
#include "program.h"
#include "session.h"
#include "signals.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Only what belongs to us: a terminal or a file may be shared with others, who do not expect it. */
static void make_nonblocking(int fd)
{
	struct stat info;
	if (fstat(fd, &info) == 0 && (S_ISSOCK(info.st_mode) || S_ISFIFO(info.st_mode)))
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static struct flow *add_flow(struct monitor *monitor, int from, int to)
{
	static struct flow flows[MAX_FLOWS];
	struct flow *flow = &flows[monitor->flow_count];
	*flow = (struct flow){.from = from, .to = to};
	monitor->flows[monitor->flow_count++] = flow;
	make_nonblocking(from);
	make_nonblocking(to);
	return flow;
}

static void relay_terminal(struct monitor *monitor, const struct terminal *terminal)
{
	monitor->master = terminal->master;
	add_flow(monitor, STDIN_FILENO, terminal->master)->terminal_sink = true;
	add_flow(monitor, terminal->master, STDOUT_FILENO)->terminal_source = true;
}

/*
 * Real pipes, not the sockets that Node makes: opening /dev/stdin or /dev/stdout again works for pipes only, and bash
 * takes a socket as its input for rshd and reads ~/.bashrc. Answers the session's ends in `standard`.
 */
static void relay_pipes(struct monitor *monitor, int standard[3])
{
	for (int fd = 0; fd < 3; fd++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) != 0)
			fail(EXIT_CANNOT_RUN, "pipe: %s", strerror(errno));
		standard[fd] = fd == 0 ? ends[0] : ends[1];
		struct flow *flow = fd == 0 ? add_flow(monitor, fd, ends[1]) : add_flow(monitor, ends[0], fd);
		flow->splices = true;
	}
}

/* The session's side is the session's alone, or we would never see its end. */
static void forget_setup(struct session_setup *setup, struct terminal *terminal)
{
	for (int fd = 0; fd < 3; fd++)
		if (!setup->terminal)
			close_fd(&setup->standard[fd]);
	close_fd(&terminal->peer);
	close_fd(&setup->fallback);
	close_fd(&setup->app.root);
	close_fd(&setup->app.cwd);
}

void run(char **arguments)
{
	static struct run_options options;
	static struct monitor monitor = {.master = -1};
	struct terminal terminal = {.master = -1, .peer = -1};
	struct session_setup setup = {.app = {-1, -1}, .fallback = -1};

	monitor.control.fd = find_control();
	guard_descriptors(monitor.control.fd);
	parse_run_options(arguments, &options);
	setup.core_limit = guard_memory();
	if (options.launch_length && monitor.control.fd < 0)
		fail(EXIT_USAGE, "--launch-length: fd 3 is not a socket");
	if (options.launch_length)
		read_launch(monitor.control.fd, options.launch_length, &options.argv, &options.variables);
	monitor.signals = take_signals();
	setup.fallback = open_fallback(&options);
	if (options.pid)
		setup.app = open_app_root(options.pid, options.start);
	if (options.pty) {
		terminal = open_terminal(setup.app.root, &options);
		setup.terminal = &terminal;
		setup.standard[0] = setup.standard[1] = setup.standard[2] = terminal.peer;
		relay_terminal(&monitor, &terminal);
	} else {
		relay_pipes(&monitor, setup.standard);
	}
	adopt_orphans();
	monitor.child = fork();
	if (monitor.child < 0)
		fail(EXIT_CANNOT_RUN, "fork: %s", strerror(errno));
	if (monitor.child == 0)
		start_session(&options, &setup);
	forget_setup(&setup, &terminal);
	become_monitor(options.user.uid);
	watch_session(&monitor);
}
