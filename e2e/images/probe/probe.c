/*
 * The app of every image of the conformance test, and its hand where an image has no program of that kind.
 *
 *   probe serve DIR            listens on 127.0.0.1:7070 and DIR/app.sock: greets, then echoes. "die\n" ends the app.
 *   probe connect PORT|PATH    standard input to a port of 127.0.0.1 or to a Unix socket, and its answer back
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define APP_PORT 7070
#define BACKLOG 64
#define BUFFER 4096

static const char greeting[] = "hello from the app\n";
static const char last_words[] = "die\n";

static void fail(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0) {
			data += written;
			length -= (size_t)written;
		}
	}
	return 0;
}

/* PORT or an absolute path; answers the length of the address. */
static socklen_t parse_address(const char *text, struct sockaddr_storage *address)
{
	memset(address, 0, sizeof(*address));
	if (text[0] == '/') {
		struct sockaddr_un *local = (struct sockaddr_un *)address;

		local->sun_family = AF_UNIX;
		snprintf(local->sun_path, sizeof(local->sun_path), "%s", text);
		return sizeof(*local);
	}
	struct sockaddr_in *inet = (struct sockaddr_in *)address;

	inet->sin_family = AF_INET;
	inet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	inet->sin_port = htons((unsigned short)atoi(text));
	return sizeof(*inet);
}

static int listen_on(const char *where)
{
	struct sockaddr_storage address;
	socklen_t length = parse_address(where, &address);
	int on = 1;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0)
		fail(where);
	return fd;
}

/* In a process of its own; its parent is the app. */
static void greet_and_echo(int fd)
{
	char data[BUFFER];
	ssize_t got;

	write_all(fd, greeting, strlen(greeting));
	while ((got = read(fd, data, sizeof(data))) > 0) {
		if ((size_t)got == strlen(last_words) && memcmp(data, last_words, (size_t)got) == 0)
			kill(getppid(), SIGUSR1);
		if (write_all(fd, data, (size_t)got) < 0)
			break;
	}
	_exit(0);
}

static void die(int signal)
{
	(void)signal;
	_exit(1);
}

static void serve(const char *folder)
{
	char path[BUFFER], port[16];
	struct pollfd listeners[2] = { { .events = POLLIN }, { .events = POLLIN } };

	snprintf(path, sizeof(path), "%s/app.sock", folder);
	snprintf(port, sizeof(port), "%d", APP_PORT);
	/* What an earlier run of the app has left. */
	unlink(path);
	/* Its children need no wait; as process 1 of its container it has no default for a signal. */
	signal(SIGCHLD, SIG_IGN);
	signal(SIGTERM, die);
	signal(SIGUSR1, die);
	listeners[0].fd = listen_on(port);
	listeners[1].fd = listen_on(path);
	printf("serving\n");
	fflush(stdout);
	for (;;) {
		if (poll(listeners, 2, -1) < 0 && errno != EINTR)
			fail("poll");
		for (int i = 0; i < 2; i++) {
			int fd = (listeners[i].revents & POLLIN) ? accept(listeners[i].fd, NULL, NULL) : -1;

			if (fd < 0)
				continue;
			if (fork() == 0)
				greet_and_echo(fd);
			close(fd);
		}
	}
}

/* One way of the relay; answers 0 when there is no more to come. */
static int pass(int from, int to)
{
	char data[BUFFER];
	ssize_t got = read(from, data, sizeof(data));

	return got > 0 && write_all(to, data, (size_t)got) == 0;
}

static void connect_to(const char *where)
{
	struct sockaddr_storage address;
	socklen_t length = parse_address(where, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd ends[2] = { { .fd = 0, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, length) < 0)
		fail(where);
	signal(SIGPIPE, SIG_IGN);
	/* No half-close: ssh-agent takes it for the end of everything. So the first answer after all questions is the last. */
	while (poll(ends, 2, -1) >= 0) {
		if (ends[0].revents != 0 && !pass(0, fd))
			ends[0].fd = -1;
		if (ends[1].revents != 0 && (!pass(fd, 1) || ends[0].fd < 0))
			exit(0);
	}
	fail("poll");
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	else if (argc == 3 && strcmp(argv[1], "connect") == 0)
		connect_to(argv[2]);
	else
		fprintf(stderr, "usage: probe serve DIR | connect PORT|PATH\n");
	return 2;
}
