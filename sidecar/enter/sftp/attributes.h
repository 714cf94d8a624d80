/* ATTRS, the description of a file (section 5). */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "packet.h"
#include "reply.h"

struct attributes {
	/* Which of the fields below were given: ATTR_*. */
	uint32_t given;
	uint64_t size;
	uint32_t uid;
	uint32_t gid;
	uint32_t permissions;
	uint32_t access_time;
	uint32_t modification_time;
};

MUST_CHECK bool packet_attributes(struct packet *packet, struct attributes *attributes);

/* The permission bits given, without the type of the file; `otherwise` where none were. */
mode_t attributes_mode(const struct attributes *attributes, mode_t otherwise);

void reply_attributes(struct replies *replies, const struct stat *stat);
void reply_no_attributes(struct replies *replies);
