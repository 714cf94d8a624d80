/* The command line of `enter run`, and of the other commands that become a session's user. */
#pragma once

#include "identity.h"
#include "sftp/sftp.h"

#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/types.h>

enum { MAX_MODES = 1024 };

struct run_options {
	pid_t pid; /* 0: a toolbox session, in our own root */
	unsigned long long start;
	struct session_user user;
	bool has_umask;
	mode_t umask;
	const char *cwd;      /* NULL: the app's own */
	const char *path;     /* NULL: argv[0] is searched for */
	const char *fallback; /* NULL: none */
	bool sftp, read_only;
	const char *directories[SFTP_MAX_DIRECTORIES];
	size_t directory_count;
	bool pty;
	struct winsize window;
	size_t modes_length;
	unsigned char modes[MAX_MODES];
	const char *home;         /* NULL: none */
	bool make_home;
	const char *private_name; /* NULL: none */
	size_t launch_length; /* 0: the words are on the command line, and the variables are ours */
	char **argv;
	char **variables; /* NULL: ours */
};

/* Fills `options` from what follows the command's name, or ends this process with EXIT_USAGE. */
void parse_session_options(char **arguments, struct run_options *options);

/* The same for `run`, which takes a program. */
void parse_run_options(char **arguments, struct run_options *options);
