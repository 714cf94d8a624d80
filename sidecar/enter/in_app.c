#define _GNU_SOURCE /* accept4 */
#include "in_app.h"
#include "app_root.h"
#include "capabilities.h"
#include "fail.h"
#include "files.h"
#include "guard.h"
#include "ipc.h"
#include "options.h"
#include "placed_file.h"
#include "session.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	CONNECT_PATIENCE_S = 5, /* how long a server with a full queue may take */
	BACKLOG = 64,           /* connections that wait for the sidecar */
	MAX_LEASE = 64 * 1024,
};

/* Of what was opened before, 0 to 3 stay: nothing that leads out of the app's root. */
static struct ipc enter_app(const struct run_options *options, int control)
{
	struct app_root app = {.root = -1, .cwd = -1};
	if (control < 0)
		fail(EXIT_USAGE, "fd 3 is not a socket");
	guard_memory();
	if (options->pid)
		app = open_app_root(options->pid, options->start);
	become_session(options, &app);
	return (struct ipc){.fd = control, .passing = -1};
}

/* Until here the session's, which connecting and making a file may need. Nothing that follows does. */
static void shed_capabilities(void)
{
	if (!set_capabilities(&(struct capabilities){0}))
		fail(EXIT_CANNOT_RUN, "cannot drop our capabilities: %s", strerror(errno));
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	/* An empty path begins an abstract name, and those belong to the pod's network, not to the app's files. */
	if (!*path || strlen(path) >= sizeof address.sun_path)
		fail(EXIT_USAGE, "the path of a socket has 1 to %zu bytes", sizeof address.sun_path - 1);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval patience = {.tv_sec = CONNECT_PATIENCE_S}, none = {0};
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
		fail(EXIT_CANNOT_RUN, "cannot connect to %s: %s", path, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
	return fd;
}

void connect_in_app(char **arguments)
{
	static struct run_options options;
	int control = find_control();
	guard_descriptors(control);
	parse_session_options(arguments, &options);
	if (!options.argv[0] || options.argv[1])
		fail(EXIT_USAGE, "connect takes one path");
	reset_signals();
	struct ipc ipc = enter_app(&options, control);
	int connection = connect_to(options.argv[0]);
	shed_capabilities();
	bool alive = ipc_pass_socket(&ipc, connection);
	while (alive && ipc.passing >= 0) {
		struct pollfd polled = {.fd = ipc.fd, .events = POLLIN};
		alive = poll(&polled, 1, -1) < 0 || ipc_read(&ipc);
	}
	_exit(alive ? 0 : EXIT_CANNOT_RUN);
}

/* As OpenSSH does: who may connect is who may write to the file, so it is its owner alone (StreamLocalBindMask 0177). */
static bool bind_socket(const char *name, void *context)
{
	const int *fd = context;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, name); /* which is part of a path that fits */
	mode_t before = umask(0177);
	bool bound = bind(*fd, (const struct sockaddr *)&address, sizeof address) == 0;
	int error = errno;
	umask(before);
	errno = error;
	return bound;
}

/* What is in the kernel's queue waits there: one connection is on its way to the sidecar at a time. */
static bool accept_one(int listener, struct ipc *ipc)
{
	int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (connection >= 0)
		return ipc_pass_socket(ipc, connection);
	return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
}

/* Until the sidecar goes away or a signal asks us to; `listener` is -1 where there is none. */
static void serve(int listener, struct ipc *ipc, int signals)
{
	for (bool alive = true; alive;) {
		struct pollfd polled[] = {
			{.fd = signals, .events = POLLIN},
			{.fd = ipc->fd, .events = POLLIN},
			{.fd = ipc->passing < 0 ? listener : -1, .events = POLLIN},
		};
		if (poll(polled, 3, -1) < 0)
			continue; /* EINTR: nothing was answered */
		alive = !polled[0].revents && (!polled[1].revents || ipc_read(ipc)) &&
			(!polled[2].revents || accept_one(listener, ipc));
	}
}

void listen_in_app(char **arguments)
{
	static struct run_options options;
	static struct placed_file placed;
	int control = find_control();
	guard_descriptors(control);
	parse_session_options(arguments, &options);
	if (options.private_name ? options.argv[0] != NULL : !options.argv[0] || options.argv[1])
		fail(EXIT_USAGE, "listen takes one path, or --private NAME");
	/* From here on a signal is for serve(): what we make is removed. */
	int signals = take_signals();
	struct ipc ipc = enter_app(&options, control);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0)
		fail(EXIT_CANNOT_RUN, "cannot make a socket: %s", strerror(errno));
	if (options.private_name)
		place_private_file(options.private_name, options.home, bind_socket, &listener, &placed);
	else
		place_file(options.argv[0], bind_socket, &listener, &placed);
	shed_capabilities();
	if (listen(listener, BACKLOG) == 0 && ipc_say(&ipc, "listening", placed.path))
		serve(listener, &ipc, signals);
	remove_placed_file(&placed);
	_exit(0);
}

struct lease {
	size_t length;
	char bytes[MAX_LEASE + 1];
};

static bool write_lease(const char *name, void *context)
{
	const struct lease *lease = context;
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ssize_t written = write(fd, lease->bytes, lease->length);
	int error = written < 0 ? errno : ENOSPC;
	if (close(fd) == 0 && written == (ssize_t)lease->length)
		return true;
	unlink(name);
	errno = error;
	return false;
}

void lease_in_app(char **arguments)
{
	static struct run_options options;
	static struct placed_file placed;
	static struct lease lease;
	int control = find_control();
	guard_descriptors(control);
	parse_session_options(arguments, &options);
	if (!options.argv[0] || options.argv[1])
		fail(EXIT_USAGE, "lease takes one name");
	long length = read_all(STDIN_FILENO, lease.bytes, sizeof lease.bytes);
	if (length < 0 || length > MAX_LEASE)
		fail(EXIT_USAGE, "a lease has at most %d bytes", MAX_LEASE);
	lease.length = (size_t)length;
	int signals = take_signals();
	struct ipc ipc = enter_app(&options, control);
	place_private_file(options.argv[0], options.home, write_lease, &lease, &placed);
	shed_capabilities();
	if (ipc_say(&ipc, "path", placed.path))
		serve(-1, &ipc, signals);
	remove_placed_file(&placed);
	_exit(0);
}
