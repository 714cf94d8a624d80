/* The numbers of SFTP version 3 (draft-ietf-secsh-filexfer-02), and our limits. */
#pragma once

enum {
	PROTOCOL_VERSION = 3,
	/* The `length` field of a packet, in both directions. Section 3 asks for 34000; OpenSSH's client sends up to this. */
	MAX_PACKET = 256 * 1024,
	/* Data in one READ or WRITE: the rest is for type, id, handle, offset and lengths, generously. */
	MAX_DATA = MAX_PACKET - 1024,
	MAX_HANDLES = 256,
};

/* Section 3. */
enum packet_type {
	FXP_INIT = 1,
	FXP_VERSION = 2,
	FXP_OPEN = 3,
	FXP_CLOSE = 4,
	FXP_READ = 5,
	FXP_WRITE = 6,
	FXP_LSTAT = 7,
	FXP_FSTAT = 8,
	FXP_SETSTAT = 9,
	FXP_FSETSTAT = 10,
	FXP_OPENDIR = 11,
	FXP_READDIR = 12,
	FXP_REMOVE = 13,
	FXP_MKDIR = 14,
	FXP_RMDIR = 15,
	FXP_REALPATH = 16,
	FXP_STAT = 17,
	FXP_RENAME = 18,
	FXP_READLINK = 19,
	FXP_SYMLINK = 20,
	FXP_STATUS = 101,
	FXP_HANDLE = 102,
	FXP_DATA = 103,
	FXP_NAME = 104,
	FXP_ATTRS = 105,
	FXP_EXTENDED = 200,
	FXP_EXTENDED_REPLY = 201,
};

/* Section 7. */
enum status {
	FX_OK = 0,
	FX_EOF = 1,
	FX_NO_SUCH_FILE = 2,
	FX_PERMISSION_DENIED = 3,
	FX_FAILURE = 4,
	FX_BAD_MESSAGE = 5,
	FX_OP_UNSUPPORTED = 8,
};

/* Section 6.3. */
enum open_flag {
	FXF_READ = 0x01,
	FXF_WRITE = 0x02,
	FXF_APPEND = 0x04,
	FXF_CREAT = 0x08,
	FXF_TRUNC = 0x10,
	FXF_EXCL = 0x20,
};

/* Section 5. Not an enum: the last one does not fit into an int. */
#define ATTR_SIZE 0x00000001U
#define ATTR_UIDGID 0x00000002U
#define ATTR_PERMISSIONS 0x00000004U
#define ATTR_ACMODTIME 0x00000008U
#define ATTR_EXTENDED 0x80000000U
