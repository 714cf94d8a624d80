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
#include "place.h"
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

static bool serve_removal(struct server *server, struct packet *packet, int flags)
{
	const char *path;
	struct place place;

	if (!packet_path(packet, &path))
		return false;
	int result = place_of_name(&server->jail, path, &place);
	if (result == 0)
		result = place_leave(&place, unlinkat(place.folder, place.name, flags));
	status_result(&server->replies, packet->id, result);
	return true;
}

bool serve_remove(struct server *server, struct packet *packet)
{
	return serve_removal(server, packet, 0);
}

bool serve_rmdir(struct server *server, struct packet *packet)
{
	return serve_removal(server, packet, AT_REMOVEDIR);
}

/* A call with two names. */
typedef int pair_call(const struct place *from, const struct place *to);

static int replace(const struct place *from, const struct place *to)
{
	return renameat(from->folder, from->name, to->folder, to->name);
}

static int add_link(const struct place *from, const struct place *to)
{
	return linkat(from->folder, from->name, to->folder, to->name, 0);
}

/* For file systems without hard links, and for what cannot be linked. A file created in between would be replaced. */
static int rename_after_look(const struct place *from, const struct place *to)
{
	struct stat stat;

	if (fstatat(to->folder, to->name, &stat, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return replace(from, to);
}

/* link fails if the new name exists, so nothing is ever replaced. */
static int rename_by_link(const struct place *from, const struct place *to)
{
	struct stat stat;

	if (fstatat(from->folder, from->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISREG(stat.st_mode))
		return rename_after_look(from, to);
	if (add_link(from, to) < 0) {
		/* EPERM is how FAT says it, and also the kernel about another's file (fs.protected_hardlinks). */
		const bool cannot_link = errno == EOPNOTSUPP || errno == ENOSYS || errno == EXDEV || errno == EPERM;
		return cannot_link ? rename_after_look(from, to) : -1;
	}
	if (unlinkat(from->folder, from->name, 0) == 0)
		return 0;
	const int error = errno;
	unlinkat(to->folder, to->name, 0);
	errno = error;
	return -1;
}

/* Section 6.5: "It is an error if there already exists a file with the name specified by newpath." */
static int rename_without_replacing(const struct place *from, const struct place *to)
{
	if (renameat2(from->folder, from->name, to->folder, to->name, RENAME_NOREPLACE) == 0)
		return 0;
	/* The kernel, or this file system (NFS, some of FUSE), does not know the flag. */
	return errno == ENOSYS || errno == EINVAL ? rename_by_link(from, to) : -1;
}

static int call_with_places(const struct jail *jail, const char *first, const char *second, pair_call *call)
{
	struct place from, to;

	if (place_of_name(jail, first, &from) < 0)
		return -1;
	if (place_of_name(jail, second, &to) < 0)
		return place_leave(&from, -1);
	return place_leave(&from, place_leave(&to, call(&from, &to)));
}

static bool serve_pair(struct server *server, struct packet *packet, pair_call *call)
{
	const char *first, *second;

	if (!packet_path(packet, &first) || !packet_path(packet, &second))
		return false;
	status_result(&server->replies, packet->id, call_with_places(&server->jail, first, second, call));
	return true;
}

bool serve_rename(struct server *server, struct packet *packet)
{
	return serve_pair(server, packet, rename_without_replacing);
}

bool serve_posix_rename(struct server *server, struct packet *packet)
{
	return serve_pair(server, packet, replace);
}

bool serve_hardlink(struct server *server, struct packet *packet)
{
	return serve_pair(server, packet, add_link);
}

/*
 * OpenSSH's order, target before link, not that of section 6.10: every client has adapted to it (PROTOCOL, 4.1). The
 * target may be any text: who follows it within a confined session does not get out by it.
 */
bool serve_symlink(struct server *server, struct packet *packet)
{
	const char *target, *path;
	struct place place;

	if (!packet_path(packet, &target) || !packet_path(packet, &path))
		return false;
	int result = place_of_name(&server->jail, path, &place);
	if (result == 0)
		result = place_leave(&place, symlinkat(target, place.folder, place.name));
	status_result(&server->replies, packet->id, result);
	return true;
}

bool serve_readlink(struct server *server, struct packet *packet)
{
	const char *path;
	char target[PATH_MAX];
	struct place place;

	if (!packet_path(packet, &path))
		return false;
	int length = place_of_name(&server->jail, path, &place);
	if (length == 0)
		length = place_leave(&place, (int)readlinkat(place.folder, place.name, target, sizeof target - 1));
	if (length < 0) {
		status_error(&server->replies, packet->id, errno);
		return true;
	}
	target[length] = '\0';
	reply_name(&server->replies, packet->id, target);
	return true;
}
