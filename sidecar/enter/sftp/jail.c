#define _GNU_SOURCE /* O_PATH, strerrordesc_np */

#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "canonical.h"

/* EAGAIN: somebody renamed something while the kernel went up by `..`. Whoever does it without end must not hold us up. */
enum { MAX_ATTEMPTS = 128 };

static int open_resolved(int folder, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		/* openat2 refuses a mode that means nothing. */
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};
	long descriptor = -1;

	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
		descriptor = syscall(SYS_openat2, folder, path, &how, sizeof how);
		if (descriptor >= 0 || errno != EAGAIN)
			break;
	}
	return (int)descriptor;
}

/*
 * Absolute links are refused too, even those that lead back inside: we would have to take the path apart ourselves, and
 * what has been looked at would no longer be what is opened. Mounts inside are part of the directory.
 */
int jail_open_beneath(const struct jail_directory *directory, const char *path, int flags, mode_t mode)
{
	const char *wanted = path[0] == '\0' ? "." : path;
	const int descriptor = open_resolved(directory->descriptor, wanted, flags, mode, RESOLVE_BENEATH);

	if (descriptor < 0 && errno == EXDEV)
		errno = EACCES;
	return descriptor;
}

/*
 * Without symbolic links: one directory may lie inside another that the same user may write to, and would be replaced by
 * a link before the next session.
 */
static int open_directory(struct jail_directory *directory, const char *path)
{
	if (canonical_text("/", path, directory->path) < 0)
		return -1;
	directory->descriptor =
		open_resolved(AT_FDCWD, directory->path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
	return directory->descriptor;
}

/* Any failure to open the root is that of the call: the kernel is too old, or a seccomp profile does not know it. */
static bool has_openat2(void)
{
	const int root = open_resolved(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, 0);

	if (root >= 0)
		close(root);
	return root >= 0;
}

static const char *describe(const char *path, int error)
{
	static char sentence[PATH_MAX + 200];

	snprintf(sentence, sizeof sentence, "none of the directories of this session can be opened; %s: %s", path,
		 error == ELOOP ? "there is a symbolic link in the path, name the directory itself" :
				  strerrordesc_np(error));
	return sentence;
}

const char *jail_open(struct jail *jail, const struct sftp_options *options)
{
	int error = 0;

	if (options->directory_count == 0)
		return NULL;
	if (!has_openat2())
		return "cannot confine the session to its directories: it needs openat2(2), of Linux 5.6, permitted";
	for (size_t index = 0; index < options->directory_count; index++) {
		if (open_directory(&jail->directories[jail->count], options->directories[index]) >= 0)
			jail->count++;
		else if (error == 0)
			error = errno;
	}
	return jail->count > 0 ? NULL : describe(options->directories[0], error);
}

void jail_close(struct jail *jail)
{
	while (jail->count > 0)
		close(jail->directories[--jail->count].descriptor);
}

int jail_path(const struct jail *jail, const char *path, char absolute[PATH_MAX])
{
	return canonical_text(jail->directories[0].path, path, absolute);
}

/* What is left of a canonical path beneath the folder that has the first `length` bytes of `folder` as its name, or NULL. */
static const char *beneath(const char *folder, size_t length, const char *path)
{
	/* The root is the only name that ends with a slash. */
	if (length == 1)
		length = 0;
	if (strncmp(path, folder, length) != 0 || (path[length] != '/' && path[length] != '\0'))
		return NULL;
	return path + length + strspn(path + length, "/");
}

const struct jail_directory *jail_holds(const struct jail *jail, const char *absolute, const char **rest)
{
	const struct jail_directory *innermost = NULL;

	*rest = absolute;
	for (size_t index = 0; index < jail->count; index++) {
		const struct jail_directory *directory = &jail->directories[index];
		const char *left = beneath(directory->path, strlen(directory->path), absolute);
		if (left != NULL && (innermost == NULL || left > *rest)) {
			innermost = directory;
			*rest = left;
		}
	}
	return innermost;
}

bool jail_is_ancestor(const struct jail *jail, const char *path, struct ancestor *ancestor)
{
	char absolute[PATH_MAX];
	const char *rest;

	if (jail->count == 0 || jail_path(jail, path, absolute) < 0 || jail_holds(jail, absolute, &rest) != NULL)
		return false;
	const size_t length = strlen(absolute);

	for (size_t index = 0; index < jail->count; index++) {
		const char *directory = jail->directories[index].path;
		if (beneath(absolute, length, directory) != NULL) {
			*ancestor = (struct ancestor){ .path = directory, .length = length };
			return true;
		}
	}
	return false;
}

/* The name's length; 0 where the directory does not lie beneath the ancestor. */
static size_t next_name(const struct jail *jail, const struct ancestor *ancestor, size_t index, const char **name)
{
	*name = beneath(ancestor->path, ancestor->length, jail->directories[index].path);
	return *name == NULL ? 0 : strcspn(*name, "/");
}

bool jail_next_name(const struct jail *jail, const struct ancestor *ancestor, size_t index, char name[NAME_MAX + 1])
{
	const char *found, *earlier;
	const size_t length = next_name(jail, ancestor, index, &found);

	/* Never longer than NAME_MAX: the kernel has opened it. */
	if (length == 0 || length > NAME_MAX)
		return false;
	for (size_t before = 0; before < index; before++)
		if (next_name(jail, ancestor, before, &earlier) == length && memcmp(earlier, found, length) == 0)
			return false;
	memcpy(name, found, length);
	name[length] = '\0';
	return true;
}

void jail_ancestor_stat(struct stat *stat)
{
	*stat = (struct stat){ .st_mode = S_IFDIR | 0555, .st_nlink = 1 };
}
