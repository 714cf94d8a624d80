#include "clock.h"

#include <time.h>

long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void rest_ms(long duration)
{
	const struct timespec tick = {.tv_sec = duration / 1000, .tv_nsec = duration % 1000 * 1000000L};
	nanosleep(&tick, NULL);
}
