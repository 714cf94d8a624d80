/* What every command does first, while it has all its privileges: nothing of ours is to leak from it. */
#pragma once

#include <sys/resource.h>

/* fd 3 is the sidecar's when it is a socket; else -1: nobody controls us. */
int find_control(void);

/* Whatever we hold is for us alone: a descriptor of the outer root would let a session out of its own. */
void guard_descriptors(int control);

/* No core file, no tracer: our memory and /proc entries are nobody's business. Answers the limit that there was. */
struct rlimit guard_memory(void);
