/* Which process is the main one of a container of this pod. */
#pragma once

#include "process.h"

#include <stdbool.h>

struct main_process {
	int process; /* its /proc directory, or -1 */
	struct process_stat stat;
	bool some_unreadable; /* a process that might have been it did not let us look */
};

/*
 * In a shared PID namespace the first process of each container, and each one that the runtime executes there later
 * (probes, kubectl exec), has a parent outside: PPid 0. Of those that carry the container's marker the oldest is the
 * main one.
 */
struct main_process find_main_process(const char *container);
