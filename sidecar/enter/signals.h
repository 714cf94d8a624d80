/* Signals: by the names that SSH has for them, and by what we do with them. */
#pragma once

#include <signal.h>

/* RFC 4254 §6.10: "HUP" and so on, without "SIG"; 0 for any other name. */
int signal_by_name(const char *name);

/* The monitor reads its signals from the descriptor that this answers; a closed pipe is an error to it, not death. */
int take_signals(void);

/* As a program expects to find them: none blocked, none ignored. Node ignores SIGPIPE, and that survives execve. */
void reset_signals(void);

/* Ends this process by the signal that ended another. */
__attribute__((noreturn)) void die_by(int number);
