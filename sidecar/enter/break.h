#pragma once

/* A break (RFC 4335), which pseudo terminals do not have: what a serial line's would do, by the terminal's settings. */
void send_break(int master);
