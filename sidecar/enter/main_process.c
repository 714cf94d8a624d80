#include "main_process.h"
#include "files.h"
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAUSE_PID = 1, MAX_TEXT = 1024 * 1024 };

struct search {
	const char *container;
	struct main_process found;
};

/*
 * The webhook puts SSHACCESS_CONTAINER=<name> into the environment of the target container, and of no other; but any
 * program may say so of itself, and would get the sessions that are meant for the app.
 */
static bool has_marker(const char *environ_text, size_t length, const char *container)
{
	static const char name[] = "SSHACCESS_CONTAINER=";
	for (const char *entry = environ_text, *end = environ_text + length; entry < end; entry += strlen(entry) + 1)
		if (strncmp(entry, name, sizeof name - 1) == 0)
			return strcmp(entry + sizeof name - 1, container) == 0;
	return false;
}

/* In …/pods/<uid>/containers/<container>/<id> the text from <container> on, or NULL for any other path. */
static const char *container_in_path(const char *path)
{
	static const char pods[] = "pods/", containers[] = "/containers/";
	const char *uid = strstr(path, pods);
	if (!uid)
		return NULL;
	const char *rest = uid + sizeof pods - 1 + strcspn(uid + sizeof pods - 1, "/");
	return strncmp(rest, containers, sizeof containers - 1) == 0 ? rest + sizeof containers - 1 : NULL;
}

/*
 * The kubelet's own mark, which only who may mount can forge: the file behind /dev/termination-log is
 * …/pods/<uid>/containers/<container>/<id>, in the fourth field of proc_pid_mountinfo(5). Answers 1 where it names this
 * container, 0 where another, -1 where there is none. It is there too where a program has wiped its environment (nginx).
 */
static int termination_log_names(const char *mountinfo, const char *container)
{
	int answer = -1;
	size_t length = strlen(container);
	for (const char *line = mountinfo; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		static char path[PATH_MAX];
		if (sscanf(line, "%*d %*d %*s %4095s", path) != 1)
			continue;
		const char *name = container_in_path(path);
		if (name && strncmp(name, container, length) == 0 && name[length] == '/')
			return 1;
		if (name)
			answer = 0;
	}
	return answer;
}

static bool is_same(const struct stat *one, const struct stat *other)
{
	return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* With the process's own ids taken: answers 1 for yes, 0 for no, -1 for not permitted. */
static int is_in_container(int process, const char *container)
{
	static char text[MAX_TEXT + 1];
	struct stat our_mounts, our_users, mounts, users;
	bool has_user_namespaces = stat("/proc/self/ns/user", &our_users) == 0;
	if (stat("/proc/self/ns/mnt", &our_mounts) != 0 || fstatat(process, "ns/mnt", &mounts, 0) != 0 ||
	    (has_user_namespaces && fstatat(process, "ns/user", &users, 0) != 0))
		return errno == EACCES || errno == EPERM ? -1 : 0;
	/* Our own container's processes are never the app's, whatever their environment says. */
	if (is_same(&our_mounts, &mounts))
		return 0;
	/* Containers of a pod have one user namespace. Who has made another is root there, and mounts what they like. */
	if (has_user_namespaces && !is_same(&our_users, &users))
		return -1;
	int named = read_text_at(process, "mountinfo", text, sizeof text) ? termination_log_names(text, container) : -1;
	if (named >= 0)
		return named;
	int fd = openat(process, "environ", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES || errno == EPERM ? -1 : 0;
	long length = read_all(fd, text, MAX_TEXT);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	return length > 0 && has_marker(text, (size_t)length, container);
}

static bool consider(int process, const struct process_stat *stat, void *context)
{
	struct search *search = context;
	struct main_process *found = &search->found;
	static struct process_status status;
	/* With a shared PID namespace pid 1 is the pod's pause container. */
	if (stat->parent != 0 || stat->pid == PAUSE_PID || stat->pid == getpid() || stat->state == 'Z')
		return true;
	if ((found->process >= 0 && stat->start >= found->stat.start) || !read_status(process, &status))
		return true;
	/*
	 * The runtime itself is the first process of a container until it executes the app, and mounts what the app will see
	 * while its root is still the node's. It hides itself, but not from CAP_SYS_PTRACE, which we have where the app has it.
	 */
	int answer = stat->has_executed && take_ids_of(&status) ? is_in_container(process, search->container) : -1;
	return_to_own_ids();
	found->some_unreadable |= answer < 0;
	if (answer == 1) {
		close_fd(&found->process);
		found->process = fcntl(process, F_DUPFD_CLOEXEC, 0);
		found->stat = *stat;
	}
	return true;
}

struct main_process find_main_process(const char *container)
{
	struct search search = {.container = container, .found.process = -1};
	each_process(consider, &search);
	return search.found;
}
