#include "attributes.h"

#include "protocol.h"

/* Vendors' attributes: pairs of strings that nobody has defined for us, to be skipped (section 5). */
static bool skip_extended(struct packet *packet)
{
	uint32_t count;

	if (!packet_u32(packet, &count))
		return false;
	/* A pair takes at least eight bytes, so the packet's end bounds this, whatever the count claims. */
	for (; count > 0; count--) {
		const uint8_t *bytes;
		size_t length;

		if (!packet_string(packet, &bytes, &length) || !packet_string(packet, &bytes, &length))
			return false;
	}
	return true;
}

bool packet_attributes(struct packet *packet, struct attributes *attributes)
{
	*attributes = (struct attributes){ 0 };
	if (!packet_u32(packet, &attributes->given))
		return false;
	const uint32_t given = attributes->given;

	return (!(given & ATTR_SIZE) || packet_u64(packet, &attributes->size)) &&
	       (!(given & ATTR_UIDGID) ||
		(packet_u32(packet, &attributes->uid) && packet_u32(packet, &attributes->gid))) &&
	       (!(given & ATTR_PERMISSIONS) || packet_u32(packet, &attributes->permissions)) &&
	       (!(given & ATTR_ACMODTIME) || (packet_u32(packet, &attributes->access_time) &&
					      packet_u32(packet, &attributes->modification_time))) &&
	       (!(given & ATTR_EXTENDED) || skip_extended(packet));
}

mode_t attributes_mode(const struct attributes *attributes, mode_t otherwise)
{
	return attributes->given & ATTR_PERMISSIONS ? attributes->permissions & 07777 : otherwise;
}

/* Version 3 has 32 bits, unsigned. What does not fit is shown as the nearest, not as a date in another century. */
static uint32_t clamp_time(time_t seconds)
{
	if (seconds < 0)
		return 0;
	return seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}

void reply_attributes(struct replies *replies, const struct stat *stat)
{
	reply_u32(replies, ATTR_SIZE | ATTR_UIDGID | ATTR_PERMISSIONS | ATTR_ACMODTIME);
	reply_u64(replies, (uint64_t)stat->st_size);
	reply_u32(replies, stat->st_uid);
	reply_u32(replies, stat->st_gid);
	/* With the type of the file in the high bits: that is how clients of version 3 learn it. */
	reply_u32(replies, stat->st_mode);
	reply_u32(replies, clamp_time(stat->st_atime));
	reply_u32(replies, clamp_time(stat->st_mtime));
}

void reply_no_attributes(struct replies *replies)
{
	reply_u32(replies, 0);
}
