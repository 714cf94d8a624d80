#define _GNU_SOURCE /* strerrordesc_np */

#include "status.h"

#include <errno.h>
#include <string.h>

/* The sentences of OpenSSH's server. */
static const char *sentence_of(enum status status)
{
	switch (status) {
	case FX_OK:
		return "Success";
	case FX_EOF:
		return "End of file";
	case FX_NO_SUCH_FILE:
		return "No such file";
	case FX_PERMISSION_DENIED:
		return "Permission denied";
	case FX_FAILURE:
		return "Failure";
	case FX_BAD_MESSAGE:
		return "Bad message";
	case FX_OP_UNSUPPORTED:
		return "Operation unsupported";
	}
	return "Unknown error";
}

/* The mapping of OpenSSH's server, on which clients rely. */
static enum status status_of(int error)
{
	switch (error) {
	case 0:
		return FX_OK;
	case ENOENT:
	case ENOTDIR:
	case EBADF:
	case ELOOP:
		return FX_NO_SUCH_FILE;
	case EPERM:
	case EACCES:
	case EFAULT:
		return FX_PERMISSION_DENIED;
	case ENAMETOOLONG:
	case EINVAL:
		return FX_BAD_MESSAGE;
	case ENOSYS:
		return FX_OP_UNSUPPORTED;
	default:
		return FX_FAILURE;
	}
}

void status_explain(struct replies *replies, uint32_t id, enum status status, const char *sentence)
{
	reply_begin(replies, FXP_STATUS, id);
	reply_u32(replies, status);
	reply_text(replies, sentence);
	/* The language tag: OpenSSH leaves it empty, too. */
	reply_text(replies, "");
	reply_end(replies);
}

void status_reply(struct replies *replies, uint32_t id, enum status status)
{
	status_explain(replies, id, status, sentence_of(status));
}

void status_error(struct replies *replies, uint32_t id, int error)
{
	enum status status = status_of(error);
	/* Not strerror: that translates, and so reaches for locales. */
	const char *description = strerrordesc_np(error);

	/* Version 3 has one code for a full disk, a busy file and a directory that is not empty: the sentence tells. */
	if (status == FX_FAILURE && description != NULL)
		status_explain(replies, id, status, description);
	else
		status_reply(replies, id, status);
}

void status_result(struct replies *replies, uint32_t id, int result)
{
	status_error(replies, id, result < 0 ? errno : 0);
}
