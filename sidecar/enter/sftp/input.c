#include "input.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

size_t input_pending(const struct input *input)
{
	return input->end - input->begin;
}

enum input_state input_next(struct input *input, struct packet *packet)
{
	uint8_t *begin = input->bytes + input->begin;
	struct packet header = { .next = begin, .end = input->bytes + input->end };
	uint32_t length;

	if (!packet_u32(&header, &length))
		return INPUT_INCOMPLETE;
	if (length > MAX_PACKET)
		return INPUT_OVERSIZED;
	if (input_pending(input) < LENGTH_FIELD + length)
		return INPUT_INCOMPLETE;
	*packet = (struct packet){ .next = header.next, .end = header.next + length };
	input->begin += LENGTH_FIELD + length;
	return INPUT_PACKET;
}

/* Moves the beginning of a packet to the front, but only when the room behind it has become too small for its rest. */
static void make_room(struct input *input)
{
	if (input->begin == input->end) {
		input->begin = input->end = 0;
	} else if (INPUT_CAPACITY - input->begin < LENGTH_FIELD + MAX_PACKET) {
		memmove(input->bytes, input->bytes + input->begin, input_pending(input));
		input->end -= input->begin;
		input->begin = 0;
	}
}

ssize_t input_read(struct input *input, int descriptor)
{
	struct pollfd readable = { .fd = descriptor, .events = POLLIN };
	ssize_t count;

	make_room(input);
	while ((count = read(descriptor, input->bytes + input->end, INPUT_CAPACITY - input->end)) < 0) {
		/* Whoever shares our end of the pipe may have made it non-blocking. */
		if (errno == EAGAIN)
			poll(&readable, 1, -1);
		else if (errno != EINTR)
			return -1;
	}
	input->end += (size_t)count;
	return count;
}
