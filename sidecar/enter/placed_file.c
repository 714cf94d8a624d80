#include "placed_file.h"
#include "fail.h"
#include "home.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static bool make_and_know(make_file *make, void *context, struct placed_file *placed)
{
	struct stat info;
	if (!make(placed->name, context) || lstat(placed->name, &info) != 0)
		return false;
	placed->device = info.st_dev;
	placed->inode = info.st_ino;
	return true;
}

void place_file(const char *path, make_file *make, void *context, struct placed_file *placed)
{
	if (!*path || strlen(path) >= sizeof placed->path)
		fail(EXIT_USAGE, "the path of a socket has 1 to %d bytes", MAX_PLACED_PATH - 1);
	strcpy(placed->path, path);
	placed->name = placed->path;
	if (!make_and_know(make, context, placed))
		fail(EXIT_CANNOT_RUN, "cannot listen at %s: %s", path, strerror(errno));
}

static bool is_file_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* <parent>/sshaccess-<96 bits>/<name>; answers the length of the directory's part, or 0 where it is too long. */
static size_t choose_path(const char *parent, const char *name, char path[MAX_PLACED_PATH])
{
	unsigned char bits[12];
	char digits[2 * sizeof bits + 1];
	if (getrandom(bits, sizeof bits, 0) != (ssize_t)sizeof bits)
		fail(EXIT_CANNOT_RUN, "cannot choose a name: %s", strerror(errno));
	for (size_t i = 0; i < sizeof bits; i++)
		sprintf(digits + 2 * i, "%02x", bits[i]);
	int length = snprintf(path, MAX_PLACED_PATH, "%s/sshaccess-%s/%s", parent, digits, name);
	errno = ENAMETOOLONG;
	return length < MAX_PLACED_PATH ? (size_t)length - strlen(name) - 1 : 0;
}

/* Entered before anything is made in it: if somebody who owns the parent swaps directories, ours is where we are. */
static bool enter_new_directory(const char *directory)
{
	struct stat info;
	if (mkdir(directory, 0700) != 0)
		return false;
	if (chdir(directory) == 0 && stat(".", &info) == 0 && info.st_uid == geteuid() && (info.st_mode & 0777) == 0700)
		return true;
	int error = errno;
	rmdir(directory);
	errno = error;
	return false;
}

static bool leave_directory(const char *directory)
{
	return chdir("/") == 0 && rmdir(directory) == 0;
}

static bool place_beneath(const char *parent, make_file *make, void *context, struct placed_file *placed)
{
	char directory[MAX_PLACED_PATH];
	size_t length = choose_path(parent, placed->name, placed->path);
	if (!length)
		return false;
	errno = EPERM;
	if (!keeps_what_is_ours(parent))
		return false;
	snprintf(directory, sizeof directory, "%.*s", (int)length, placed->path);
	if (!enter_new_directory(directory))
		return false;
	if (make_and_know(make, context, placed))
		return true;
	int error = errno;
	leave_directory(directory);
	errno = error;
	return false;
}

void place_private_file(const char *name, const char *home, make_file *make, void *context, struct placed_file *placed)
{
	const char *parents[] = {"/tmp", "/dev/shm", "/var/tmp", home};
	if (!is_file_name(name))
		fail(EXIT_USAGE, "not the name of a file: %s", name);
	placed->name = name;
	placed->has_directory = true;
	for (size_t i = 0; i < sizeof parents / sizeof parents[0] && parents[i]; i++)
		if (place_beneath(parents[i], make, context, placed))
			return;
	fail(EXIT_CANNOT_RUN, "no directory takes a private %s: %s", name, strerror(errno));
}

void remove_placed_file(const struct placed_file *placed)
{
	struct stat info;
	if (lstat(placed->name, &info) == 0 && info.st_dev == placed->device && info.st_ino == placed->inode)
		unlink(placed->name);
	if (!placed->has_directory)
		return;
	char directory[MAX_PLACED_PATH];
	snprintf(directory, sizeof directory, "%s", placed->path);
	*strrchr(directory, '/') = '\0';
	leave_directory(directory);
}
