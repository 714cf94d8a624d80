#include "handles.h"

#include <unistd.h>

struct handle *handle_free(struct handles *handles)
{
	for (size_t slot = 0; slot < MAX_HANDLES; slot++)
		if (handles->slots[slot].serial == 0)
			return &handles->slots[slot];
	return NULL;
}

void handle_use(struct handles *handles, struct handle *handle, const struct handle *what)
{
	if (++handles->last_serial == 0)
		handles->last_serial = 1;
	*handle = *what;
	handle->serial = handles->last_serial;
}

int handle_close(struct handle *handle)
{
	const struct handle closing = *handle;

	handle->serial = 0;
	if (closing.ancestor.path != NULL)
		return 0;
	return closing.directory != NULL ? closedir(closing.directory) : close(closing.descriptor);
}

void handle_close_all(struct handles *handles)
{
	for (size_t slot = 0; slot < MAX_HANDLES; slot++)
		if (handles->slots[slot].serial != 0)
			handle_close(&handles->slots[slot]);
}

/* On the wire, a handle is its slot and its serial number. */
enum { HANDLE_LENGTH = 2 * sizeof(uint32_t) };

void reply_handle(struct replies *replies, uint32_t id, const struct handles *handles, const struct handle *handle)
{
	reply_begin(replies, FXP_HANDLE, id);
	reply_u32(replies, HANDLE_LENGTH);
	reply_u32(replies, (uint32_t)(handle - handles->slots));
	reply_u32(replies, handle->serial);
	reply_end(replies);
}

bool packet_handle(struct packet *packet, struct handles *handles, struct handle **handle)
{
	const uint8_t *bytes;
	size_t length;
	uint32_t slot, serial;

	*handle = NULL;
	if (!packet_string(packet, &bytes, &length))
		return false;
	struct packet fields = { .next = packet->next - length, .end = packet->next };
	/* A foreign handle is the client's mistake, but not a malformed packet. */
	if (length == HANDLE_LENGTH && packet_u32(&fields, &slot) && packet_u32(&fields, &serial) &&
	    slot < MAX_HANDLES && serial != 0 && handles->slots[slot].serial == serial)
		*handle = &handles->slots[slot];
	return true;
}

bool packet_file(struct packet *packet, struct handles *handles, int *descriptor)
{
	struct handle *handle;

	if (!packet_handle(packet, handles, &handle))
		return false;
	*descriptor = handle == NULL ? -1 : handle->descriptor;
	return true;
}
