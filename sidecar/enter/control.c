#include "control.h"
#include "signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Lines that we do not know are ignored: a newer sidecar may know more. */
static void handle(const char *line, const struct control_handlers *handlers)
{
	struct winsize window;
	char name[8];
	int end = 0;
	int numbers = sscanf(line, "size %hu %hu %hu %hu%n", &window.ws_col, &window.ws_row, &window.ws_xpixel,
			     &window.ws_ypixel, &end);
	if (numbers == 4 && line[end] == '\0')
		handlers->resize(&window, handlers->context);
	else if (sscanf(line, "signal %7s%n", name, &end) == 1 && line[end] == '\0' && signal_by_name(name))
		handlers->signal(signal_by_name(name), handlers->context);
	else if (strcmp(line, "break") == 0)
		handlers->send_break(handlers->context);
	else if (strcmp(line, "hangup") == 0)
		handlers->hang_up(handlers->context);
	else if (strcmp(line, "kill") == 0)
		handlers->kill(handlers->context);
}

static void take(struct control *control, char c, const struct control_handlers *handlers)
{
	if (c == '\n') {
		control->line[control->length] = '\0';
		if (!control->skipping)
			handle(control->line, handlers);
		control->length = 0;
		control->skipping = false;
	} else if (control->length + 1 < sizeof control->line) {
		control->line[control->length++] = c;
	} else {
		control->skipping = true;
	}
}

bool read_control(struct control *control, const struct control_handlers *handlers)
{
	char bytes[512];
	ssize_t count = recv(control->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR;
	for (ssize_t i = 0; i < count; i++)
		take(control, bytes[i], handlers);
	return count > 0;
}
