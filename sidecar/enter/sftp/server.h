/* What one session of the server knows; the functions that serve its requests take it and the request's packet. */
#pragma once

#include <stdbool.h>

#include "handles.h"
#include "input.h"
#include "jail.h"
#include "packet.h"
#include "reply.h"

/* Zeroed, nothing has happened yet. */
struct server {
	bool read_only;
	/* The client has sent INIT. */
	bool initialised;
	struct input input;
	struct replies replies;
	struct handles handles;
	struct jail jail;
};

/*
 * Serves one request, with exactly one answer. Answers false only for a malformed packet, and then has neither answered
 * nor changed anything: all fields are taken before anything is done.
 */
typedef bool serve_request(struct server *server, struct packet *packet);
