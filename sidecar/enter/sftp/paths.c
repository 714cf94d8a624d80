/*
 * Canonical names (section 6.11), `~` and the home directory (OpenSSH's PROTOCOL, sections 4.9 and 4.11).
 * We start in $HOME if that can be entered and never leave it, so the working directory is what `~` stands for: a path
 * that exists, even where $HOME does not. Confined to directories, we start in the first of them.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "place.h"
#include "requests.h"
#include "status.h"

static void answer_canonical(struct server *server, uint32_t id, const char *path)
{
	char resolved[PATH_MAX];

	/* An empty path is the default directory (section 6.2). */
	if (place_canonical(&server->jail, path[0] == '\0' ? "." : path, resolved) < 0)
		status_error(&server->replies, id, errno);
	else
		reply_name(&server->replies, id, resolved);
}

bool serve_realpath(struct server *server, struct packet *packet)
{
	const char *path;

	if (!packet_path(packet, &path))
		return false;
	answer_canonical(server, packet->id, path);
	return true;
}

bool serve_expand_path(struct server *server, struct packet *packet)
{
	const char *path;

	if (!packet_path(packet, &path))
		return false;
	if (path[0] == '~') {
		path++;
		/* ~user: there is no user database that we could ask (files of the app's image are not to be trusted). */
		if (path[0] != '\0' && path[0] != '/') {
			status_explain(&server->replies, packet->id, FX_NO_SUCH_FILE, "no such user");
			return true;
		}
		path += strspn(path, "/");
	}
	answer_canonical(server, packet->id, path);
	return true;
}

static bool is_environment(const char *name, const char *text)
{
	const char *value = getenv(name);

	return value != NULL && strcmp(value, text) == 0;
}

bool serve_home_directory(struct server *server, struct packet *packet)
{
	const char *user;

	if (!packet_path(packet, &user))
		return false;
	if (user[0] == '\0' || is_environment("USER", user) || is_environment("LOGNAME", user))
		answer_canonical(server, packet->id, ".");
	else
		status_reply(&server->replies, packet->id, FX_FAILURE);
	return true;
}
