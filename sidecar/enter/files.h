/* Opening and reading files that somebody else may control. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Opens a path as a process whose root is `root` would see it: absolute symlinks and ".." stay inside.
 * Answers -1 with errno.
 */
int open_in_root(int root, const char *path, int flags);

/* Reads to the end, at most `size` bytes; answers the count, or -1 with errno. */
long read_all(int fd, char *buffer, size_t size);

/* Reads a small file beneath a directory as a string; answers false with errno. */
bool read_text_at(int directory, const char *name, char *buffer, size_t size);

void close_fd(int *fd);
