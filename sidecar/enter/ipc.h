/*
 * fd 3 as Node's child_process has it with stdio 'ipc' and JSON serialization: lines of JSON both ways. A descriptor
 * travels (unix(7), SCM_RIGHTS) beside a NODE_HANDLE message, which Node acknowledges before the next may come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ipc {
	int fd;
	int passing; /* what has been sent and not acknowledged, or -1 */
	int attempts;
	size_t length;
	char line[64]; /* what is longer is nothing that we know */
};

/* Says {"<key>":"<text>"}; answers false when the other end is gone. */
bool ipc_say(const struct ipc *ipc, const char *key, const char *text);

/*
 * Sends a connected stream socket, which becomes a net.Socket there with the message "connection", and closes ours when
 * it has arrived. Nothing may be on its way. Answers false when the other end is gone.
 */
bool ipc_pass_socket(struct ipc *ipc, int socket);

/* Reads what there is, when poll(2) has said that there is; answers false when the other end is gone. */
bool ipc_read(struct ipc *ipc);
