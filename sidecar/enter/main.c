/*
 * enter: opens sessions inside the app's container, for a sidecar that shares its PID namespace.
 *
 * The sidecar's Node process has many threads and cannot change its own root, ids or capabilities; this program has
 * one, and does it for each session. It is static, because what it executes lives in foreign images.
 */
#include "fail.h"
#include "in_app.h"
#include "inspect.h"
#include "run.h"

#include <string.h>

static const struct {
	const char *name;
	__attribute__((noreturn)) void (*start)(char **arguments);
} commands[] = {
	{"run", run},
	{"connect", connect_in_app},
	{"listen", listen_in_app},
	{"lease", lease_in_app},
};

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "inspect") == 0)
		return inspect(argv[2]);
	for (size_t i = 0; argc >= 2 && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			commands[i].start(argv + 2);
	fail(EXIT_USAGE, "usage: enter inspect CONTAINER | enter run OPTIONS -- ARGV0 ARGUMENTS… | enter connect OPTIONS -- PATH"
			 " | enter listen OPTIONS -- PATH | enter listen OPTIONS --private NAME | enter lease OPTIONS -- NAME");
}
