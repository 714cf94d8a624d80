/* The SFTP server as a program of its own, for tests only: no change of root or ids comes before it. */
#include <string.h>

#include "../sftp.h"

int main(int count, char **arguments)
{
	const struct sftp_options options = { .read_only = count > 1 && strcmp(arguments[1], "--read-only") == 0 };

	return sftp_serve(&options);
}
