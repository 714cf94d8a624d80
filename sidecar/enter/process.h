/* What /proc tells about a process, to anybody: proc_pid_stat(5), proc_pid_status(5). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_GROUPS = 1024 };

struct process_stat {
	pid_t pid;
	char state;
	pid_t parent;
	pid_t group;
	pid_t session;
	bool has_executed; /* a program, and is not just a copy of its parent */
	unsigned long long start; /* clock ticks after boot: with the pid it names the process for good */
};

struct process_status {
	uid_t uid; /* effective */
	gid_t gid;
	size_t group_count;
	gid_t groups[MAX_GROUPS];
	bool no_new_privs;
	uint64_t capability_bound;
};

/*
 * Opens /proc/<pid>. The descriptor means this process for ever: when it has died, look-ups beneath fail with ESRCH,
 * even if its number has been given to another.
 */
int open_process(pid_t pid);

/* Both answer false with errno, ESRCH when the process is gone. */
bool read_stat(int process, struct process_stat *stat);
bool read_status(int process, struct process_status *status);

/* Calls `visit` for each process in /proc, with its open directory, until it answers false. */
typedef bool visit_process(int process, const struct process_stat *stat, void *context);
void each_process(visit_process *visit, void *context);
