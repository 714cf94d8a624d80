/* Capability sets as bit masks: capabilities(7). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CAPABILITY(number) (UINT64_C(1) << (number))

struct capabilities {
	uint64_t effective, permitted, inheritable;
};

bool get_capabilities(struct capabilities *sets);
bool set_capabilities(const struct capabilities *sets);

/* Makes every permitted capability effective. */
bool raise_capabilities(void);

/* Makes none effective; they stay permitted. */
bool lower_capabilities(void);

/* Drops from the bounding set what is not in `bound`; answers false with errno when it may not. */
bool bound_capabilities(uint64_t bound);
