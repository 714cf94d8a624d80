/* A pseudo terminal of the app's own devpts, so that `tty`, sudo and tmux find it under its name. */
#pragma once

#include "options.h"

#include <sys/types.h>

struct terminal {
	int master;
	int peer;      /* the side of the session */
	char name[32]; /* /dev/pts/N, in the session's root */
};

/* `root` is the app's, or -1 for our own. Ends this process when there is no terminal to be had. */
struct terminal open_terminal(int root, const struct run_options *options);

/* In the session's process, which leads a session without a terminal: this becomes it. */
void control_terminal(const struct terminal *terminal);

void resize_terminal(int master, const struct winsize *window);

/* The process group that keyboard signals would reach; 0 when there is none. */
pid_t foreground_group(int master);
