/* Ending a session whose client has gone. */
#pragma once

#include <sys/types.h>

/* To a process group that may not have been made yet, when its leader has not come to setsid(2). */
void signal_group(pid_t group, int number);

/*
 * SIGHUP and SIGCONT to the session's first group and to the terminal's foreground group (0: none), and after 3
 * seconds SIGKILL. Processes that moved to other groups and ignore SIGHUP (nohup, setsid, tmux) stay, as with sshd.
 * Returns when the groups are empty, or killed. The session's leader must not have been reaped.
 */
void hang_up(pid_t session, pid_t foreground);
