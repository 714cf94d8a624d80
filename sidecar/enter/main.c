/*
 * enter: opens sessions inside the app's container, for a sidecar that shares its PID namespace.
 *
 * The sidecar's Node process has many threads and cannot change its own root, ids or capabilities; this program has
 * one, and does it for each session. It is static, because what it executes lives in foreign images.
 */
#include "fail.h"
#include "inspect.h"
#include "run.h"

#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "inspect") == 0)
		return inspect(argv[2]);
	if (argc >= 2 && strcmp(argv[1], "run") == 0)
		run(argv + 2);
	fail(EXIT_USAGE, "usage: enter inspect CONTAINER | enter run OPTIONS -- ARGV0 ARGUMENTS…");
}
