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

/* Enters the app's root, or stays in ours, and becomes the session's user there for good; closes what `app` holds. */
void become_session(const struct run_options *options, struct app_root *app);

__attribute__((noreturn)) void start_session(const struct run_options *options, struct session_setup *setup);
