#include "ipc.h"
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Node gives up on a descriptor after as many. */
enum { MAX_MESSAGE = 2048, MAX_ATTEMPTS = 4 };

/* Never more than two of our messages are unread there, and the socket's buffer takes many more: no need to wait. */
static bool send_all(const struct ipc *ipc, const struct msghdr *message, size_t length)
{
	return sendmsg(ipc->fd, message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length;
}

/* RFC 8259 §7; Node throws at a line that is not JSON. Answers false where there is no room. */
static bool quote(const char *text, char *quoted, size_t size)
{
	size_t length = 0;
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;
		if (length + sizeof "\\u0000" > size)
			return false;
		if (byte < 0x20 || byte == '"' || byte == '\\')
			length += (size_t)sprintf(quoted + length, "\\u%04x", byte);
		else
			quoted[length++] = *text;
	}
	quoted[length] = '\0';
	return true;
}

bool ipc_say(const struct ipc *ipc, const char *key, const char *text)
{
	char quoted[MAX_MESSAGE / 2], line[MAX_MESSAGE];
	if (!quote(text, quoted, sizeof quoted))
		return false;
	int length = snprintf(line, sizeof line, "{\"%s\":\"%s\"}\n", key, quoted);
	struct iovec bytes = {.iov_base = line, .iov_len = (size_t)length};
	return send_all(ipc, &(struct msghdr){.msg_iov = &bytes, .msg_iovlen = 1}, bytes.iov_len);
}

static bool send_socket(struct ipc *ipc)
{
	static char line[] = "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Socket\",\"msg\":\"connection\"}\n";
	struct iovec bytes = {.iov_base = line, .iov_len = sizeof line - 1};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	memcpy(CMSG_DATA(&control.header), &ipc->passing, sizeof(int));
	const struct msghdr message = {
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control,
	};
	ipc->attempts++;
	return send_all(ipc, &message, bytes.iov_len);
}

bool ipc_pass_socket(struct ipc *ipc, int socket)
{
	/* Node takes descriptors as they come, and one that blocks would stop all of it. */
	if (fcntl(socket, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		return false;
	ipc->passing = socket;
	ipc->attempts = 0;
	return send_socket(ipc);
}

static bool is_line(const struct ipc *ipc, const char *text)
{
	return ipc->length == strlen(text) && memcmp(ipc->line, text, ipc->length) == 0;
}

static bool take_line(struct ipc *ipc)
{
	bool sent = true;
	/* The other end had no descriptor free: perhaps the next time. */
	if (is_line(ipc, "{\"cmd\":\"NODE_HANDLE_NACK\"}") && ipc->passing >= 0 && ipc->attempts < MAX_ATTEMPTS)
		sent = send_socket(ipc);
	else if (is_line(ipc, "{\"cmd\":\"NODE_HANDLE_ACK\"}") || is_line(ipc, "{\"cmd\":\"NODE_HANDLE_NACK\"}"))
		close_fd(&ipc->passing);
	ipc->length = 0;
	return sent;
}

bool ipc_read(struct ipc *ipc)
{
	char bytes[512];
	ssize_t count = recv(ipc->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR;
	bool alive = count > 0;
	for (ssize_t i = 0; i < count; i++) {
		if (bytes[i] == '\n')
			alive = take_line(ipc) && alive;
		else if (ipc->length < sizeof ipc->line)
			ipc->line[ipc->length++] = bytes[i];
	}
	return alive;
}
