/* The session's process: from our fork to its program. */
#pragma once

#include "app_root.h"
#include "options.h"
#include "terminal.h"

#include <sys/resource.h>

/* What the monitor has prepared for it, while it could. */
struct session_setup {
	struct app_root app;
	int fallback;
	const struct terminal *terminal; /* NULL: `standard` are pipes */
	int standard[3];                 /* becomes 0, 1, 2 */
	struct rlimit core_limit;
};

__attribute__((noreturn)) void start_session(const struct run_options *options, struct session_setup *setup);
