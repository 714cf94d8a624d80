#define _GNU_SOURCE /* close_range */
#include "guard.h"
#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONTROL_FD = 3 };

int find_control(void)
{
	struct stat info;
	return fstat(CONTROL_FD, &info) == 0 && S_ISSOCK(info.st_mode) ? CONTROL_FD : -1;
}

void guard_descriptors(int control)
{
	/* A descriptor that we open must never become a standard stream by accident. */
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (control >= 0)
		fcntl(control, F_SETFD, FD_CLOEXEC);
	if (close_range(control >= 0 ? CONTROL_FD + 1 : CONTROL_FD, ~0U, 0) != 0)
		fail(EXIT_CANNOT_RUN, "cannot close inherited descriptors: %s", strerror(errno));
}

struct rlimit guard_memory(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_CORE, &limit) != 0)
		limit = (struct rlimit){0, 0};
	struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		fail(EXIT_CANNOT_RUN, "cannot become undumpable: %s", strerror(errno));
	return limit;
}
