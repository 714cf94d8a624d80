#define _GNU_SOURCE /* O_PATH */
#include "app_root.h"
#include "fail.h"
#include "files.h"
#include "identity.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool open_both(int process, struct app_root *app)
{
	static struct process_status status;
	if (!read_status(process, &status) || !take_ids_of(&status))
		return false;
	app->root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	app->cwd = openat(process, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int error = errno;
	return_to_own_ids();
	errno = error;
	/* A working directory that was deleted or is out of reach is no reason to refuse a session. */
	return app->root >= 0;
}

struct app_root open_app_root(pid_t pid, unsigned long long start)
{
	struct app_root app = {.root = -1, .cwd = -1};
	struct process_stat stat;
	int process = open_process(pid);
	bool opened = process >= 0 && open_both(process, &app);
	int error = errno;
	/* After opening, though the descriptor cannot come to mean another process: the number could have before. */
	bool alive = process >= 0 && read_stat(process, &stat) && stat.state != 'Z';
	close_fd(&process);
	if (!alive || stat.start != start)
		fail(EXIT_RESTARTED, "the app has restarted");
	if (!opened)
		fail(EXIT_CANNOT_RUN, "cannot enter the app's container: %s", strerror(error));
	return app;
}

void enter_app_root(int root)
{
	if (fchdir(root) != 0 || chroot(".") != 0)
		fail(EXIT_CANNOT_RUN, "cannot enter the app's root: %s", strerror(errno));
}

/* A directory outside the root would be a way out of it. getcwd(2) says "(unreachable)…" for one. */
static bool is_inside_root(void)
{
	char path[PATH_MAX];
	return syscall(SYS_getcwd, path, sizeof path) > 0 && path[0] == '/';
}

void choose_working_directory(const char *wanted, int app_cwd)
{
	if (wanted ? chdir(wanted) == 0 : app_cwd >= 0 && fchdir(app_cwd) == 0) {
		if (is_inside_root())
			return;
	}
	if (chdir("/") != 0)
		fail(EXIT_CANNOT_RUN, "cannot enter any directory: %s", strerror(errno));
}
