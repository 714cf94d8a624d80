#define _GNU_SOURCE /* setresuid, getresuid */
#include "identity.h"
#include "capabilities.h"
#include "fail.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct {
	bool taken;
	gid_t gid;
	int group_count;
	gid_t groups[MAX_GROUPS];
} own;

bool take_ids_of(const struct process_status *who)
{
	if (getuid() != 0)
		return true;
	own.gid = getegid();
	own.group_count = getgroups(MAX_GROUPS, own.groups);
	if (own.group_count < 0)
		return false;
	own.taken = true;
	/* The uid last: leaving euid 0 clears the effective capabilities, which setgroups and setresgid need. */
	if (setgroups(who->group_count, who->groups) == 0 && setresgid((gid_t)-1, who->gid, (gid_t)-1) == 0 &&
	    setresuid((uid_t)-1, who->uid, (uid_t)-1) == 0 && raise_capabilities())
		return true;
	int error = errno;
	return_to_own_ids();
	errno = error;
	return false;
}

void return_to_own_ids(void)
{
	if (!own.taken)
		return;
	/*
	 * Permitted because our real uid is still 0. Capabilities are raised afterwards: the kernel does it by itself
	 * when the effective uid changes to 0, but not if it was 0 all the time and we lowered them.
	 */
	if (setresuid((uid_t)-1, 0, (uid_t)-1) != 0 || !raise_capabilities() ||
	    (getegid() != own.gid && setresgid((gid_t)-1, own.gid, (gid_t)-1) != 0))
		fail(EXIT_CANNOT_RUN, "cannot return from the app's ids: %s", strerror(errno));
	/* Without CAP_SETGID they were never changed. */
	if (setgroups((size_t)own.group_count, own.groups) != 0 && errno != EPERM)
		fail(EXIT_CANNOT_RUN, "cannot return from the app's groups: %s", strerror(errno));
	own.taken = false;
}

static bool contains(const gid_t *groups, size_t count, gid_t wanted)
{
	for (size_t i = 0; i < count; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

/* The same set; the primary group may be listed or not, it makes no difference to any check. */
static bool has_groups_already(const struct session_user *user)
{
	gid_t groups[MAX_GROUPS];
	int count = getgroups(MAX_GROUPS, groups);
	if (count < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (groups[i] != user->gid && !contains(user->groups, user->group_count, groups[i]))
			return false;
	for (size_t i = 0; i < user->group_count; i++)
		if (user->groups[i] != user->gid && !contains(groups, (size_t)count, user->groups[i]))
			return false;
	return true;
}

static bool has_ids(uid_t uid, gid_t gid)
{
	uid_t real_uid, effective_uid, saved_uid;
	gid_t real_gid, effective_gid, saved_gid;
	if (getresuid(&real_uid, &effective_uid, &saved_uid) != 0 || getresgid(&real_gid, &effective_gid, &saved_gid) != 0)
		return false;
	return real_uid == uid && effective_uid == uid && saved_uid == uid && real_gid == gid && effective_gid == gid &&
	       saved_gid == gid;
}

/*
 * A helper that already is who it shall be needs no privilege: that is the non-root sidecar.
 * Anybody else needs CAP_SETUID and CAP_SETGID.
 */
static void set_ids(const struct session_user *user)
{
	if (!has_groups_already(user) && setgroups(user->group_count, user->groups) != 0)
		fail(EXIT_CANNOT_RUN, "cannot take the groups of the session: %s", strerror(errno));
	if (has_ids(user->uid, user->gid))
		return;
	if (setresgid(user->gid, user->gid, user->gid) != 0)
		fail(EXIT_CANNOT_RUN, "cannot become gid %u: %s", user->gid, strerror(errno));
	if (setresuid(user->uid, user->uid, user->uid) != 0)
		fail(EXIT_CANNOT_RUN, "cannot become uid %u: %s", user->uid, strerror(errno));
}

/*
 * For uid 0 execve gives the whole bounding set, whatever is permitted before (capabilities(7)), so the bounding set
 * is what counts; the other sets are for a built-in program, which does not exec.
 */
static void set_session_capabilities(const struct session_user *user)
{
	struct capabilities ours;
	if (!get_capabilities(&ours))
		fail(EXIT_CANNOT_RUN, "cannot read our capabilities: %s", strerror(errno));
	uint64_t kept = user->uid == 0 ? ours.permitted & (user->bounded ? user->capability_bound : ~UINT64_C(0)) : 0;
	struct capabilities wanted = {.effective = kept, .permitted = kept, .inheritable = 0};
	/* An empty inheritable set empties the ambient one too. */
	if (!set_capabilities(&wanted) || !get_capabilities(&ours) || ours.permitted != kept || ours.inheritable != 0)
		fail(EXIT_CANNOT_RUN, "cannot drop our capabilities: %s", strerror(errno));
}

void become_session_user(const struct session_user *user)
{
	if (user->bounded && !bound_capabilities(user->capability_bound))
		fail(EXIT_CANNOT_RUN, "cannot drop capabilities from the bounding set: %s", strerror(errno));
	set_ids(user);
	/*
	 * From here to execve other processes of this uid could trace us. A change of ids makes us undumpable by itself,
	 * but to what fs.suid_dumpable says; this is certain. execve makes the new program dumpable again.
	 */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		fail(EXIT_CANNOT_RUN, "cannot become undumpable: %s", strerror(errno));
	set_session_capabilities(user);
	if (user->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		fail(EXIT_CANNOT_RUN, "cannot set no_new_privs: %s", strerror(errno));
	/* Belief is not enough: a set*id call that half succeeds would be a root shell for a limited user. */
	if (!has_ids(user->uid, user->gid) || !has_groups_already(user))
		fail(EXIT_CANNOT_RUN, "the kernel did not give the session its ids");
}

bool take_file_ids(uid_t uid, gid_t gid)
{
	/* setfsuid(2) does not tell about failure; asked for an impossible id, it only answers the present one. */
	setfsgid(gid);
	setfsuid(uid);
	if ((gid_t)setfsgid((gid_t)-1) == gid && (uid_t)setfsuid((uid_t)-1) == uid)
		return true;
	return_file_ids();
	errno = EPERM;
	return false;
}

void return_file_ids(void)
{
	setfsuid(geteuid());
	setfsgid(getegid());
}

void become_monitor(uid_t session_uid)
{
	struct capabilities ours;
	bool known = get_capabilities(&ours);
	/*
	 * kill(2) looks at our effective and real uid and at CAP_KILL. With the session's uid as the effective one we reach
	 * its program even without CAP_KILL (which we keep for what su or sudo made of it). Our real and saved uid stay 0:
	 * the session's user can neither signal nor trace us.
	 */
	if (getuid() == 0 && setresuid((uid_t)-1, session_uid, (uid_t)-1) != 0)
		fail(EXIT_CANNOT_RUN, "the monitor cannot become uid %u: %s", session_uid, strerror(errno));
	uint64_t kept = known ? ours.permitted & CAPABILITY(CAP_KILL) : 0;
	struct capabilities wanted = {.effective = kept, .permitted = kept, .inheritable = 0};
	if (!set_capabilities(&wanted) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		fail(EXIT_CANNOT_RUN, "the monitor cannot drop its privileges: %s", strerror(errno));
}
