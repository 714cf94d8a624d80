#include "terminal.h"
#include "fail.h"
#include "files.h"
#include "identity.h"
#include "modes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

/* The app's files are what the app made of them: only the real thing is a multiplexer. */
static bool is_multiplexer(int fd)
{
	struct stat info;
	return fstat(fd, &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(5, 2);
}

/*
 * Who opens the master owns the peer: the kernel gives it the opener's file system uid. So the session's user may open
 * /dev/pts/N by its name (tmux, sudo, `echo >$(tty)`) and change its mode (mesg), without a chown from us.
 */
static int open_master(int root, uid_t uid, gid_t gid)
{
	if (!take_file_ids(uid, gid))
		fail(EXIT_CANNOT_RUN, "cannot open a terminal as uid %u: %s", uid, strerror(errno));
	int flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	int master = root < 0 ? open("/dev/ptmx", flags) : open_in_root(root, "/dev/pts/ptmx", flags);
	int error = errno;
	return_file_ids();
	if (master < 0)
		fail(EXIT_CANNOT_RUN, "cannot open %s: %s", root < 0 ? "/dev/ptmx" : "the app's /dev/pts/ptmx", strerror(error));
	if (!is_multiplexer(master))
		fail(EXIT_CANNOT_RUN, "the app's /dev/pts/ptmx is not a terminal multiplexer");
	return master;
}

static void set_up(const struct terminal *terminal, const struct run_options *options)
{
	struct termios settings;
	if (tcgetattr(terminal->peer, &settings) == 0) {
		apply_modes(options->modes, options->modes_length, &settings);
		tcsetattr(terminal->peer, TCSANOW, &settings);
	}
	resize_terminal(terminal->master, &options->window);
}

struct terminal open_terminal(int root, const struct run_options *options)
{
	int unlocked = 0;
	unsigned number;
	struct terminal terminal = {.master = open_master(root, options->user.uid, options->user.gid)};
	/* TIOCGPTPEER (ioctl_tty(2), Linux 4.13) opens the peer without its name, which means another file in our root. */
	if (ioctl(terminal.master, TIOCSPTLCK, &unlocked) != 0 || ioctl(terminal.master, TIOCGPTN, &number) != 0 ||
	    (terminal.peer = ioctl(terminal.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		fail(EXIT_CANNOT_RUN, "cannot open the terminal: %s", strerror(errno));
	snprintf(terminal.name, sizeof terminal.name, "/dev/pts/%u", number);
	set_up(&terminal, options);
	return terminal;
}

void control_terminal(const struct terminal *terminal)
{
	if (ioctl(terminal->peer, TIOCSCTTY, 0) != 0)
		fail(EXIT_CANNOT_RUN, "cannot make %s the controlling terminal: %s", terminal->name, strerror(errno));
}

void resize_terminal(int master, const struct winsize *window)
{
	/* The kernel sends SIGWINCH to the foreground group when the size changed. */
	ioctl(master, TIOCSWINSZ, window);
}

pid_t foreground_group(int master)
{
	pid_t group = 0;
	/* Asked of a master, the kernel answers for its peer, whose session is not ours. */
	return ioctl(master, TIOCGPGRP, &group) == 0 && group > 0 ? group : 0;
}
