#include "canonical.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* OpenSSH's number; the kernel's is 40. */
enum { MAX_LINKS = 32 };

struct walk {
	/* Where we are: canonical, absolute, without a slash at the end. The root is empty. */
	char here[PATH_MAX];
	size_t here_length;
	/* What is still to be walked from there. */
	char rest[PATH_MAX];
	unsigned links;
	/* Nothing is looked at: a link is a name like any other. */
	bool by_text;
};

static int fail(int error)
{
	errno = error;
	return -1;
}

static void go_to_root(struct walk *walk)
{
	walk->here[0] = '\0';
	walk->here_length = 0;
}

static void go_up(struct walk *walk)
{
	char *slash = strrchr(walk->here, '/');

	if (slash == NULL)
		return;
	*slash = '\0';
	walk->here_length = (size_t)(slash - walk->here);
}

static int go_down(struct walk *walk, const char *name, size_t length)
{
	if (walk->here_length + 1 + length >= sizeof walk->here)
		return fail(ENAMETOOLONG);
	walk->here[walk->here_length++] = '/';
	memcpy(walk->here + walk->here_length, name, length);
	walk->here_length += length;
	walk->here[walk->here_length] = '\0';
	return 0;
}

/* We stand on a symbolic link: its target is walked first, from the folder that holds it, and then what was left. */
static int follow_link(struct walk *walk, const char *left)
{
	char target[PATH_MAX], rest[PATH_MAX];

	if (++walk->links > MAX_LINKS)
		return fail(ELOOP);
	const ssize_t length = readlink(walk->here, target, sizeof target - 1);
	if (length < 0)
		return -1;
	target[length] = '\0';
	const char *joint = *left == '\0' ? "" : "/";
	const int rest_length = snprintf(rest, sizeof rest, "%s%s%s", target, joint, left);
	if (rest_length < 0 || (size_t)rest_length >= sizeof rest)
		return fail(ENAMETOOLONG);
	memcpy(walk->rest, rest, (size_t)rest_length + 1);
	if (target[0] == '/')
		go_to_root(walk);
	else
		go_up(walk);
	return 0;
}

static bool is(const char *name, size_t length, const char *what)
{
	return length == strlen(what) && memcmp(name, what, length) == 0;
}

/* Walks one component of the rest. */
static int take_step(struct walk *walk)
{
	const char *name = walk->rest + strspn(walk->rest, "/");
	const size_t length = strcspn(name, "/");
	const char *left = name + length;
	const bool last = *left == '\0';
	struct stat stat;

	left += strspn(left, "/");
	if (is(name, length, ".."))
		go_up(walk);
	else if (length > 0 && !is(name, length, ".")) {
		if (go_down(walk, name, length) < 0)
			return -1;
		if (!walk->by_text && lstat(walk->here, &stat) < 0) {
			if (errno != ENOENT || !last)
				return -1;
		} else if (!walk->by_text && S_ISLNK(stat.st_mode)) {
			return follow_link(walk, left);
		}
	}
	memmove(walk->rest, left, strlen(left) + 1);
	return 0;
}

/* From `base`, or, where that is NULL, from the working directory. */
static int begin_walk(struct walk *walk, const char *base, const char *path)
{
	*walk = (struct walk){ .by_text = base != NULL };
	if (path[0] == '\0')
		return fail(ENOENT);
	if (strlen(path) >= sizeof walk->rest)
		return fail(ENAMETOOLONG);
	strcpy(walk->rest, path);
	if (path[0] == '/')
		return 0;
	if (base != NULL)
		strcpy(walk->here, base);
	else if (getcwd(walk->here, sizeof walk->here) == NULL)
		return -1;
	walk->here_length = strlen(walk->here);
	if (walk->here_length == 1)
		go_to_root(walk);
	return 0;
}

static int walk_to_end(const char *base, const char *path, char resolved[PATH_MAX])
{
	struct walk walk;

	if (begin_walk(&walk, base, path) < 0)
		return -1;
	while (walk.rest[0] != '\0')
		if (take_step(&walk) < 0)
			return -1;
	strcpy(resolved, walk.here_length == 0 ? "/" : walk.here);
	return 0;
}

int canonical_path(const char *path, char resolved[PATH_MAX])
{
	return walk_to_end(NULL, path, resolved);
}

int canonical_text(const char *base, const char *path, char resolved[PATH_MAX])
{
	return walk_to_end(base, path, resolved);
}
