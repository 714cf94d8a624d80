#define _GNU_SOURCE /* O_PATH, AT_EMPTY_PATH */

#include "place.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "canonical.h"

static int fail(int error)
{
	errno = error;
	return -1;
}

/* Where the path lies inside; EACCES for everything else, whether it exists or not. `text` holds `rest`. */
static const struct jail_directory *find(const struct jail *jail, const char *path, char text[PATH_MAX],
					 const char **rest)
{
	if (jail_path(jail, path, text) < 0)
		return NULL;
	const struct jail_directory *directory = jail_holds(jail, text, rest);
	if (directory == NULL)
		errno = EACCES;
	return directory;
}

/* A slash at the end, which the canonical text has lost, asks for a directory, also behind a link. */
static int flags_for(const char *path, int flags)
{
	const size_t length = strlen(path);

	return length > 0 && path[length - 1] == '/' ? (flags | O_DIRECTORY) & ~O_NOFOLLOW : flags;
}

int place_open(const struct jail *jail, const char *path, int flags, mode_t mode)
{
	char text[PATH_MAX];
	const char *rest;

	if (jail->count == 0)
		return open(path, flags | O_CLOEXEC, mode);
	const struct jail_directory *directory = find(jail, path, text, &rest);
	return directory == NULL ? -1 : jail_open_beneath(directory, rest, flags_for(path, flags), mode);
}

int place_of_name(const struct jail *jail, const char *path, struct place *place)
{
	const char *rest;

	place->folder = AT_FDCWD;
	place->name = path;
	place->flags = 0;
	if (jail->count == 0)
		return 0;
	const struct jail_directory *directory = find(jail, path, place->text, &rest);
	if (directory == NULL)
		return -1;
	/* The directory itself has its name outside. */
	if (rest[0] == '\0')
		return fail(EACCES);
	/* A slash is there: the text is absolute. Cut at the last one, it is the parent; where nothing is left, `rest`. */
	char *slash = strrchr(place->text, '/');
	const bool is_child = slash < rest;
	*slash = '\0';
	place->name = slash + 1;
	place->folder = jail_open_beneath(directory, is_child ? "" : rest, O_PATH | O_DIRECTORY, 0);
	return place->folder < 0 ? -1 : 0;
}

int place_of_file(const struct jail *jail, const char *path, int flags, struct place *place)
{
	place->folder = AT_FDCWD;
	place->name = path;
	place->flags = flags;
	if (jail->count == 0)
		return 0;
	place->folder = place_open(jail, path, O_PATH | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0), 0);
	place->name = "";
	place->flags = AT_EMPTY_PATH;
	return place->folder < 0 ? -1 : 0;
}

/* By /proc the kernel goes from a descriptor straight to its file: nothing is looked up that anybody could replace. */
const char *place_path(struct place *place)
{
	static const char descriptors[] = "/proc/self/fd";
	struct statfs found;

	if (place->folder == AT_FDCWD)
		return place->name;
	if (statfs(descriptors, &found) < 0 || found.f_type != PROC_SUPER_MAGIC) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	snprintf(place->text, sizeof place->text, "%s/%d", descriptors, place->folder);
	return place->text;
}

int place_leave(const struct place *place, int result)
{
	const int error = errno;

	if (place->folder >= 0)
		close(place->folder);
	errno = error;
	return result;
}

int place_stat(const struct jail *jail, const char *path, int flags, struct stat *stat)
{
	struct place place;
	struct ancestor ancestor;

	if (jail_is_ancestor(jail, path, &ancestor)) {
		jail_ancestor_stat(stat);
		return 0;
	}
	if (place_of_file(jail, path, flags, &place) < 0)
		return -1;
	return place_leave(&place, fstatat(place.folder, place.name, stat, place.flags));
}

int place_canonical(const struct jail *jail, const char *path, char resolved[PATH_MAX])
{
	return jail->count == 0 ? canonical_path(path, resolved) : jail_path(jail, path, resolved);
}
