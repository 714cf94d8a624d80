/* The line for people in a directory listing (section 7): what `ls -l` would print. */
#pragma once

#include <sys/stat.h>
#include <time.h>

#include "reply.h"

/* Adds the line as a string: owner and group by number, the date in UTC, since neither has a name in a foreign image. */
void reply_longname(struct replies *replies, const char *name, const struct stat *stat, time_t now);
