#include "hang_up.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

enum { TICK_MS = 100, PATIENCE_MS = 3000, KILLED_MS = 500 };

struct census {
	pid_t session, groups[2];
	bool inhabited;
};

static bool count(int process, const struct process_stat *stat, void *context)
{
	struct census *census = context;
	(void)process;
	bool member = stat->group == census->groups[0] || stat->group == census->groups[1];
	if (stat->session == census->session && member && stat->state != 'Z' && stat->state != 'X')
		census->inhabited = true;
	return !census->inhabited;
}

/*
 * Living members only: zombies count as members for kill(2). And only of our session: the number of a foreground
 * group that has died out may have been given to somebody else.
 */
static bool is_inhabited(pid_t session, pid_t group, pid_t other_group)
{
	struct census census = {.session = session, .groups = {group, other_group}};
	each_process(count, &census);
	return census.inhabited;
}

void signal_group(pid_t group, int number)
{
	if (kill(-group, number) != 0 && errno == ESRCH)
		kill(group, number);
}

static void signal_both(pid_t session, pid_t foreground, int number)
{
	signal_group(session, number);
	if (foreground && foreground != session && is_inhabited(session, foreground, foreground))
		kill(-foreground, number);
}

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool wait_until_empty(pid_t session, pid_t foreground, long patience_ms)
{
	const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
	long deadline = now_ms() + patience_ms;
	while (is_inhabited(session, session, foreground ? foreground : session)) {
		if (now_ms() >= deadline)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

void hang_up(pid_t session, pid_t foreground)
{
	signal_both(session, foreground, SIGHUP);
	/* A stopped process does not see the SIGHUP before it continues. */
	signal_both(session, foreground, SIGCONT);
	if (wait_until_empty(session, foreground, PATIENCE_MS))
		return;
	signal_both(session, foreground, SIGKILL);
	wait_until_empty(session, foreground, KILLED_MS);
}
