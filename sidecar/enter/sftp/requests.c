#include "requests.h"

#include <string.h>

#include "status.h"

/* Requests that write are refused in read-only mode. OPEN is judged by its flags, in files.c. */
struct request {
	uint8_t type;
	bool writes;
	serve_request *serve;
};

static const struct request requests[] = {
	{ FXP_OPEN, false, serve_open },	 { FXP_CLOSE, false, serve_close },
	{ FXP_READ, false, serve_read },	 { FXP_WRITE, true, serve_write },
	{ FXP_LSTAT, false, serve_lstat },	 { FXP_FSTAT, false, serve_fstat },
	{ FXP_SETSTAT, true, serve_setstat },	 { FXP_FSETSTAT, true, serve_fsetstat },
	{ FXP_OPENDIR, false, serve_opendir },	 { FXP_READDIR, false, serve_readdir },
	{ FXP_REMOVE, true, serve_remove },	 { FXP_MKDIR, true, serve_mkdir },
	{ FXP_RMDIR, true, serve_rmdir },	 { FXP_REALPATH, false, serve_realpath },
	{ FXP_STAT, false, serve_stat },	 { FXP_RENAME, true, serve_rename },
	{ FXP_READLINK, false, serve_readlink }, { FXP_SYMLINK, true, serve_symlink },
};

/* Extended requests (section 8) of OpenSSH's PROTOCOL file, section 4, with the versions that it gives them. */
struct extension {
	const char *name;
	const char *version;
	bool writes;
	serve_request *serve;
};

static const struct extension extensions[] = {
	{ "posix-rename@openssh.com", "1", true, serve_posix_rename },
	{ "statvfs@openssh.com", "2", false, serve_statvfs },
	{ "fstatvfs@openssh.com", "2", false, serve_fstatvfs },
	{ "hardlink@openssh.com", "1", true, serve_hardlink },
	{ "fsync@openssh.com", "1", true, serve_fsync },
	{ "lsetstat@openssh.com", "1", true, serve_lsetstat },
	{ "limits@openssh.com", "1", false, serve_limits },
	{ "expand-path@openssh.com", "1", false, serve_expand_path },
	{ "copy-data", "1", true, serve_copy_data },
	{ "home-directory", "1", false, serve_home_directory },
};

enum {
	REQUESTS = sizeof requests / sizeof requests[0],
	EXTENSIONS = sizeof extensions / sizeof extensions[0],
};

/* Section 4: we speak version 3 only, and say so whatever the client offers; OpenSSH's server does the same. */
static bool serve_init(struct server *server, struct packet *packet)
{
	uint32_t version;

	/* In INIT, the version stands where the id of other packets does; extensions of the client may follow it. */
	if (server->initialised || !packet_u32(packet, &version))
		return false;
	server->initialised = true;
	reply_begin(&server->replies, FXP_VERSION, PROTOCOL_VERSION);
	for (size_t index = 0; index < EXTENSIONS; index++) {
		if (server->read_only && extensions[index].writes)
			continue;
		reply_text(&server->replies, extensions[index].name);
		reply_text(&server->replies, extensions[index].version);
	}
	reply_end(&server->replies);
	return true;
}

static bool serve_or_refuse(struct server *server, struct packet *packet, bool writes, serve_request *serve)
{
	if (!server->read_only || !writes)
		return serve(server, packet);
	status_reply(&server->replies, packet->id, FX_PERMISSION_DENIED);
	return true;
}

static bool refuse_unknown(struct server *server, const struct packet *packet)
{
	status_reply(&server->replies, packet->id, FX_OP_UNSUPPORTED);
	return true;
}

static bool serve_extended(struct server *server, struct packet *packet)
{
	const uint8_t *name;
	size_t length;

	if (!packet_string(packet, &name, &length))
		return false;
	for (size_t index = 0; index < EXTENSIONS; index++) {
		const struct extension *known = &extensions[index];
		if (strlen(known->name) == length && memcmp(known->name, name, length) == 0)
			return serve_or_refuse(server, packet, known->writes, known->serve);
	}
	/* Section 8: "the server MUST respond with SSH_FXP_STATUS with error SSH_FX_OP_UNSUPPORTED". */
	return refuse_unknown(server, packet);
}

bool serve_packet(struct server *server, uint8_t type, struct packet *packet)
{
	if (type == FXP_INIT)
		return serve_init(server, packet);
	if (!server->initialised || !packet_u32(packet, &packet->id))
		return false;
	if (type == FXP_EXTENDED)
		return serve_extended(server, packet);
	for (size_t index = 0; index < REQUESTS; index++)
		if (requests[index].type == type)
			return serve_or_refuse(server, packet, requests[index].writes, requests[index].serve);
	return refuse_unknown(server, packet);
}
