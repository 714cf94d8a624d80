/* After a session has ended, somebody must still answer for what it left behind, such as daemons. */
#pragma once

#include "monitor.h"

/*
 * Answers at once where nothing is left. Else tells the sidecar how the session ended, in a line: "ended exit <status>" or
 * "ended signal <number>", gives the streams back, and stays until the last of it is gone. The order "kill" ends all of
 * it, and so does the end of the sidecar: nobody could give that order any more.
 */
void linger(struct monitor *monitor);
