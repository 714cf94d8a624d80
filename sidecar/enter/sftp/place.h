/*
 * The one way from a path of the client to a file. Where the session is confined (jail.h), the path has been resolved
 * inside when a place is answered, and what remains for the caller's *at call is a descriptor and at most one component,
 * which the call must not follow. Where it is not, the place is the path itself, and nothing has been looked at.
 */
#pragma once

#include <fcntl.h>
#include <limits.h>

#include "jail.h"

struct place {
	/* What an *at call takes. */
	int folder;
	const char *name;
	int flags;
	/* Where `name` is ours. */
	char text[PATH_MAX];
};

/* A name that need not exist, for calls that do not follow links: mkdirat, unlinkat, renameat and their like. */
MUST_CHECK int place_of_name(const struct jail *jail, const char *path, struct place *place);
/* A file that exists, for calls that take `flags`: 0, or AT_SYMLINK_NOFOLLOW for a link itself. */
MUST_CHECK int place_of_file(const struct jail *jail, const char *path, int flags, struct place *place);
/* The path of a file that is placed, for calls that want one: truncate and chmod. NULL and errno if there is none. */
const char *place_path(struct place *place);
/* Ends the use of a place, and answers what the call answered, with its errno. */
int place_leave(const struct place *place, int result);

MUST_CHECK int place_open(const struct jail *jail, const char *path, int flags, mode_t mode);
MUST_CHECK int place_stat(const struct jail *jail, const char *path, int flags, struct stat *stat);

/* The canonical name of a path (section 6.11). Confined, it is made from the text alone: it tells nothing. */
MUST_CHECK int place_canonical(const struct jail *jail, const char *path, char resolved[PATH_MAX]);
