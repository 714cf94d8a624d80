/* What the sidecar asks for while the session lives: lines on a socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>

struct control {
	int fd; /* -1: nobody controls us */
	size_t length;
	bool skipping; /* the rest of a line that was too long */
	char line[64];
};

/* Whom to tell. */
struct control_handlers {
	void (*resize)(const struct winsize *window, void *context);
	void (*signal)(int number, void *context);
	void (*send_break)(void *context);
	void (*hang_up)(void *context);
	void (*kill)(void *context);
	void *context;
};

/* Reads what there is; answers false when the other end is gone: the sidecar has ended. */
bool read_control(struct control *control, const struct control_handlers *handlers);
