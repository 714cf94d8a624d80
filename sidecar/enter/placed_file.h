/* A file that is there for as long as this process: a socket to listen at, a lease. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { MAX_PLACED_PATH = 108 }; /* with its NUL: sun_path of unix(7) */

struct placed_file {
	char path[MAX_PLACED_PATH];
	const char *name; /* what it is called from our working directory */
	bool has_directory; /* which goes with it */
	dev_t device;
	ino_t inode;
};

/* Makes the file of this name, which must not exist; answers false with errno. */
typedef bool make_file(const char *name, void *context);

/* At a path, of at most 107 bytes. Ends this process when it cannot be made there. */
void place_file(const char *path, make_file *make, void *context, struct placed_file *placed);

/*
 * Under a name in a new directory, which nobody else may enter and whose name nobody can guess: beneath the first of
 * /tmp, /dev/shm, /var/tmp and `home` (or NULL) that takes both, and lets nobody put another in its place (home.h). It becomes our working directory.
 * Ends this process when there is none.
 */
void place_private_file(const char *name, const char *home, make_file *make, void *context,
			struct placed_file *placed);

/* Only the one that we made: somebody may have put another in its place. */
void remove_placed_file(const struct placed_file *placed);
