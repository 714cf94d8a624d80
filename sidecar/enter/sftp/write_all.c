#include "write_all.h"

#include <unistd.h>

int write_all(int descriptor, const uint8_t *bytes, size_t length, uint64_t offset)
{
	do {
		/* An offset beyond 2^63 becomes negative, which the kernel refuses. */
		const ssize_t count = pwrite(descriptor, bytes, length, (off_t)offset);
		if (count < 0)
			return -1;
		bytes += count;
		length -= (size_t)count;
		offset += (uint64_t)count;
	} while (length > 0);
	return 0;
}
