/* Opening, reading, writing and closing of files (sections 6.3 and 6.4). */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes.h"
#include "place.h"
#include "requests.h"
#include "status.h"
#include "write_all.h"

static int access_mode(uint32_t wanted)
{
	switch (wanted & (FXF_READ | FXF_WRITE)) {
	case FXF_READ | FXF_WRITE:
		return O_RDWR;
	case FXF_WRITE:
		return O_WRONLY;
	default:
		return O_RDONLY;
	}
}

static int open_flags(uint32_t wanted)
{
	/* Without O_NONBLOCK, opening a named pipe would hang the session until somebody opens its other end. */
	return access_mode(wanted) | O_NOCTTY | O_NONBLOCK |
	       (wanted & FXF_APPEND ? O_APPEND : 0) | (wanted & FXF_CREAT ? O_CREAT : 0) |
	       (wanted & FXF_TRUNC ? O_TRUNC : 0) | (wanted & FXF_EXCL ? O_EXCL : 0);
}

bool serve_open(struct server *server, struct packet *packet)
{
	const char *path;
	uint32_t wanted;
	struct attributes attributes;

	if (!packet_path(packet, &path) || !packet_u32(packet, &wanted) || !packet_attributes(packet, &attributes))
		return false;
	if (server->read_only && (wanted & (FXF_WRITE | FXF_CREAT | FXF_TRUNC))) {
		status_reply(&server->replies, packet->id, FX_PERMISSION_DENIED);
		return true;
	}
	/* Before opening, which may create or truncate. */
	struct handle *handle = handle_free(&server->handles);
	if (handle == NULL) {
		status_error(&server->replies, packet->id, EMFILE);
		return true;
	}
	const int descriptor =
		place_open(&server->jail, path, open_flags(wanted), attributes_mode(&attributes, 0666));
	if (descriptor < 0) {
		status_error(&server->replies, packet->id, errno);
		return true;
	}
	handle_use(&server->handles, handle, &(struct handle){ .descriptor = descriptor });
	reply_handle(&server->replies, packet->id, &server->handles, handle);
	return true;
}

bool serve_close(struct server *server, struct packet *packet)
{
	struct handle *handle;

	if (!packet_handle(packet, &server->handles, &handle))
		return false;
	if (handle == NULL)
		status_error(&server->replies, packet->id, ENOENT);
	else
		status_result(&server->replies, packet->id, handle_close(handle));
	return true;
}

/* Reads straight into the answer. */
static void answer_data(struct server *server, uint32_t id, int descriptor, size_t length, uint64_t offset)
{
	reply_begin(&server->replies, FXP_DATA, id);
	const ssize_t count = pread(descriptor, reply_data(&server->replies), length, (off_t)offset);

	/* Nothing was asked for, so nothing is not the end: OpenSSH sends an empty string. */
	if (count > 0 || (count == 0 && length == 0)) {
		reply_data_read(&server->replies, (size_t)count);
		reply_end(&server->replies);
		return;
	}
	const int error = errno;
	reply_cancel(&server->replies);
	if (count == 0)
		status_reply(&server->replies, id, FX_EOF);
	else
		status_error(&server->replies, id, error);
}

bool serve_read(struct server *server, struct packet *packet)
{
	int descriptor;
	uint64_t offset;
	uint32_t length;

	if (!packet_file(packet, &server->handles, &descriptor) || !packet_u64(packet, &offset) ||
	    !packet_u32(packet, &length))
		return false;
	if (descriptor < 0)
		status_reply(&server->replies, packet->id, FX_FAILURE);
	else
		answer_data(server, packet->id, descriptor, length < MAX_DATA ? length : MAX_DATA, offset);
	return true;
}

bool serve_write(struct server *server, struct packet *packet)
{
	int descriptor;
	uint64_t offset;
	const uint8_t *bytes;
	size_t length;

	if (!packet_file(packet, &server->handles, &descriptor) || !packet_u64(packet, &offset) ||
	    !packet_string(packet, &bytes, &length))
		return false;
	/* With FXF_APPEND the offset is ignored (section 6.3): so does Linux, also in pwrite. */
	if (descriptor < 0)
		status_reply(&server->replies, packet->id, FX_FAILURE);
	else
		status_result(&server->replies, packet->id, write_all(descriptor, bytes, length, offset));
	return true;
}

bool serve_fsync(struct server *server, struct packet *packet)
{
	int descriptor;

	if (!packet_file(packet, &server->handles, &descriptor))
		return false;
	/* Of a handle that is none, too, EBADF is what the client hears. */
	status_result(&server->replies, packet->id, fsync(descriptor));
	return true;
}
