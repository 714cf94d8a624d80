/* NAME answers of one name (section 7): what REALPATH, READLINK and their like give. */
#pragma once

#include <stdint.h>

#include "reply.h"

/* Also as the long name, and without attributes: section 6.11 calls both dummy values. */
void reply_name(struct replies *replies, uint32_t id, const char *name);
