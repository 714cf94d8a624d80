#define _GNU_SOURCE /* unshare */
/*
 * container ROOT OPTIONS -- PROGRAM ARGUMENTS…: what a container runtime does, as little of it as the tests need.
 * A mount namespace with ROOT as its root, /proc, a devpts of its own; then the options of `enter run`, the program.
 */
#include "fail.h"
#include "identity.h"
#include "options.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void check(int result, const char *step)
{
	if (result != 0)
		fail(EXIT_CANNOT_RUN, "container: %s: %s", step, strerror(errno));
}

static void mount_all(const char *root)
{
	check(unshare(CLONE_NEWNS), "unshare");
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	check(mount(root, root, NULL, MS_BIND, NULL), "bind");
	check(chdir(root), "chdir");
	check(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
	const char *terminals = "newinstance,ptmxmode=0666,mode=0620,gid=5";
	check(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, terminals), "devpts");
	/* As the kubelet does: a file of the host, whose path names the container. */
	const char *log = getenv("TERMINATION_LOG");
	check(log ? mount(log, "dev/termination-log", NULL, MS_BIND, NULL) : 0, "termination-log");
}

/* As runc's init: a copy of the runtime, which has executed nothing since, and shows nothing of itself. */
static void become_init_of_runtime(void)
{
	if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL) != 0)
		pause();
	check(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "undumpable");
}

int main(int argc, char **argv)
{
	static struct run_options options;
	if (argc < 2)
		fail(EXIT_USAGE, "container: no root");
	parse_run_options(argv + 2, &options);
	bool begins_only = getenv("BEGINS_ONLY") != NULL;
	if (begins_only)
		become_init_of_runtime();
	mount_all(argv[1]);
	if (begins_only)
		pause();
	/* pivot_root(2): the new root may be stacked upon the old one, which then is unmounted from below it. */
	check((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
	check(umount2(".", MNT_DETACH), "umount");
	check(chdir(options.cwd ? options.cwd : "/"), "cwd");
	become_session_user(&options.user);
	execve(options.argv[0], options.argv, environ);
	fail(EXIT_NOT_FOUND, "container: %s: %s", options.argv[0], strerror(errno));
}
