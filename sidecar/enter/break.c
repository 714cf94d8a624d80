#include "break.h"
#include "files.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* The kernel takes in what is written to a master by and by. */
enum { PATIENCE_TICKS = 20 };

/*
 * What is typed ahead and not yet shown is dropped, but for NOFLSH. The kernel does it after the signal and lets nobody
 * write meanwhile; here it comes first, or it would drop what the program answers.
 */
static void interrupt(int master, int peer, const struct termios *settings)
{
	if (!(settings->c_lflag & NOFLSH))
		tcflush(peer, TCIOFLUSH);
	ioctl(master, TIOCSIG, SIGINT);
}

/* poll(2) of a terminal without input waits until the kernel has taken in what was written: n_tty_poll. */
static void wait_until_taken(int peer, int unread, int length)
{
	struct pollfd polled = {.fd = peer, .events = POLLIN};
	for (int tick = 0, now = 0; tick < PATIENCE_TICKS; tick++) {
		if (poll(&polled, 1, 0) == 0 || ioctl(peer, FIONREAD, &now) != 0 || now >= unread + length)
			return;
		poll(NULL, 0, 1);
	}
}

/* A break is neither echoed nor edited nor marked by the kernel a second time, as typed bytes are. */
static void type_unprocessed(int master, int peer, const char *bytes, int length)
{
	const tcflag_t input = PARMRK | ISTRIP, local = ECHO;
	struct termios before, now;
	int unread = 0;
	if (tcgetattr(peer, &before) != 0)
		return;
	now = before;
	now.c_iflag &= ~input;
	now.c_lflag &= ~local;
	ioctl(peer, FIONREAD, &unread);
	if (tcsetattr(peer, TCSANOW, &now) != 0)
		return;
	if (write(master, bytes, (size_t)length) == length)
		wait_until_taken(peer, unread, length);
	/* The program may have changed other settings meanwhile. */
	if (tcgetattr(peer, &now) != 0)
		return;
	now.c_iflag |= before.c_iflag & input;
	now.c_lflag |= before.c_lflag & local;
	tcsetattr(peer, TCSANOW, &now);
}

void send_break(int master)
{
	struct termios settings;
	int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (peer >= 0 && tcgetattr(peer, &settings) == 0 && !(settings.c_iflag & IGNBRK)) {
		if (settings.c_iflag & BRKINT)
			interrupt(master, peer, &settings);
		else if (settings.c_iflag & PARMRK)
			type_unprocessed(master, peer, "\377\0\0", 3);
		else
			type_unprocessed(master, peer, "\0", 1);
	}
	close_fd(&peer);
}
