/* Ending a session whose client has gone. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* To a process group that may not have been made yet, when its leader has not come to setsid(2). */
void signal_group(pid_t group, int number);

/*
 * SIGHUP and SIGCONT to the session's first group and to the terminal's foreground group (0: none), and after 3
 * seconds SIGKILL. Processes that moved to other groups and ignore SIGHUP (nohup, setsid, tmux) stay, as with sshd.
 * Returns when the groups are empty, or killed. The session's leader must not have been reaped.
 */
void hang_up(pid_t session, pid_t foreground);

/*
 * The same where closing the terminal has been the hang-up: the kernel has sent SIGHUP to the session's leader. That one
 * gets no second: an interactive bash that is saving its history for the first dies of it on the spot, and never comes
 * to hang up its jobs. The others hear of it from the leader, from the kernel when it is dead, and a second later from us.
 */
void follow_hang_up(pid_t session, pid_t foreground);
