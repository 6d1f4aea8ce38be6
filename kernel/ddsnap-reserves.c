// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-reserves.c - lets the daemon's thread use the kernel's memory reserves.
 *
 * Where memory is all pages that can only be written after an answer of the daemon's, the daemon
 * must not look for memory to reclaim before it answers: it would look for ever. Its own memory
 * is locked, but most system calls allocate a little in the kernel (a socket's buffer, io_uring's
 * state of a read, a worker for a flush). PR_SET_IO_FLUSHER does not help: with it reclaim starts
 * no I/O, and goes on looking.
 *
 * Whoever writes 1 to /sys/module/dm_ddsnap/parameters/use_reserves gets what it asks for from
 * then on like those who free memory do (PF_MEMALLOC): beyond the watermarks, and without
 * reclaiming. What it allocates must be little, or go away with the requests that it answers, and
 * it must not write back dirty pages of files: filesystems take it for reclaim, and some refuse.
 * Writing 0 ends it. The flag is the writing thread's alone; threads and I/O workers that it
 * makes later inherit it.
 */
#include <linux/capability.h>
#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sysfs.h>

static int set_use_reserves(const char *value, const struct kernel_param *param)
{
	bool use;
	int r = kstrtobool(value, &use);

	if (r)
		return r;
	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (use)
		current->flags |= PF_MEMALLOC;
	else
		current->flags &= ~PF_MEMALLOC;
	return 0;
}

static int get_use_reserves(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%c\n", current->flags & PF_MEMALLOC ? 'Y' : 'N');
}

static const struct kernel_param_ops use_reserves_ops = {
	.set = set_use_reserves,
	.get = get_use_reserves,
};

module_param_cb(use_reserves, &use_reserves_ops, NULL, 0600);
MODULE_PARM_DESC(use_reserves, "1: the writing thread may use memory reserves (for ddsnapd)");
