#include "signals.h"
#include "fail.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct {
	const char *name;
	int number;
} names[] = {
	{"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"FPE", SIGFPE},   {"HUP", SIGHUP},   {"ILL", SIGILL},
	{"INT", SIGINT},   {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV},
	{"TERM", SIGTERM}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
};

int signal_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].number;
	return 0;
}

int take_signals(void)
{
	/* First: an inherited "ignore" of SIGCHLD would have the kernel reap the session's program behind our back. */
	reset_signals();
	signal(SIGPIPE, SIG_IGN);
	sigset_t taken;
	sigemptyset(&taken);
	sigaddset(&taken, SIGCHLD);
	sigaddset(&taken, SIGHUP);
	sigaddset(&taken, SIGINT);
	sigaddset(&taken, SIGTERM);
	int fd = sigprocmask(SIG_BLOCK, &taken, NULL) == 0 ? signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
	if (fd < 0)
		fail(EXIT_CANNOT_RUN, "cannot take signals: %s", strerror(errno));
	return fd;
}

void reset_signals(void)
{
	/* Fails for SIGKILL, SIGSTOP and the two that glibc keeps to itself. */
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void die_by(int number)
{
	reset_signals();
	kill(getpid(), number);
	/* Still here: a signal whose default is not to end a process, or we are the first process of a PID namespace. */
	_exit(128 + number);
}
