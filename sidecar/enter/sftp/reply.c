#include "reply.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool reply_flush(struct replies *replies, int descriptor)
{
	struct pollfd writable = { .fd = descriptor, .events = POLLOUT };
	const uint8_t *next = replies->bytes;
	size_t left = replies->length;

	/* Also after a failure: half an answer must never be followed by the same answer again. */
	replies->length = 0;
	while (left > 0) {
		const ssize_t count = write(descriptor, next, left);
		if (count >= 0) {
			next += count;
			left -= (size_t)count;
		} else if (errno == EAGAIN) {
			/* Whoever shares our end of the pipe may have made it non-blocking. */
			poll(&writable, 1, -1);
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

bool reply_reserve(struct replies *replies, int descriptor)
{
	return REPLY_CAPACITY - replies->length >= LARGEST_REPLY || reply_flush(replies, descriptor);
}

/* The place for `length` more bytes. Every answer is bounded, so that the end is never reached; if it were, we stop. */
static uint8_t *take_room(struct replies *replies, size_t length)
{
	if (length > REPLY_CAPACITY - replies->length)
		abort();
	uint8_t *room = replies->bytes + replies->length;
	replies->length += length;
	return room;
}

static void store_number(uint8_t *place, size_t size, uint64_t value)
{
	for (size_t index = size; index-- > 0; value >>= 8)
		place[index] = (uint8_t)value;
}

void reply_u8(struct replies *replies, uint8_t value)
{
	*take_room(replies, sizeof value) = value;
}

void reply_u32(struct replies *replies, uint32_t value)
{
	store_number(take_room(replies, sizeof value), sizeof value, value);
}

void reply_u64(struct replies *replies, uint64_t value)
{
	store_number(take_room(replies, sizeof value), sizeof value, value);
}

void reply_bytes(struct replies *replies, const void *bytes, size_t length)
{
	memcpy(take_room(replies, length), bytes, length);
}

void reply_string(struct replies *replies, const void *bytes, size_t length)
{
	reply_u32(replies, (uint32_t)length);
	reply_bytes(replies, bytes, length);
}

void reply_text(struct replies *replies, const char *text)
{
	reply_string(replies, text, strlen(text));
}

void reply_begin(struct replies *replies, enum packet_type type, uint32_t id)
{
	replies->current = replies->length;
	(void)reply_later_u32(replies);
	reply_u8(replies, (uint8_t)type);
	reply_u32(replies, id);
}

void reply_end(struct replies *replies)
{
	reply_u32_at(replies, replies->current, (uint32_t)(reply_size(replies) - sizeof(uint32_t)));
}

void reply_cancel(struct replies *replies)
{
	replies->length = replies->current;
}

size_t reply_size(const struct replies *replies)
{
	return replies->length - replies->current;
}

size_t reply_later_u32(struct replies *replies)
{
	size_t position = replies->length;

	take_room(replies, sizeof(uint32_t));
	return position;
}

void reply_u32_at(struct replies *replies, size_t position, uint32_t value)
{
	store_number(replies->bytes + position, sizeof value, value);
}

uint8_t *reply_data(struct replies *replies)
{
	uint8_t *length = take_room(replies, sizeof(uint32_t) + MAX_DATA);

	/* Not counted before it is filled. */
	replies->length -= MAX_DATA;
	return length + sizeof(uint32_t);
}

void reply_data_read(struct replies *replies, size_t length)
{
	reply_u32_at(replies, replies->length - sizeof(uint32_t), (uint32_t)length);
	take_room(replies, length);
}
