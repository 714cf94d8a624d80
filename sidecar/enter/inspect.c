#define _GNU_SOURCE /* O_PATH */
#include "inspect.h"
#include "capabilities.h"
#include "fail.h"
#include "files.h"
#include "identity.h"
#include "main_process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_BLOB = 1024 * 1024 };

struct blob {
	size_t length;
	char bytes[MAX_BLOB];
};

struct findings {
	struct process_status status;
	char cwd[PATH_MAX];
	struct blob environ, passwd, group;
};

/* What is longer than we pass on loses its last, broken entry. */
static bool read_blob(int fd, char separator, struct blob *blob)
{
	long length = read_all(fd, blob->bytes, MAX_BLOB);
	if (length < 0)
		return false;
	if (length == MAX_BLOB)
		while (length > 0 && blob->bytes[length - 1] != separator)
			length--;
	blob->length = (size_t)length;
	return true;
}

/* A file of the app's image; what is absent or not a plain file is empty. O_NONBLOCK: opening a FIFO does not wait. */
static void read_app_file(int root, const char *path, struct blob *blob)
{
	struct stat info;
	int fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK);
	if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || !read_blob(fd, '\n', blob)))
		blob->length = 0;
	close_fd(&fd);
}

static void read_cwd(int process, char cwd[PATH_MAX])
{
	ssize_t length = readlinkat(process, "cwd", cwd, PATH_MAX - 1);
	cwd[length > 0 ? length : 0] = '\0';
	/* It is printed as one line. */
	if (cwd[0] != '/' || strchr(cwd, '\n'))
		strcpy(cwd, "/");
}

/* With the app's ids taken; answers false with errno. */
static bool look(int process, struct findings *findings)
{
	int environ_fd = openat(process, "environ", O_RDONLY | O_CLOEXEC);
	int root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool seen = environ_fd >= 0 && root >= 0 && read_blob(environ_fd, '\0', &findings->environ);
	int error = errno;
	if (seen) {
		read_cwd(process, findings->cwd);
		/*
		 * The app chooses what its files are, symlinks into /proc included: from here on we read with its ids and no
		 * capabilities, so that it never learns through us what it could not read itself.
		 */
		if (!lower_capabilities())
			fail(EXIT_CANNOT_RUN, "cannot lower our capabilities: %s", strerror(errno));
		read_app_file(root, "/etc/passwd", &findings->passwd);
		read_app_file(root, "/etc/group", &findings->group);
	}
	close_fd(&environ_fd);
	close_fd(&root);
	errno = error;
	return seen;
}

static void print_blob(const char *name, const struct blob *blob)
{
	printf("%s %zu\n", name, blob->length);
	fwrite(blob->bytes, 1, blob->length, stdout);
	putchar('\n');
}

static void print(const struct process_stat *stat, const struct findings *findings)
{
	const struct process_status *status = &findings->status;
	printf("pid %d\nstart %llu\nuid %u\ngid %u\ngroups ", stat->pid, stat->start, status->uid, status->gid);
	for (size_t i = 0; i < status->group_count; i++)
		printf(i ? ",%u" : "%u", status->groups[i]);
	printf("\nnnp %d\ncapbnd %016" PRIx64 "\ncwd %s\n", status->no_new_privs, status->capability_bound, findings->cwd);
	print_blob("environ", &findings->environ);
	print_blob("passwd", &findings->passwd);
	print_blob("group", &findings->group);
}

int inspect(const char *container)
{
	static struct findings findings;
	struct main_process app = find_main_process(container);
	if (app.process < 0 && app.some_unreadable)
		fail(EXIT_NOT_PERMITTED, "not permitted to look into the processes of this pod");
	if (app.process < 0)
		fail(EXIT_NO_PROCESS, "container %s has no running process", container);
	bool seen = read_status(app.process, &findings.status) && take_ids_of(&findings.status) &&
		    look(app.process, &findings);
	int error = errno;
	return_to_own_ids();
	if (!seen && (error == ESRCH || error == ENOENT))
		fail(EXIT_NO_PROCESS, "container %s has no running process", container);
	if (!seen)
		fail(EXIT_NOT_PERMITTED, "not permitted to look into process %d: %s", app.stat.pid, strerror(error));
	print(&app.stat, &findings);
	return fflush(stdout) == 0 ? 0 : 1;
}
