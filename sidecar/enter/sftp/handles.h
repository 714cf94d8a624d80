/* Open files and directories, and the opaque strings by which the client names them (section 6.3). */
#pragma once

#include <dirent.h>
#include <stdint.h>

#include "jail.h"
#include "packet.h"
#include "protocol.h"
#include "reply.h"

struct handle {
	/* Never given twice: a client that goes on using a handle after CLOSE does not reach a file opened since. 0: free. */
	uint32_t serial;
	/* One of the three: a file's descriptor, else -1; a directory; or what leads to the directories of the session. */
	int descriptor;
	DIR *directory;
	struct ancestor ancestor;
	bool is_listed;
};

/* Zeroed, all are free. */
struct handles {
	uint32_t last_serial;
	struct handle slots[MAX_HANDLES];
};

/* A handle to be used, or NULL if the client has all of them open. It is taken by handle_use. */
struct handle *handle_free(struct handles *handles);
void handle_use(struct handles *handles, struct handle *handle, const struct handle *what);

/* Closes the file or directory and frees the handle in any case; -1 and errno if what was written has been lost. */
int handle_close(struct handle *handle);
void handle_close_all(struct handles *handles);

/* Takes a handle from a request; `handle` is NULL if it is not, or no longer, one of ours. */
MUST_CHECK bool packet_handle(struct packet *packet, struct handles *handles, struct handle **handle);
/* The same, where only a file makes sense: its descriptor, or -1. */
MUST_CHECK bool packet_file(struct packet *packet, struct handles *handles, int *descriptor);

/* Answers with a handle. */
void reply_handle(struct replies *replies, uint32_t id, const struct handles *handles, const struct handle *handle);
