#include "descendants.h"
#include "clock.h"
#include "fail.h"
#include "files.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MAX_CENSUS = 32768, /* as many as a pod has by default; of more, the others come when these are gone */
	GOODBYE_MS = 1000,
	PATIENCE_MS = 3000,
	TICK_MS = 20,
	QUIET_LOOKS = 20,
	MAX_CHILDREN = 64 * 1024, /* bytes of their numbers; the others come when these are gone */
};

static struct census {
	size_t count;
	struct entry {
		pid_t pid, parent;
		bool ours;
	} entries[MAX_CENSUS];
} census;

static bool note(int process, const struct process_stat *stat, void *context)
{
	(void)process;
	(void)context;
	bool dead = stat->state == 'Z' || stat->state == 'X';
	if (!dead)
		census.entries[census.count++] = (struct entry){.pid = stat->pid, .parent = stat->parent};
	return census.count < MAX_CENSUS;
}

static int compare_pids(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	return (left->pid > right->pid) - (left->pid < right->pid);
}

static bool is_ours(pid_t pid)
{
	const struct entry key = {.pid = pid};
	const struct entry *found = bsearch(&key, census.entries, census.count, sizeof key, compare_pids);
	return pid == getpid() || (found && found->ours);
}

/* Answers whether there was any. A parent mostly comes before its children: few rounds, in most cases two. */
static bool find_descendants(void)
{
	bool any = false;
	census.count = 0;
	each_process(note, NULL);
	qsort(census.entries, census.count, sizeof census.entries[0], compare_pids);
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < census.count; i++) {
			struct entry *entry = &census.entries[i];
			if (entry->ours || !is_ours(entry->parent))
				continue;
			entry->ours = any = more = true;
		}
	}
	return any;
}

/* Answers whether there is anybody left whom it may have reached. */
static bool signal_descendants(int number)
{
	bool reached = false;
	if (find_descendants())
		for (size_t i = 0; i < census.count; i++)
			if (census.entries[i].ours && kill(census.entries[i].pid, number) == 0)
				reached = true;
	return reached;
}

void adopt_orphans(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		fail(EXIT_CANNOT_RUN, "cannot keep sight of what a session starts: %s", strerror(errno));
}

/*
 * What forks and ends without end is another before a look at all processes is over, and no signal reaches it. But each
 * of them becomes our child when its parent has ended, and a list of these takes microseconds. Answers whether one lived.
 */
static bool kill_children(pid_t session)
{
	static char text[MAX_CHILDREN];
	char path[64];
	bool alive = false;
	snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	if (!read_text_at(AT_FDCWD, path, text, sizeof text))
		return false;
	for (char *rest = text, *end; *rest; rest = end) {
		pid_t child = (pid_t)strtol(rest, &end, 10);
		if (end == rest)
			break;
		/* The session's own zombie stays: how it ended is still to be told. */
		if (child > 0 && (child == session || waitpid(child, NULL, WNOHANG) == 0))
			alive = (kill(child, SIGKILL) == 0 && child != session) || alive;
	}
	return alive;
}

void kill_descendants(pid_t session)
{
	long start = now_ms();
	signal_descendants(SIGHUP);
	signal_descendants(SIGCONT);
	while (now_ms() - start < GOODBYE_MS && signal_descendants(0))
		rest_ms(TICK_MS);
	/*
	 * Without a rest, and until nothing has been found for a while: one look may miss what forks faster than we look. The
	 * patience begins here: of what starves us until then, nothing is spared.
	 */
	start = now_ms();
	for (int quiet = 0; quiet < QUIET_LOOKS && now_ms() - start < PATIENCE_MS; quiet++) {
		bool alive = kill_children(session);
		if (signal_descendants(SIGKILL) || alive)
			quiet = -1;
	}
}
