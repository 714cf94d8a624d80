/* The canonical name of a path: absolute, without `.`, `..` and symbolic links (section 6.11). */
#pragma once

#include <limits.h>

#include "packet.h"

/*
 * As realpath(3), but the last component need not exist: clients ask for the name of what they are about to create.
 * Answers 0, or -1 and errno.
 */
MUST_CHECK int canonical_path(const char *path, char resolved[PATH_MAX]);
