#include "options.h"
#include "fail.h"
#include "launch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long long parse_number(const char *name, const char *text, int base, unsigned long long highest)
{
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, base);
	/* strtoull itself takes blanks and signs. */
	if (errno || end == text || *end || strchr(" \t\n+-", *text) || number > highest)
		fail(EXIT_USAGE, "%s: not a valid value: %s", name, text);
	return number;
}

/* The highest uid is no uid: setresuid(2) takes it for "unchanged". */
static const unsigned long long highest_id = 0xfffffffe;

static void set_pid(struct run_options *o, const char *value)
{
	o->pid = (pid_t)parse_number("--pid", value, 10, 0x7fffffff);
}

static void set_start(struct run_options *o, const char *value)
{
	o->start = parse_number("--start", value, 10, ~0ULL);
}

static void set_uid(struct run_options *o, const char *value)
{
	o->user.uid = (uid_t)parse_number("--uid", value, 10, highest_id);
}

static void set_gid(struct run_options *o, const char *value)
{
	o->user.gid = (gid_t)parse_number("--gid", value, 10, highest_id);
}

static void set_groups(struct run_options *o, const char *value)
{
	char *list = strdup(value), *rest = list;
	o->user.group_count = 0;
	for (char *item; *value && (item = strsep(&rest, ","));) {
		if (o->user.group_count == MAX_GROUPS)
			fail(EXIT_USAGE, "--groups: more than %d", MAX_GROUPS);
		o->user.groups[o->user.group_count++] = (gid_t)parse_number("--groups", item, 10, highest_id);
	}
	free(list);
}

static void set_no_new_privs(struct run_options *o, const char *value)
{
	(void)value;
	o->user.no_new_privs = true;
}

static void set_capability_bound(struct run_options *o, const char *value)
{
	o->user.bounded = true;
	o->user.capability_bound = parse_number("--capbnd", value, 16, ~0ULL);
}

static void set_umask(struct run_options *o, const char *value)
{
	o->has_umask = true;
	o->umask = (mode_t)parse_number("--umask", value, 8, 0777);
}

static void set_cwd(struct run_options *o, const char *value)
{
	o->cwd = value;
}

static void set_path(struct run_options *o, const char *value)
{
	o->path = value;
}

static void set_fallback(struct run_options *o, const char *value)
{
	o->fallback = value;
}

static void set_home(struct run_options *o, const char *value)
{
	o->home = value;
}

static void set_make_home(struct run_options *o, const char *value)
{
	(void)value;
	o->make_home = true;
}

static void set_private(struct run_options *o, const char *value)
{
	o->private_name = value;
}

static void set_launch_length(struct run_options *o, const char *value)
{
	o->launch_length = parse_number("--launch-length", value, 10, MAX_LAUNCH);
}

static void set_builtin(struct run_options *o, const char *value)
{
	if (strcmp(value, "sftp") != 0)
		fail(EXIT_USAGE, "--builtin: there is only sftp, not %s", value);
	o->sftp = true;
}

static void set_read_only(struct run_options *o, const char *value)
{
	(void)value;
	o->read_only = true;
}

static void add_directory(struct run_options *o, const char *value)
{
	if (value[0] != '/')
		fail(EXIT_USAGE, "--directory: an absolute path, not %s", value);
	if (o->directory_count == SFTP_MAX_DIRECTORIES)
		fail(EXIT_USAGE, "--directory: more than %d", SFTP_MAX_DIRECTORIES);
	o->directories[o->directory_count++] = value;
}

/* COLSxROWS or COLSxROWSxWIDTHxHEIGHT, the latter two in pixels. */
static void set_pty(struct run_options *o, const char *value)
{
	unsigned short *fields[] = {&o->window.ws_col, &o->window.ws_row, &o->window.ws_xpixel, &o->window.ws_ypixel};
	char *list = strdup(value), *rest = list;
	size_t count = 0;
	for (char *item; (item = strsep(&rest, "x")); count++) {
		if (count == 4)
			fail(EXIT_USAGE, "--pty: too many numbers: %s", value);
		/* The client's numbers have 32 bits, the kernel's 16. */
		unsigned long long number = parse_number("--pty", item, 10, 0xffffffff);
		*fields[count] = (unsigned short)(number > 0xffff ? 0xffff : number);
	}
	if (count != 2 && count != 4)
		fail(EXIT_USAGE, "--pty: COLSxROWS or COLSxROWSxWIDTHxHEIGHT, not %s", value);
	o->pty = true;
	free(list);
}

static void set_modes(struct run_options *o, const char *value)
{
	size_t digits = strlen(value);
	if (digits % 2 || digits / 2 > MAX_MODES)
		fail(EXIT_USAGE, "--modes: an odd number of digits, or too many");
	for (o->modes_length = 0; o->modes_length < digits / 2; o->modes_length++) {
		char octet[3] = {value[2 * o->modes_length], value[2 * o->modes_length + 1], '\0'};
		o->modes[o->modes_length] = (unsigned char)parse_number("--modes", octet, 16, 0xff);
	}
}

static const struct option {
	const char *name;
	bool has_value;
	void (*set)(struct run_options *, const char *);
} known[] = {
	{"--pid", true, set_pid},
	{"--start", true, set_start},
	{"--uid", true, set_uid},
	{"--gid", true, set_gid},
	{"--groups", true, set_groups},
	{"--no-new-privs", false, set_no_new_privs},
	{"--capbnd", true, set_capability_bound},
	{"--umask", true, set_umask},
	{"--cwd", true, set_cwd},
	{"--path", true, set_path},
	{"--fallback", true, set_fallback},
	{"--builtin", true, set_builtin},
	{"--read-only", false, set_read_only},
	{"--directory", true, add_directory},
	{"--pty", true, set_pty},
	{"--modes", true, set_modes},
	{"--launch-length", true, set_launch_length},
	{"--home", true, set_home},
	{"--make-home", false, set_make_home},
	{"--private", true, set_private},
};

static const struct option *find_option(const char *name)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	fail(EXIT_USAGE, "unknown option %s", name);
}

/* Without --uid, --gid or --groups the session keeps ours. */
static void set_defaults(struct run_options *o)
{
	memset(o, 0, sizeof *o);
	o->user.uid = getuid();
	o->user.gid = getgid();
	int count = getgroups(MAX_GROUPS, o->user.groups);
	o->user.group_count = count > 0 ? (size_t)count : 0;
}

void parse_session_options(char **arguments, struct run_options *o)
{
	set_defaults(o);
	while (*arguments && strcmp(*arguments, "--") != 0) {
		const struct option *option = find_option(*arguments++);
		if (option->has_value && !*arguments)
			fail(EXIT_USAGE, "%s needs a value", option->name);
		option->set(o, option->has_value ? *arguments++ : NULL);
	}
	o->argv = *arguments ? arguments + 1 : arguments;
	if ((o->pid != 0) != (o->start != 0))
		fail(EXIT_USAGE, "--pid and --start belong together");
}

void parse_run_options(char **arguments, struct run_options *o)
{
	parse_session_options(arguments, o);
	if (!*o->argv && !o->sftp && !o->launch_length)
		fail(EXIT_USAGE, "no program given after --");
	/* A shell would honour neither. */
	if ((o->read_only || o->directory_count) && !o->sftp)
		fail(EXIT_USAGE, "--read-only and --directory belong to --builtin sftp");
	if (o->sftp && o->pty)
		fail(EXIT_USAGE, "--builtin sftp talks packets, not to a terminal");
}
