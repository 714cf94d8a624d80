/* The last step: becoming the session's program. */
#pragma once

#include "options.h"

/* Opens the fallback while our own root is still ours; -1 when there is none. */
int open_fallback(const struct run_options *options);

/* execve, or the built-in sftp server. Ends this process when there is nothing to execute. */
__attribute__((noreturn)) void run_program(const struct run_options *options, int fallback);
