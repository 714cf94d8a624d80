/*
 * The directories that a session is confined to, if it is. Names are the client's business, and compared as text; what
 * they lead to is the kernel's: every access is resolved beneath a descriptor that was opened before the first request,
 * by openat2(2) with RESOLVE_BENEATH. So whatever is renamed, linked or mounted meanwhile, and however late, no text that
 * a client sends reaches further.
 *
 * What leads to these directories (`/` and `/srv` of `/srv/data`) is made up of their names alone, so that clients can
 * walk there: nothing outside is ever looked at, and a client learns nothing about it.
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>

#include "packet.h"
#include "sftp.h"

struct jail_directory {
	/* Canonical, as the client sees it. */
	char path[PATH_MAX];
	/* O_PATH. */
	int descriptor;
};

/* Zeroed, it confines nothing. */
struct jail {
	size_t count;
	struct jail_directory directories[SFTP_MAX_DIRECTORIES];
};

/* An ancestor of a directory: the first `length` bytes of its path. A `path` of NULL is none. */
struct ancestor {
	const char *path;
	size_t length;
};

/*
 * Opens the directories, and leaves out those that cannot be opened. Answers NULL, or why the session cannot be confined:
 * a sentence that stays valid until the next call.
 */
MUST_CHECK const char *jail_open(struct jail *jail, const struct sftp_options *options);
void jail_close(struct jail *jail);

/* The absolute name of a path, by its text alone: relative to the first directory, `..` removes the name before it. */
MUST_CHECK int jail_path(const struct jail *jail, const char *path, char absolute[PATH_MAX]);

/* The innermost directory that holds an absolute name, and the rest of the name; NULL where none does. */
const struct jail_directory *jail_holds(const struct jail *jail, const char *absolute, const char **rest);

/* Opens what lies beneath a directory; an empty path is the directory itself. -1 and EACCES for what leads out of it. */
MUST_CHECK int jail_open_beneath(const struct jail_directory *directory, const char *path, int flags, mode_t mode);

/* Whether a path is nothing but an ancestor. */
bool jail_is_ancestor(const struct jail *jail, const char *path, struct ancestor *ancestor);

/*
 * The name by which the `index`-th directory lies beneath the ancestor; false if it does not, or if one before it has the
 * same name.
 */
bool jail_next_name(const struct jail *jail, const struct ancestor *ancestor, size_t index, char name[NAME_MAX + 1]);

/* What a client is told about every ancestor: a directory that anybody may list and nobody may change. */
void jail_ancestor_stat(struct stat *stat);
