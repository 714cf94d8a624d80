/* Every request that we serve: its number or name, whether it writes, and the function that serves it. */
#pragma once

#include "server.h"

/* files.c */
serve_request serve_open, serve_close, serve_read, serve_write, serve_fsync;
/* metadata.c */
serve_request serve_stat, serve_lstat, serve_fstat, serve_setstat, serve_lsetstat, serve_fsetstat;
/* directories.c */
serve_request serve_opendir, serve_readdir, serve_mkdir;
/* names.c */
serve_request serve_remove, serve_rmdir, serve_rename, serve_posix_rename, serve_hardlink, serve_symlink, serve_readlink;
/* paths.c */
serve_request serve_realpath, serve_expand_path, serve_home_directory;
/* capacity.c */
serve_request serve_statvfs, serve_fstatvfs, serve_limits;
/* copy_data.c */
serve_request serve_copy_data;

/* Serves a packet after its type has been taken; answers false if it is malformed. */
MUST_CHECK bool serve_packet(struct server *server, uint8_t type, struct packet *packet);
