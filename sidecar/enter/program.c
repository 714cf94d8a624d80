#define _GNU_SOURCE /* close_range, execvpe, fexecve */
#include "program.h"
#include "fail.h"
#include "sftp/sftp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char USUAL_SHELL[] = "/bin/sh";

int open_fallback(const struct run_options *options)
{
	if (!options->fallback)
		return -1;
	int fd = open(options->fallback, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(EXIT_CANNOT_RUN, "cannot open %s: %s", options->fallback, strerror(errno));
	return fd;
}

static bool is_missing(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

/* A person at a terminal is told; a program that talks through the session is not disturbed. */
static bool tells_person(const struct run_options *options)
{
	return options->argv[0][0] == '-' && isatty(STDERR_FILENO);
}

/*
 * The image has not the shell that its /etc/passwd names, as where that file was copied from the image that it was built
 * in. The usual one is as good; busybox, by its name, would be a program that it has not.
 */
static void become_sh(char **argv)
{
	static char login[] = "-sh";
	argv[0] = argv[0][0] == '-' ? login : login + 1;
}

static void try_usual_shell(const struct run_options *options)
{
	if (access(USUAL_SHELL, X_OK) != 0)
		return;
	if (tells_person(options))
		dprintf(STDERR_FILENO, "sshaccess: this image has no %s; this is %s.\n", options->path, USUAL_SHELL);
	/* What a program starts as the user's shell has to be there. */
	setenv("SHELL", USUAL_SHELL, 1);
	execve(USUAL_SHELL, options->argv, environ);
}

static void try_fallback(const struct run_options *options, int fallback)
{
	if (tells_person(options))
		dprintf(STDERR_FILENO, "sshaccess: this image has no shell (%s); this one is the gateway's, a busybox.\n",
			options->path ? options->path : options->argv[0]);
	/* execveat(2) on the descriptor: the file is not in this root. Static, so it needs nothing that is. */
	fexecve(fallback, options->argv, environ);
}

/* No execve closes anything here: with a copy of the other end of its input the server would never see its end. */
static __attribute__((noreturn)) void serve_sftp(const struct run_options *options)
{
	if (close_range(STDERR_FILENO + 1, ~0U, 0) != 0)
		fail(EXIT_CANNOT_RUN, "cannot close our descriptors: %s", strerror(errno));
	_exit(sftp_serve(&(struct sftp_options){
		.read_only = options->read_only,
		.directories = options->directories,
		.directory_count = options->directory_count,
	}));
}

void run_program(const struct run_options *options, int fallback)
{
	if (options->sftp)
		serve_sftp(options);
	char **argv = options->argv;
	/* execvpe searches the PATH of our own environment, which is the session's. */
	if (options->path)
		execve(options->path, argv, environ);
	else
		execvpe(argv[0], argv, environ);
	int error = errno;
	if (is_missing(error) && fallback >= 0) {
		if (options->path) {
			become_sh(argv);
			try_usual_shell(options);
		}
		try_fallback(options, fallback);
		error = errno;
	}
	if (error == E2BIG)
		fail(EXIT_CANNOT_RUN, "the command and the environment are longer than the kernel lets a program have");
	fail(is_missing(error) ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN, "%s: %s", options->path ? options->path : argv[0],
	     is_missing(error) ? "not found" : strerror(error));
}
