/* Everything that a session has started, and that is still there. */
#pragma once

#include <sys/types.h>

/*
 * Makes orphans of this process's descendants its children, so that none of them gets out of sight: daemons too.
 * For the process that is to outlive them; what it starts does not inherit it (prctl(2), PR_SET_CHILD_SUBREAPER).
 */
void adopt_orphans(void);

/*
 * SIGHUP to all descendants, and a second later SIGKILL, again and again until none lives; at most 3 seconds in all.
 * The zombie of `session`, our own child, is left to the caller, those of orphans are not.
 * Out of reach stays what we may not signal: a setuid program that changed its real uid too, when we have no CAP_KILL.
 */
void kill_descendants(pid_t session);
