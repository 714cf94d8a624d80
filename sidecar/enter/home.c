#include "home.h"
#include "fail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool keeps_what_is_ours(const char *directory)
{
	struct stat info;
	if (stat(directory, &info) != 0 || (info.st_uid != 0 && info.st_uid != geteuid()))
		return false;
	return !(info.st_mode & 022) || info.st_mode & S_ISVTX;
}

/* It may be there from an earlier session, or somebody who knew its name may have made it. */
static bool is_ours(const char *directory)
{
	struct stat info;
	return lstat(directory, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() && !(info.st_mode & 022);
}

void make_home(void)
{
	static const char *const parents[] = {"/tmp", "/dev/shm", "/var/tmp"};
	const char *home = "/";
	char path[64];
	for (size_t i = 0; i < sizeof parents / sizeof parents[0]; i++) {
		snprintf(path, sizeof path, "%s/sshaccess-home-%u", parents[i], geteuid());
		if (!keeps_what_is_ours(parents[i]) || (mkdir(path, 0700) != 0 && errno != EEXIST) || !is_ours(path))
			continue;
		home = path;
		break;
	}
	if (setenv("HOME", home, 1) != 0)
		fail(EXIT_CANNOT_RUN, "out of memory");
}
