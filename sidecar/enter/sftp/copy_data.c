/* Copying from one open file to another, without the network (OpenSSH's PROTOCOL, section 4.10). */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "requests.h"
#include "status.h"
#include "write_all.h"

struct copy {
	int source;
	uint64_t source_offset;
	/* 0: until the end of the source. */
	uint64_t length;
	int target;
	uint64_t target_offset;
};

/* 1, 0, or -1 and errno if one of the two is not an open file. */
static int is_same_file(int first, int second)
{
	struct stat stats[2];

	if (fstat(first, &stats[0]) < 0 || fstat(second, &stats[1]) < 0)
		return -1;
	return stats[0].st_dev == stats[1].st_dev && stats[0].st_ino == stats[1].st_ino;
}

/* Answers how many bytes there were to copy, up to the length; -1 and errno for a failure. */
static int64_t copy(const struct copy *copy)
{
	uint8_t chunk[64 * 1024];
	uint64_t copied = 0;

	while (copy->length == 0 || copied < copy->length) {
		const uint64_t left = copy->length == 0 ? sizeof chunk : copy->length - copied;
		const size_t wanted = left < sizeof chunk ? left : sizeof chunk;
		const ssize_t count = pread(copy->source, chunk, wanted, (off_t)(copy->source_offset + copied));
		if (count == 0)
			break;
		if (count < 0 || write_all(copy->target, chunk, (size_t)count, copy->target_offset + copied) < 0)
			return -1;
		copied += (uint64_t)count;
	}
	return (int64_t)copied;
}

bool serve_copy_data(struct server *server, struct packet *packet)
{
	struct copy wanted;

	if (!packet_file(packet, &server->handles, &wanted.source) || !packet_u64(packet, &wanted.source_offset) ||
	    !packet_u64(packet, &wanted.length) || !packet_file(packet, &server->handles, &wanted.target) ||
	    !packet_u64(packet, &wanted.target_offset))
		return false;
	const int same = is_same_file(wanted.source, wanted.target);
	/* A file that is copied onto itself could grow without end: refused, as by OpenSSH. */
	const int64_t copied = same == 0 ? copy(&wanted) : -1;

	if (same > 0)
		status_explain(&server->replies, packet->id, FX_FAILURE, "Source and target are the same file");
	else if (copied < 0)
		status_error(&server->replies, packet->id, errno);
	else if ((uint64_t)copied < wanted.length)
		status_reply(&server->replies, packet->id, FX_EOF);
	else
		status_reply(&server->replies, packet->id, FX_OK);
	return true;
}
