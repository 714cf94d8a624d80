/* One line that tells a person what failed, and an exit status that tells a program. */
#pragma once

enum {
	EXIT_USAGE = 2,
	EXIT_NO_PROCESS = 3,    /* inspect: the container has no main process */
	EXIT_NOT_PERMITTED = 4, /* inspect: there may be one, but we may not look */
	EXIT_RESTARTED = 5,     /* run: the process that the caller meant is gone */
	EXIT_CANNOT_RUN = 126,  /* as shells have it */
	EXIT_NOT_FOUND = 127,
};

/* Writes "sshaccess: …" to stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* Writes the same and ends this process, without running atexit handlers: we may be a forked child. */
__attribute__((noreturn, format(printf, 2, 3))) void fail(int status, const char *format, ...);
