/*
 * Commands that do one thing in the app's container as the session's user, and give the sidecar the result over fd 3.
 * They execute nothing: what `run` leaves to execve (descriptors, capabilities) they put away themselves.
 */
#pragma once

/* `enter connect OPTIONS -- PATH`: connects to a socket there, and hands over the connection. */
__attribute__((noreturn)) void connect_in_app(char **arguments);

/*
 * `enter listen OPTIONS -- PATH` or `enter listen OPTIONS --private NAME`: hands over each connection to a new socket,
 * until the sidecar goes away.
 */
__attribute__((noreturn)) void listen_in_app(char **arguments);

/* `enter lease OPTIONS -- NAME`: writes its input to a private file, which is there until the sidecar goes away. */
__attribute__((noreturn)) void lease_in_app(char **arguments);
