/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module has of these interfaces, all together for every probe: whether it is there,
 * and compiles in this order, is what probe/control.c shows.
 */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/fs_struct.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/un.h>
