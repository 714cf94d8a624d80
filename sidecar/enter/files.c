#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int open_in_root(int root, const char *path, int flags)
{
	/*
	 * RESOLVE_IN_ROOT (openat2(2), Linux 5.6) treats `root` as "/" for this one look-up, race-free.
	 * Magic links (/proc/<pid>/root and the like) would leave it, so they are refused.
	 */
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

long read_all(int fd, char *buffer, size_t size)
{
	size_t length = 0;
	while (length < size) {
		ssize_t count = read(fd, buffer + length, size - length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		if (count == 0)
			break;
		length += (size_t)count;
	}
	return (long)length;
}

bool read_text_at(int directory, const char *name, char *buffer, size_t size)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	long length = read_all(fd, buffer, size - 1);
	int error = errno;
	close(fd);
	errno = error;
	if (length < 0)
		return false;
	buffer[length] = '\0';
	return true;
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
