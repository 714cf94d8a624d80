#include "launch.h"
#include "fail.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void read_exactly(int socket, char *bytes, size_t length)
{
	for (size_t have = 0; have < length;) {
		struct pollfd polled = {.fd = socket, .events = POLLIN};
		ssize_t count = poll(&polled, 1, -1) < 0 ? -1 : recv(socket, bytes + have, length - have, MSG_DONTWAIT);
		if (count < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (count <= 0)
			fail(EXIT_USAGE, "the launch ends before its length");
		have += (size_t)count;
	}
}

static size_t count_strings(const char *bytes, size_t length)
{
	size_t count = 0;
	for (size_t i = 0; i < length; i++)
		count += bytes[i] == '\0';
	return count;
}

void read_launch(int socket, size_t length, char ***argv, char ***variables)
{
	char *bytes = malloc(length);
	if (!bytes)
		fail(EXIT_CANNOT_RUN, "out of memory");
	read_exactly(socket, bytes, length);
	if (length == 0 || bytes[length - 1] != '\0')
		fail(EXIT_USAGE, "the launch does not end with a NUL");
	size_t strings = count_strings(bytes, length);
	char *end, *rest = bytes + strlen(bytes) + 1;
	unsigned long words = strtoul(bytes, &end, 10);
	if (end == bytes || *end || words == 0 || words > strings - 1)
		fail(EXIT_USAGE, "the launch has not as many words as it says");
	/* Two lists in one: with the NULL behind the words, and the one behind the variables. */
	char **list = calloc(strings + 1, sizeof *list);
	if (!list)
		fail(EXIT_CANNOT_RUN, "out of memory");
	*argv = list;
	*variables = list + words + 1;
	for (size_t i = 0; i < strings - 1; i++, rest += strlen(rest) + 1)
		list[i < words ? i : i + 1] = rest;
}
