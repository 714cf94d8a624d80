/*
 * The built-in SFTP server: version 3 of the protocol (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions.
 * It is called after the change of root and the drop of privileges, so it decides nothing about permissions: symbolic
 * links resolve in the app's root, and the kernel judges every request by the session's own ids.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { SFTP_MAX_DIRECTORIES = 16 };

struct sftp_options {
	/* Refuses every request that would change something, and does not advertise those that only would. */
	bool read_only;
	/*
	 * Absolute paths of directories that the session is confined to; none: it is not. Those that cannot be opened when it
	 * starts are left out; if none is left, it ends.
	 */
	const char *const *directories;
	size_t directory_count;
};

/*
 * Serves descriptors 0 -> 1 until the client ends the input; answers the exit code, after a sentence on descriptor 2
 * where it is not 0. It is the last thing that a process does: SIGPIPE and SIGXFSZ are ignored from here on, the process
 * may no longer be traced, and its working directory becomes $HOME, if that can be entered and nothing confines it.
 */
int sftp_serve(const struct sftp_options *options);
