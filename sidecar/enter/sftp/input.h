/* Cuts the client's byte stream into packets: few, large reads, and as many packets from each as it holds. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "packet.h"
#include "protocol.h"

enum {
	LENGTH_FIELD = 4,
	/* The longest packet, incomplete by a byte, still leaves room for a large read. */
	INPUT_CAPACITY = LENGTH_FIELD + MAX_PACKET + 256 * 1024,
};

/* What has been read but not taken lies in bytes[begin..end). Zeroed, it is empty. */
struct input {
	size_t begin;
	size_t end;
	uint8_t bytes[INPUT_CAPACITY];
};

enum input_state {
	INPUT_PACKET,
	/* Call input_read before asking again. */
	INPUT_INCOMPLETE,
	/* The length exceeds MAX_PACKET: there is no way to go on. */
	INPUT_OVERSIZED,
};

/* Takes the next packet, without its length; it stays valid until the next input_read. */
MUST_CHECK enum input_state input_next(struct input *input, struct packet *packet);

/* Waits for more bytes and reads them; answers their number, 0 at the end, -1 and errno for a failure. */
MUST_CHECK ssize_t input_read(struct input *input, int descriptor);

/* Bytes of a packet that has only partly come. */
size_t input_pending(const struct input *input);
