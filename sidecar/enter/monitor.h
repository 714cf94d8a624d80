/* Beside each session stays a monitor: it relays, takes orders, and ends as the session's program ended. */
#pragma once

#include "control.h"
#include "flow.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum { MAX_FLOWS = 3 };

struct monitor {
	pid_t child; /* leader of the session and of its first process group */
	int master;  /* of its terminal, or -1 */
	int signals; /* signalfd */
	struct control control;
	struct flow *flows[MAX_FLOWS]; /* the first is its input */
	size_t flow_count;
	bool child_dead;
	siginfo_t status;
	bool hung_up; /* the connection has ended, or the sidecar is ending */
	bool revoked; /* nothing of the session may stay */
};

/* Answers never: ends with the status, or by the signal, of the session's program. */
__attribute__((noreturn)) void watch_session(struct monitor *monitor);
