/* The app's root and working directory, held by descriptors. */
#pragma once

#include <sys/types.h>

struct app_root {
	int root; /* both -1 for a toolbox session */
	int cwd;
};

/* Ends this process with EXIT_RESTARTED when the pid no longer means the process that started at `start`. */
struct app_root open_app_root(pid_t pid, unsigned long long start);

/* Makes the app's root ours, with the working directory at its top. */
void enter_app_root(int root);

/* To `wanted`, or without one to the app's own directory; to "/" where the session's user may not enter that. */
void choose_working_directory(const char *wanted, int app_cwd);
