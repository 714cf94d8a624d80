/* Directories of a session that no other uid can put something into, or something else in the place of. */
#pragma once

#include <stdbool.h>

/*
 * True of /tmp as it should be. An emptyDir is not: everybody may write to it, and without a sticky bit whoever may write
 * to a directory may rename what is another's there.
 */
bool keeps_what_is_ours(const char *directory);

/*
 * Makes HOME of a user without one: a directory of its own, the same for each session of its uid. Never /tmp itself,
 * where anybody could leave a .profile for others to run. Where none can be made, or somebody was there before: "/".
 */
void make_home(void);
