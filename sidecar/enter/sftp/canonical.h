/* The canonical name of a path: absolute, without `.`, `..` and symbolic links (section 6.11). */
#pragma once

#include <limits.h>

#include "packet.h"

/*
 * As realpath(3), but the last component need not exist: clients ask for the name of what they are about to create.
 * Answers 0, or -1 and errno.
 */
MUST_CHECK int canonical_path(const char *path, char resolved[PATH_MAX]);

/*
 * By the text alone, without a look at any file: links stay names, and `..` removes the name before it. A relative path
 * begins at `base`, which is canonical.
 */
MUST_CHECK int canonical_text(const char *base, const char *path, char resolved[PATH_MAX]);
