/*
 * The answers, composed in place and gathered: many small ones leave in one write. While a request is served there is
 * always room for the largest answer, so composing never fails and never waits; only reply_reserve and reply_flush do.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "packet.h"
#include "protocol.h"

enum {
	LARGEST_REPLY = 4 + MAX_PACKET,
	REPLY_CAPACITY = 2 * LARGEST_REPLY,
};

/* Zeroed, it is empty. */
struct replies {
	size_t length;
	/* Where the answer that is being composed begins. */
	size_t current;
	uint8_t bytes[REPLY_CAPACITY];
};

/* Makes room for one more answer; false and errno if the client can no longer be written to. */
MUST_CHECK bool reply_reserve(struct replies *replies, int descriptor);

/* Sends everything, waiting for as long as the client does not read: that is the backpressure. */
MUST_CHECK bool reply_flush(struct replies *replies, int descriptor);

/* Every answer is: begin, its fields in order, end. */
void reply_begin(struct replies *replies, enum packet_type type, uint32_t id);
void reply_u8(struct replies *replies, uint8_t value);
void reply_u32(struct replies *replies, uint32_t value);
void reply_u64(struct replies *replies, uint64_t value);
void reply_bytes(struct replies *replies, const void *bytes, size_t length);
void reply_string(struct replies *replies, const void *bytes, size_t length);
void reply_text(struct replies *replies, const char *text);
void reply_end(struct replies *replies);

/* Forgets the answer that was begun, to give another one instead. */
void reply_cancel(struct replies *replies);

/* Bytes of the answer that was begun, so far. */
size_t reply_size(const struct replies *replies);

/* A string that is read straight into the answer: at most MAX_DATA bytes to `reply_data`, then their number. */
uint8_t *reply_data(struct replies *replies);
void reply_data_read(struct replies *replies, size_t length);

/* A number that is known only later: where it stands, and what it is. */
size_t reply_later_u32(struct replies *replies);
void reply_u32_at(struct replies *replies, size_t position, uint32_t value);
