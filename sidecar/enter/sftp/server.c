#define _GNU_SOURCE /* strerrordesc_np */

#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "requests.h"
#include "sftp.h"

enum { FROM_CLIENT = 0, TO_CLIENT = 1, TO_HUMANS = 2 };

static bool stop(const char *sentence)
{
	dprintf(TO_HUMANS, "sftp: %s\n", sentence);
	return false;
}

static bool stop_by_error(const char *what)
{
	dprintf(TO_HUMANS, "sftp: %s: %s\n", what, strerrordesc_np(errno));
	return false;
}

static bool serve_one(struct server *server, struct packet *packet)
{
	uint8_t type;

	if (!reply_reserve(&server->replies, TO_CLIENT))
		return stop_by_error("cannot write to the client");
	/*
	 * Fields that follow those we know are ignored, as by OpenSSH. Fields that are missing, or longer than the packet,
	 * mean that the client and we do not speak the same protocol: an answer would only hide it.
	 */
	if (!packet_u8(packet, &type) || !serve_packet(server, type, packet))
		return stop("malformed packet");
	return true;
}

/* The client has sent nothing complete: now it gets its answers, and we wait. `more` is false at the end of its input. */
static bool wait_for_input(struct server *server, bool *more)
{
	if (!reply_flush(&server->replies, TO_CLIENT))
		return stop_by_error("cannot write to the client");
	const ssize_t count = input_read(&server->input, FROM_CLIENT);
	if (count < 0)
		return stop_by_error("cannot read from the client");
	*more = count > 0;
	return *more || input_pending(&server->input) == 0 || stop("the input ended inside a packet");
}

/* One request after the other, in order; answers whether the session ended well. */
static bool serve_all(struct server *server)
{
	bool more = true;

	while (more) {
		struct packet packet;

		switch (input_next(&server->input, &packet)) {
		case INPUT_PACKET:
			if (!serve_one(server, &packet))
				return false;
			break;
		case INPUT_INCOMPLETE:
			if (!wait_for_input(server, &more))
				return false;
			break;
		case INPUT_OVERSIZED:
			return stop("packet too long");
		}
	}
	return true;
}

/*
 * Otherwise, who may only transfer files could write a program into /proc/self/mem, and so run it; OpenSSH's server does
 * the same. The sanitizers' leak detector, in our tests, must trace its own process.
 */
static bool forbid_tracing(void)
{
#ifndef __SANITIZE_ADDRESS__
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		return stop_by_error("cannot forbid tracing");
#endif
	return true;
}

static bool confine(struct server *server, const struct sftp_options *options)
{
	const char *refusal = jail_open(&server->jail, options);

	return refusal == NULL || stop(refusal);
}

static void start_at_home(void)
{
	const char *home = getenv("HOME");

	/* Where there is no home, or none that we may enter, the session starts where it stands. */
	if (home == NULL || chdir(home) < 0)
		return;
}

static bool run(struct server *server, const struct sftp_options *options)
{
	/* A client that has gone, or a limit on file sizes, shall be an error of write, not our silent death. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (options->directory_count == 0)
		start_at_home();
	const bool ended_well = forbid_tracing() && confine(server, options) && serve_all(server);

	/* What was asked for before things went wrong is answered, if it still can be. */
	if (!ended_well && !reply_flush(&server->replies, TO_CLIENT))
		return false;
	return ended_well;
}

int sftp_serve(const struct sftp_options *options)
{
	/* More than a megabyte: not for the stack. All the memory that a session takes, but for open directories. */
	struct server *server = calloc(1, sizeof *server);

	if (server == NULL)
		return stop("out of memory") ? EXIT_SUCCESS : EXIT_FAILURE;
	server->read_only = options->read_only;
	const bool ended_well = run(server, options);
	handle_close_all(&server->handles);
	jail_close(&server->jail);
	free(server);
	return ended_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
