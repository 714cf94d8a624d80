#include "packet.h"

#include <string.h>

static size_t left_in(const struct packet *packet)
{
	return (size_t)(packet->end - packet->next);
}

/* All numbers are big-endian (RFC 4251 section 5). */
static bool take_number(struct packet *packet, size_t size, uint64_t *value)
{
	if (left_in(packet) < size)
		return false;
	*value = 0;
	for (size_t index = 0; index < size; index++)
		*value = *value << 8 | *packet->next++;
	return true;
}

bool packet_u8(struct packet *packet, uint8_t *value)
{
	uint64_t number;

	if (!take_number(packet, sizeof *value, &number))
		return false;
	*value = (uint8_t)number;
	return true;
}

bool packet_u32(struct packet *packet, uint32_t *value)
{
	uint64_t number;

	if (!take_number(packet, sizeof *value, &number))
		return false;
	*value = (uint32_t)number;
	return true;
}

bool packet_u64(struct packet *packet, uint64_t *value)
{
	return take_number(packet, sizeof *value, value);
}

static bool take_string(struct packet *packet, uint8_t **bytes, size_t *length)
{
	uint32_t claimed;

	if (!packet_u32(packet, &claimed) || claimed > left_in(packet))
		return false;
	*bytes = packet->next;
	*length = claimed;
	packet->next += claimed;
	return true;
}

bool packet_string(struct packet *packet, const uint8_t **bytes, size_t *length)
{
	uint8_t *found;

	if (!take_string(packet, &found, length))
		return false;
	*bytes = found;
	return true;
}

bool packet_path(struct packet *packet, const char **path)
{
	uint8_t *bytes;
	size_t length;

	if (!take_string(packet, &bytes, &length))
		return false;
	/* Clients exist that count C's terminator in; OpenSSH's server tolerates it, so do we. */
	if (length > 0 && bytes[length - 1] == '\0')
		length--;
	if (memchr(bytes, '\0', length) != NULL)
		return false;
	/*
	 * The kernel needs a NUL where the next field, or the next packet, begins. So the string moves one byte to the
	 * left, into its own length, which has been read: no allocation, no limit of our own.
	 */
	uint8_t *moved = memmove(bytes - 1, bytes, length);

	moved[length] = '\0';
	*path = (const char *)moved;
	return true;
}
