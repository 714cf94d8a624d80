#define _GNU_SOURCE /* O_PATH */
#include "process.h"
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* PF_FORKNOEXEC of the kernel's sched.h, which proc_pid_stat(5) refers to for the field flags. */
enum { FORKED_ONLY = 0x40 };

int open_process(pid_t pid)
{
	char path[32];
	snprintf(path, sizeof path, "/proc/%d", pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

bool read_stat(int process, struct process_stat *stat)
{
	char text[1024];
	if (!read_text_at(process, "stat", text, sizeof text))
		return false;
	/* "pid (name) state …": the name is the program's to choose, and may hold spaces and ")"; what follows may not. */
	const char *rest = strrchr(text, ')');
	static const char format[] = ") %c %d %d %d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu";
	unsigned flags;
	stat->pid = atoi(text);
	if (rest && sscanf(rest, format, &stat->state, &stat->parent, &stat->group, &stat->session, &flags, &stat->start) == 6) {
		stat->has_executed = !(flags & FORKED_ONLY);
		return true;
	}
	errno = ESRCH;
	return false;
}

/* The text after "Name:\t" of a line of /proc/<pid>/status. */
static const char *status_field(const char *text, const char *name)
{
	size_t length = strlen(name);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1;
	}
	return NULL;
}

static size_t parse_groups(const char *field, gid_t *groups)
{
	size_t count = 0;
	while (count < MAX_GROUPS) {
		field += strspn(field, " \t");
		if (*field == '\n' || *field == '\0')
			break;
		groups[count++] = (gid_t)strtoul(field, (char **)&field, 10);
	}
	return count;
}

bool read_status(int process, struct process_status *status)
{
	static char text[64 * 1024];
	if (!read_text_at(process, "status", text, sizeof text))
		return false;
	const char *uids = status_field(text, "Uid"), *gids = status_field(text, "Gid");
	const char *groups = status_field(text, "Groups");
	const char *no_new_privs = status_field(text, "NoNewPrivs"), *bound = status_field(text, "CapBnd");
	/* Four ids: real, effective, saved, file system. */
	if (!uids || sscanf(uids, "%*u %u", &status->uid) != 1 || !gids || sscanf(gids, "%*u %u", &status->gid) != 1 ||
	    !groups || !no_new_privs || !bound) {
		errno = ESRCH;
		return false;
	}
	status->group_count = parse_groups(groups, status->groups);
	status->no_new_privs = atoi(no_new_privs) != 0;
	status->capability_bound = strtoull(bound, NULL, 16);
	return true;
}

void each_process(visit_process *visit, void *context)
{
	DIR *proc = opendir("/proc");
	if (!proc)
		return;
	bool more = true;
	for (struct dirent *entry; more && (entry = readdir(proc));) {
		pid_t pid = atoi(entry->d_name);
		int process = pid > 0 ? open_process(pid) : -1;
		struct process_stat stat;
		if (process >= 0 && read_stat(process, &stat))
			more = visit(process, &stat, context);
		close_fd(&process);
	}
	closedir(proc);
}
