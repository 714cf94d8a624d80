/* Making and listing of directories (sections 6.6 and 6.7). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attributes.h"
#include "longname.h"
#include "place.h"
#include "requests.h"
#include "status.h"

bool serve_mkdir(struct server *server, struct packet *packet)
{
	const char *path;
	struct attributes attributes;
	struct place place;

	if (!packet_path(packet, &path) || !packet_attributes(packet, &attributes))
		return false;
	int result = place_of_name(&server->jail, path, &place);
	if (result == 0)
		result = place_leave(&place, mkdirat(place.folder, place.name, attributes_mode(&attributes, 0777)));
	status_result(&server->replies, packet->id, result);
	return true;
}

/* What a handle of a directory holds; 0, or -1 and errno. */
static int open_listing(const struct jail *jail, const char *path, struct handle *listing)
{
	*listing = (struct handle){ .descriptor = -1 };
	if (jail_is_ancestor(jail, path, &listing->ancestor))
		return 0;
	const int descriptor = place_open(jail, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
	if (descriptor < 0)
		return -1;
	listing->directory = fdopendir(descriptor);
	if (listing->directory != NULL)
		return 0;
	close(descriptor);
	return -1;
}

bool serve_opendir(struct server *server, struct packet *packet)
{
	const char *path;
	struct handle listing;

	if (!packet_path(packet, &path))
		return false;
	struct handle *handle = handle_free(&server->handles);
	if (handle == NULL) {
		status_error(&server->replies, packet->id, EMFILE);
	} else if (open_listing(&server->jail, path, &listing) < 0) {
		status_error(&server->replies, packet->id, errno);
	} else {
		handle_use(&server->handles, handle, &listing);
		reply_handle(&server->replies, packet->id, &server->handles, handle);
	}
	return true;
}

/*
 * An answer of READDIR is closed when it has this size. An entry is seldom more than 600 bytes, so it stays within the
 * 34000 that every client can take (section 3); and the longest name that getdents can give, 64 KiB, twice, still fits.
 */
enum { LISTING_IS_FULL = 32 * 1024 };

static void add_entry(struct replies *replies, const char *name, const struct stat *stat, time_t now)
{
	reply_text(replies, name);
	reply_longname(replies, name, stat, now);
	reply_attributes(replies, stat);
}

/* What a directory's `..` is may lie outside of what a confined session may see. Clients know that it is there. */
static bool is_hidden(const struct jail *jail, const char *name)
{
	return jail->count > 0 && strcmp(name, "..") == 0;
}

/* Adds entries up to that size; answers their number, and errno if reading ended by a failure. */
static uint32_t add_entries(struct server *server, DIR *directory)
{
	const time_t now = time(NULL);
	uint32_t count = 0;

	errno = 0;
	while (reply_size(&server->replies) < LISTING_IS_FULL) {
		const struct dirent *entry = readdir(directory);
		struct stat stat;

		if (entry == NULL)
			break;
		if (is_hidden(&server->jail, entry->d_name))
			continue;
		/* Removed since, or not ours to see. */
		if (fstatat(dirfd(directory), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) < 0) {
			errno = 0;
			continue;
		}
		add_entry(&server->replies, entry->d_name, &stat, now);
		count++;
	}
	return count;
}

/* The few names that lead to the directories of the session, all at once. */
static uint32_t add_names_below(struct server *server, struct handle *handle)
{
	const time_t now = time(NULL);
	uint32_t count = 0;

	errno = 0;
	if (handle->is_listed)
		return 0;
	handle->is_listed = true;
	for (size_t index = 0; index < server->jail.count; index++) {
		char name[NAME_MAX + 1], path[PATH_MAX];
		struct stat stat;

		if (!jail_next_name(&server->jail, &handle->ancestor, index, name))
			continue;
		snprintf(path, sizeof path, "%.*s/%s", (int)handle->ancestor.length, handle->ancestor.path, name);
		if (place_stat(&server->jail, path, AT_SYMLINK_NOFOLLOW, &stat) < 0)
			continue;
		add_entry(&server->replies, name, &stat, now);
		count++;
	}
	errno = 0;
	return count;
}

static void answer_listing(struct server *server, uint32_t id, struct handle *handle)
{
	reply_begin(&server->replies, FXP_NAME, id);
	const size_t count_position = reply_later_u32(&server->replies);
	const uint32_t count = handle->directory != NULL ? add_entries(server, handle->directory)
							 : add_names_below(server, handle);
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
	if (handle == NULL || handle->descriptor >= 0)
		status_reply(&server->replies, packet->id, FX_FAILURE);
	else
		answer_listing(server, packet->id, handle);
	return true;
}
