/* How much there is: of the file system, and of ourselves (OpenSSH's PROTOCOL, sections 4.4 and 4.8). */
#define _GNU_SOURCE /* O_PATH */

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "place.h"
#include "requests.h"
#include "status.h"

enum { STATVFS_RDONLY = 1, STATVFS_NOSUID = 2 };

static uint64_t portable_flags(const struct statvfs *found)
{
	return (found->f_flag & ST_RDONLY ? STATVFS_RDONLY : 0) | (found->f_flag & ST_NOSUID ? STATVFS_NOSUID : 0);
}

static void answer_statvfs(struct server *server, uint32_t id, int result, const struct statvfs *found)
{
	if (result < 0) {
		status_error(&server->replies, id, errno);
		return;
	}
	const uint64_t fields[] = {
		found->f_bsize, found->f_frsize, found->f_blocks, found->f_bfree, found->f_bavail,	  found->f_files,
		found->f_ffree, found->f_favail, found->f_fsid,	  portable_flags(found), found->f_namemax,
	};
	reply_begin(&server->replies, FXP_EXTENDED_REPLY, id);
	for (size_t index = 0; index < sizeof fields / sizeof fields[0]; index++)
		reply_u64(&server->replies, fields[index]);
	reply_end(&server->replies);
}

bool serve_statvfs(struct server *server, struct packet *packet)
{
	const char *path;
	struct statvfs found;

	if (!packet_path(packet, &path))
		return false;
	const int descriptor = place_open(&server->jail, path, O_PATH, 0);
	answer_statvfs(server, packet->id, descriptor < 0 ? -1 : fstatvfs(descriptor, &found), &found);
	if (descriptor >= 0)
		close(descriptor);
	return true;
}

bool serve_fstatvfs(struct server *server, struct packet *packet)
{
	int descriptor;
	struct statvfs found;

	if (!packet_file(packet, &server->handles, &descriptor))
		return false;
	if (descriptor < 0)
		status_reply(&server->replies, packet->id, FX_FAILURE);
	else
		answer_statvfs(server, packet->id, fstatvfs(descriptor, &found), &found);
	return true;
}

/* How many handles a client can hope for: ours, or fewer where the limit of descriptors, less a few, is lower. */
static uint64_t handle_limit(const struct jail *jail)
{
	enum { STANDARD_STREAMS_AND_PLACES = 5 };
	const rlim_t own = STANDARD_STREAMS_AND_PLACES + jail->count;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= MAX_HANDLES + own)
		return MAX_HANDLES;
	return limit.rlim_cur > own ? limit.rlim_cur - own : 1;
}

bool serve_limits(struct server *server, struct packet *packet)
{
	reply_begin(&server->replies, FXP_EXTENDED_REPLY, packet->id);
	reply_u64(&server->replies, MAX_PACKET);
	reply_u64(&server->replies, MAX_DATA);
	reply_u64(&server->replies, MAX_DATA);
	reply_u64(&server->replies, handle_limit(&server->jail));
	reply_end(&server->replies);
	return true;
}
