/* pwrite until all is written: where the disk becomes full, the first call is short, and only the next says why. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "packet.h"

/* Answers 0, or -1 and errno. Writing nothing still says whether the descriptor could be written to. */
MUST_CHECK int write_all(int descriptor, const uint8_t *bytes, size_t length, uint64_t offset);
