/*
 * One request of the client, taken apart field by field (section 3). Whatever a length claims, nothing outside of the
 * packet is read: each function answers false where the packet does not hold what was asked for. Such a packet is
 * malformed; the caller answers false in turn, up to the loop, which ends the server.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))

struct packet {
	/* What is not yet taken: in the input buffer, and ours to change. */
	uint8_t *next;
	const uint8_t *end;
	/* The request's id, which the answer repeats; 0 in INIT, which has none. */
	uint32_t id;
};

MUST_CHECK bool packet_u8(struct packet *packet, uint8_t *value);
MUST_CHECK bool packet_u32(struct packet *packet, uint32_t *value);
MUST_CHECK bool packet_u64(struct packet *packet, uint64_t *value);

/* A string of any bytes; they stay valid until the answer is made. */
MUST_CHECK bool packet_string(struct packet *packet, const uint8_t **bytes, size_t *length);

/* A string without a NUL inside, as the kernel's calls want a path; it may be empty or longer than PATH_MAX. */
MUST_CHECK bool packet_path(struct packet *packet, const char **path);
