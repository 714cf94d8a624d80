/* One direction of a session: bytes from one descriptor to another, never more than a buffer of them at once. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

enum { FLOW_BUFFER = 64 * 1024 };

struct flow {
	int from, to; /* -1 when closed; a flow is over when both are */

	/* What kind of ends it has. */
	bool terminal_source; /* a pty master: its end is EIO, and may be passing */
	bool terminal_sink;   /* a pty master: shared with the other direction, not closed, never "gone" */
	bool splices;         /* one end is a pipe of ours: bytes move inside the kernel */

	/* Where it is. */
	bool wants_room;  /* splicing: there were bytes, but no room for them */
	bool resting;     /* a terminal without any open peer: look again later */
	bool last_call;   /* a terminal whose session is dead: what is there now is all there will be */
	size_t start, end;
	char buffer[FLOW_BUFFER];
};

bool flow_is_over(const struct flow *flow);

/* What to wait for: `wanted[0]` at the source, `wanted[1]` at the sink. Answers for how long, in ms; -1: for ever. */
int flow_poll(struct flow *flow, struct pollfd wanted[2]);

/* Moves what can be moved after poll(2) has answered. */
void flow_move(struct flow *flow, const struct pollfd answered[2]);

void flow_close(struct flow *flow);
