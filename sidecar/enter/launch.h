/* A session's words and variables as the sidecar has them: bytes, which Node's spawn cannot pass on. */
#pragma once

#include <stddef.h>

enum { MAX_LAUNCH = 8 * 1024 * 1024 }; /* more than execve(2) ever takes */

/*
 * Reads `length` bytes from a socket: strings, each with its NUL. The first is how many words follow; what is behind
 * those are variables. The words become `argv`, the variables `variables`, both ending with NULL.
 *
 * The variables must mean nothing to ourselves: the app and the client chose them, and a C library reads its environment
 * (GLIBC_TUNABLES, LD_…) before main, with all privileges. In arguments everybody could read them.
 */
void read_launch(int socket, size_t length, char ***argv, char ***variables);
