#define _GNU_SOURCE /* environ */
#include "session.h"
#include "fail.h"
#include "files.h"
#include "home.h"
#include "identity.h"
#include "program.h"
#include "signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A session of its own: signals to its group reach neither the sidecar nor other sessions. */
static void lead_session(const struct session_setup *setup)
{
	if (setsid() < 0)
		fail(EXIT_CANNOT_RUN, "setsid: %s", strerror(errno));
	if (setup->terminal)
		control_terminal(setup->terminal);
}

/* dup2(2) clears close-on-exec; the originals and all else of ours have it. */
static void connect_standard_streams(const struct session_setup *setup)
{
	for (int fd = 0; fd < 3; fd++)
		if (dup2(setup->standard[fd], fd) != fd)
			fail(EXIT_CANNOT_RUN, "dup2: %s", strerror(errno));
	/* Programs take SSH_TTY as a sign of a terminal. */
	if (setup->terminal && setenv("SSH_TTY", setup->terminal->name, 1) != 0)
		fail(EXIT_CANNOT_RUN, "out of memory");
}

void become_session(const struct run_options *options, struct app_root *app)
{
	if (app->root >= 0)
		enter_app_root(app->root);
	close_fd(&app->root);
	become_session_user(&options->user);
	choose_working_directory(options->cwd, app->cwd);
	close_fd(&app->cwd);
	if (options->has_umask)
		umask(options->umask);
}

void start_session(const struct run_options *options, struct session_setup *setup)
{
	if (options->variables)
		environ = options->variables;
	lead_session(setup);
	connect_standard_streams(setup);
	become_session(options, &setup->app);
	if (options->make_home)
		make_home();
	setrlimit(RLIMIT_CORE, &setup->core_limit);
	reset_signals();
	run_program(options, setup->fallback);
}
