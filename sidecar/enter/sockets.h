/* Sockets with a path: unix(7). */
#pragma once

/* `enter connect OPTIONS -- PATH`: connects, and hands the connection to the sidecar. */
__attribute__((noreturn)) void connect_in_app(char **arguments);

/* `enter listen OPTIONS -- PATH` or `… --private NAME`: hands each connection to the sidecar, until that goes away. */
__attribute__((noreturn)) void listen_in_app(char **arguments);
