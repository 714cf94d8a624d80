/* Removing, renaming and linking (sections 6.5 and 6.10, OpenSSH's PROTOCOL sections 4.1, 4.3 and 4.5). */
#define _GNU_SOURCE /* renameat2 */

#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes.h"
#include "requests.h"
#include "status.h"

void reply_name(struct replies *replies, uint32_t id, const char *name)
{
	reply_begin(replies, FXP_NAME, id);
	reply_u32(replies, 1);
	reply_text(replies, name);
	reply_text(replies, name);
	reply_no_attributes(replies);
	reply_end(replies);
}

bool serve_remove(struct server *server, struct packet *packet)
{
	const char *path;

	if (!packet_path(packet, &path))
		return false;
	status_result(&server->replies, packet->id, unlink(path));
	return true;
}

/* For file systems without hard links, and for what cannot be linked. A file created in between would be replaced. */
static int rename_after_look(const char *old_path, const char *new_path)
{
	struct stat stat;

	if (lstat(new_path, &stat) == 0) {
		errno = EEXIST;
		return -1;
	}
	return rename(old_path, new_path);
}

/* link fails if the new name exists, so nothing is ever replaced. */
static int rename_by_link(const char *old_path, const char *new_path)
{
	struct stat stat;

	if (lstat(old_path, &stat) < 0)
		return -1;
	if (!S_ISREG(stat.st_mode))
		return rename_after_look(old_path, new_path);
	if (link(old_path, new_path) < 0) {
		/* EPERM is how FAT says it, and also the kernel about another's file (fs.protected_hardlinks). */
		const bool cannot_link = errno == EOPNOTSUPP || errno == ENOSYS || errno == EXDEV || errno == EPERM;
		return cannot_link ? rename_after_look(old_path, new_path) : -1;
	}
	if (unlink(old_path) == 0)
		return 0;
	const int error = errno;
	unlink(new_path);
	errno = error;
	return -1;
}

/* Section 6.5: "It is an error if there already exists a file with the name specified by newpath." */
static int rename_without_replacing(const char *old_path, const char *new_path)
{
	if (renameat2(AT_FDCWD, old_path, AT_FDCWD, new_path, RENAME_NOREPLACE) == 0)
		return 0;
	/* The kernel, or this file system (NFS, some of FUSE), does not know the flag. */
	return errno == ENOSYS || errno == EINVAL ? rename_by_link(old_path, new_path) : -1;
}

/* The requests that are one call with two paths. */
static bool serve_pair(struct server *server, struct packet *packet, int (*call)(const char *, const char *))
{
	const char *first, *second;

	if (!packet_path(packet, &first) || !packet_path(packet, &second))
		return false;
	status_result(&server->replies, packet->id, call(first, second));
	return true;
}

bool serve_rename(struct server *server, struct packet *packet)
{
	return serve_pair(server, packet, rename_without_replacing);
}

bool serve_posix_rename(struct server *server, struct packet *packet)
{
	return serve_pair(server, packet, rename);
}

bool serve_hardlink(struct server *server, struct packet *packet)
{
	return serve_pair(server, packet, link);
}

/* OpenSSH's order, target before link, not that of section 6.10: every client has adapted to it (PROTOCOL, 4.1). */
bool serve_symlink(struct server *server, struct packet *packet)
{
	return serve_pair(server, packet, symlink);
}

bool serve_readlink(struct server *server, struct packet *packet)
{
	const char *path;
	char target[PATH_MAX];

	if (!packet_path(packet, &path))
		return false;
	const ssize_t length = readlink(path, target, sizeof target - 1);
	if (length < 0) {
		status_error(&server->replies, packet->id, errno);
		return true;
	}
	target[length] = '\0';
	reply_name(&server->replies, packet->id, target);
	return true;
}
