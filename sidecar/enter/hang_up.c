#include "hang_up.h"
#include "clock.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>

enum { TICK_MS = 100, FOLLOW_MS = 1000, PATIENCE_MS = 3000, KILLED_MS = 500 };

struct census {
	pid_t session, groups[2];
	bool inhabited;
};

static bool is_member(const struct process_stat *stat, const struct census *census)
{
	bool member = stat->group == census->groups[0] || stat->group == census->groups[1];
	return stat->session == census->session && member && stat->state != 'Z' && stat->state != 'X';
}

static bool count(int process, const struct process_stat *stat, void *context)
{
	struct census *census = context;
	(void)process;
	census->inhabited = is_member(stat, census);
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

static bool wait_until_empty(pid_t session, pid_t foreground, long patience_ms)
{
	long deadline = now_ms() + patience_ms;
	while (is_inhabited(session, session, foreground ? foreground : session)) {
		if (now_ms() >= deadline)
			return false;
		rest_ms(TICK_MS);
	}
	return true;
}

static void end_groups(pid_t session, pid_t foreground, long patience_ms)
{
	if (wait_until_empty(session, foreground, patience_ms))
		return;
	signal_both(session, foreground, SIGKILL);
	wait_until_empty(session, foreground, KILLED_MS);
}

void hang_up(pid_t session, pid_t foreground)
{
	signal_both(session, foreground, SIGHUP);
	/* A stopped process does not see the SIGHUP before it continues. */
	signal_both(session, foreground, SIGCONT);
	end_groups(session, foreground, PATIENCE_MS);
}

/* One by one: a signal to the leader's group would be one to the leader. */
static bool hang_up_follower(int process, const struct process_stat *stat, void *context)
{
	const struct census *census = context;
	(void)process;
	if (is_member(stat, census) && stat->pid != census->session) {
		kill(stat->pid, SIGHUP);
		kill(stat->pid, SIGCONT);
	}
	return true;
}

void follow_hang_up(pid_t session, pid_t foreground)
{
	struct census census = {.session = session, .groups = {session, foreground ? foreground : session}};
	if (wait_until_empty(session, foreground, FOLLOW_MS))
		return;
	each_process(hang_up_follower, &census);
	end_groups(session, foreground, PATIENCE_MS - FOLLOW_MS);
}
