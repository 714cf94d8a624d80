/* What is known about a file, and changing it (sections 6.8 and 6.9). */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes.h"
#include "place.h"
#include "requests.h"
#include "status.h"

static void answer_stat(struct server *server, uint32_t id, int result, const struct stat *stat)
{
	if (result < 0) {
		status_error(&server->replies, id, errno);
		return;
	}
	reply_begin(&server->replies, FXP_ATTRS, id);
	reply_attributes(&server->replies, stat);
	reply_end(&server->replies);
}

static bool serve_look(struct server *server, struct packet *packet, int flags)
{
	const char *path;
	struct stat found;

	if (!packet_path(packet, &path))
		return false;
	answer_stat(server, packet->id, place_stat(&server->jail, path, flags, &found), &found);
	return true;
}

bool serve_stat(struct server *server, struct packet *packet)
{
	return serve_look(server, packet, 0);
}

bool serve_lstat(struct server *server, struct packet *packet)
{
	return serve_look(server, packet, AT_SYMLINK_NOFOLLOW);
}

bool serve_fstat(struct server *server, struct packet *packet)
{
	int descriptor;
	struct stat found;

	if (!packet_file(packet, &server->handles, &descriptor))
		return false;
	if (descriptor < 0)
		status_reply(&server->replies, packet->id, FX_FAILURE);
	else
		answer_stat(server, packet->id, fstat(descriptor, &found), &found);
	return true;
}

/* A file by its place, or, where that is NULL, by its descriptor. */
struct target {
	struct place *place;
	int descriptor;
};

static int set_size(const struct target *target, uint64_t size)
{
	if (target->place == NULL)
		return ftruncate(target->descriptor, (off_t)size);
	const char *path = place_path(target->place);
	return path == NULL ? -1 : truncate(path, (off_t)size);
}

static int set_mode(const struct target *target, mode_t mode)
{
	if (target->place == NULL)
		return fchmod(target->descriptor, mode);
	const char *path = place_path(target->place);
	return path == NULL ? -1 : fchmodat(AT_FDCWD, path, mode, target->place->flags & AT_SYMLINK_NOFOLLOW);
}

static int set_times(const struct target *target, time_t access_time, time_t modification_time)
{
	const struct timespec times[2] = { { .tv_sec = access_time }, { .tv_sec = modification_time } };
	const struct place *place = target->place;

	return place == NULL ? futimens(target->descriptor, times)
			     : utimensat(place->folder, place->name, times, place->flags);
}

static int set_owner(const struct target *target, uid_t uid, gid_t gid)
{
	const struct place *place = target->place;

	return place == NULL ? fchown(target->descriptor, uid, gid)
			     : fchownat(place->folder, place->name, uid, gid, place->flags);
}

/*
 * Changes whatever is given, in OpenSSH's order, and all of it even where a part fails: a file system without owners can
 * still keep times. Answers 0, or the errno of the first failure.
 */
static int apply(const struct attributes *attributes, const struct target *target)
{
	int error = 0;

	if (attributes->given & ATTR_SIZE && set_size(target, attributes->size) < 0)
		error = errno;
	if (attributes->given & ATTR_PERMISSIONS && set_mode(target, attributes_mode(attributes, 0)) < 0 && error == 0)
		error = errno;
	if (attributes->given & ATTR_ACMODTIME &&
	    set_times(target, attributes->access_time, attributes->modification_time) < 0 && error == 0)
		error = errno;
	if (attributes->given & ATTR_UIDGID && set_owner(target, attributes->uid, attributes->gid) < 0 && error == 0)
		error = errno;
	return error;
}

static void set_by_path(struct server *server, uint32_t id, const char *path, int flags,
			const struct attributes *attributes)
{
	struct place place;

	if (place_of_file(&server->jail, path, flags, &place) < 0) {
		status_error(&server->replies, id, errno);
		return;
	}
	status_error(&server->replies, id, apply(attributes, &(struct target){ .place = &place }));
	(void)place_leave(&place, 0);
}

bool serve_setstat(struct server *server, struct packet *packet)
{
	const char *path;
	struct attributes attributes;

	if (!packet_path(packet, &path) || !packet_attributes(packet, &attributes))
		return false;
	set_by_path(server, packet->id, path, 0, &attributes);
	return true;
}

bool serve_lsetstat(struct server *server, struct packet *packet)
{
	const char *path;
	struct attributes attributes;

	if (!packet_path(packet, &path) || !packet_attributes(packet, &attributes))
		return false;
	/* A link has no size to be set, and truncate would follow it. */
	if (attributes.given & ATTR_SIZE)
		status_reply(&server->replies, packet->id, FX_BAD_MESSAGE);
	else
		set_by_path(server, packet->id, path, AT_SYMLINK_NOFOLLOW, &attributes);
	return true;
}

bool serve_fsetstat(struct server *server, struct packet *packet)
{
	struct target target = { 0 };
	struct attributes attributes;

	if (!packet_file(packet, &server->handles, &target.descriptor) || !packet_attributes(packet, &attributes))
		return false;
	if (target.descriptor < 0)
		status_reply(&server->replies, packet->id, FX_FAILURE);
	else
		status_error(&server->replies, packet->id, apply(&attributes, &target));
	return true;
}
