/* Who we are for a moment (the app), for good (the session's user), and for the rest (the monitor). */
#pragma once

#include "process.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Takes another process's ids as *effective* ids, keeping our capabilities.
 *
 * /proc/<pid>/{root,cwd,environ} want ptrace read access (ptrace(2), PTRACE_MODE_READ_FSCREDS): our file system ids
 * equal to all of its ids, and our effective capabilities a superset of its permitted ones. Not CAP_SYS_PTRACE.
 * Our real and saved uid stay 0, so that the app can neither trace nor signal us meanwhile.
 * A helper that is not root changes nothing and answers true: it may be the same user already.
 */
bool take_ids_of(const struct process_status *who);

/* Back to our own. Ends the process if it cannot. */
void return_to_own_ids(void);

/* What the session's program will be. */
struct session_user {
	uid_t uid;
	gid_t gid;
	size_t group_count;
	gid_t groups[MAX_GROUPS];
	bool no_new_privs;
	bool bounded; /* by capability_bound; else the bounding set stays ours */
	uint64_t capability_bound;
};

/* Becomes the session's user for good, verifies it, or ends the process. */
void become_session_user(const struct session_user *user);

/* Opening a new file for somebody: the file belongs to them, and is opened with their rights. */
bool take_file_ids(uid_t uid, gid_t gid);
void return_file_ids(void);

/* The monitor keeps what it takes to signal the session, and nothing else. */
void become_monitor(uid_t session_uid);
