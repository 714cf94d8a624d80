/* Making, removing and listing of directories (sections 6.6 and 6.7). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attributes.h"
#include "longname.h"
#include "requests.h"
#include "status.h"

bool serve_mkdir(struct server *server, struct packet *packet)
{
	const char *path;
	struct attributes attributes;

	if (!packet_path(packet, &path) || !packet_attributes(packet, &attributes))
		return false;
	status_result(&server->replies, packet->id, mkdir(path, attributes_mode(&attributes, 0777)));
	return true;
}

bool serve_rmdir(struct server *server, struct packet *packet)
{
	const char *path;

	if (!packet_path(packet, &path))
		return false;
	status_result(&server->replies, packet->id, rmdir(path));
	return true;
}

bool serve_opendir(struct server *server, struct packet *packet)
{
	const char *path;

	if (!packet_path(packet, &path))
		return false;
	struct handle *handle = handle_free(&server->handles);
	if (handle == NULL) {
		status_error(&server->replies, packet->id, EMFILE);
		return true;
	}
	DIR *directory = opendir(path);
	if (directory == NULL) {
		status_error(&server->replies, packet->id, errno);
		return true;
	}
	handle_use(&server->handles, handle, -1, directory);
	reply_handle(&server->replies, packet->id, &server->handles, handle);
	return true;
}

/*
 * An answer of READDIR is closed when it has this size. An entry is seldom more than 600 bytes, so it stays within the
 * 34000 that every client can take (section 3); and the longest name that getdents can give, 64 KiB, twice, still fits.
 */
enum { LISTING_IS_FULL = 32 * 1024 };

/* Adds entries up to that size; answers their number, and errno if reading ended by a failure. */
static uint32_t add_entries(struct replies *replies, DIR *directory)
{
	const time_t now = time(NULL);
	uint32_t count = 0;

	errno = 0;
	while (reply_size(replies) < LISTING_IS_FULL) {
		const struct dirent *entry = readdir(directory);
		struct stat stat;

		if (entry == NULL)
			break;
		/* Removed since, or not ours to see. */
		if (fstatat(dirfd(directory), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) < 0) {
			errno = 0;
			continue;
		}
		reply_text(replies, entry->d_name);
		reply_longname(replies, entry->d_name, &stat, now);
		reply_attributes(replies, &stat);
		count++;
	}
	return count;
}

static void answer_listing(struct server *server, uint32_t id, DIR *directory)
{
	reply_begin(&server->replies, FXP_NAME, id);
	const size_t count_position = reply_later_u32(&server->replies);
	const uint32_t count = add_entries(&server->replies, directory);
	const int error = errno;

	if (count > 0) {
		reply_u32_at(&server->replies, count_position, count);
		reply_end(&server->replies);
		return;
	}
	reply_cancel(&server->replies);
	if (error == 0)
		status_reply(&server->replies, id, FX_EOF);
	else
		status_error(&server->replies, id, error);
}

bool serve_readdir(struct server *server, struct packet *packet)
{
	struct handle *handle;

	if (!packet_handle(packet, &server->handles, &handle))
		return false;
	if (handle == NULL || handle->directory == NULL)
		status_reply(&server->replies, packet->id, FX_FAILURE);
	else
		answer_listing(server, packet->id, handle->directory);
	return true;
}
