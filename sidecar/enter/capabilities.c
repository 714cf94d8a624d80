#include "capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc has no wrappers; version 3 of the call splits 64 bits into two halves (capget(2)). */
enum { HALVES = _LINUX_CAPABILITY_U32S_3 };

bool get_capabilities(struct capabilities *sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[HALVES];
	if (syscall(SYS_capget, &header, data) != 0)
		return false;
	*sets = (struct capabilities){
		.effective = data[0].effective | (uint64_t)data[1].effective << 32,
		.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32,
		.inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32,
	};
	return true;
}

bool set_capabilities(const struct capabilities *sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[HALVES];
	for (int half = 0; half < HALVES; half++) {
		data[half].effective = (uint32_t)(sets->effective >> (32 * half));
		data[half].permitted = (uint32_t)(sets->permitted >> (32 * half));
		data[half].inheritable = (uint32_t)(sets->inheritable >> (32 * half));
	}
	return syscall(SYS_capset, &header, data) == 0;
}

static bool set_effective(uint64_t wanted)
{
	struct capabilities sets;
	if (!get_capabilities(&sets))
		return false;
	sets.effective = sets.permitted & wanted;
	return set_capabilities(&sets);
}

bool raise_capabilities(void)
{
	return set_effective(~UINT64_C(0));
}

bool lower_capabilities(void)
{
	return set_effective(0);
}

bool bound_capabilities(uint64_t bound)
{
	/* PR_CAPBSET_READ fails with EINVAL beyond the last capability that this kernel knows. */
	for (int number = 0, present; (present = prctl(PR_CAPBSET_READ, number, 0, 0, 0)) >= 0; number++)
		if (present && !(bound & CAPABILITY(number)) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0)
			return false;
	return true;
}
