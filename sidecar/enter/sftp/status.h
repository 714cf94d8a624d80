/* STATUS answers (section 7): what went wrong, as a code for programs and a sentence for people. */
#pragma once

#include <stdint.h>

#include "protocol.h"
#include "reply.h"

void status_reply(struct replies *replies, uint32_t id, enum status status);

/* The same with a sentence of its own, where the code alone would not explain it. */
void status_explain(struct replies *replies, uint32_t id, enum status status, const char *sentence);

/* What a system call said: `error` is its errno. */
void status_error(struct replies *replies, uint32_t id, int error);

/* The answer to a request that is one system call: its result, and errno where that is negative. */
void status_result(struct replies *replies, uint32_t id, int result);
