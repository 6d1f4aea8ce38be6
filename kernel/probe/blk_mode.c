// SPDX-License-Identifier: GPL-2.0
/* Since 6.5 a table's mode is a blk_mode_t with BLK_OPEN_* bits, before a fmode_t. */
#include "probe.h"

#ifdef DDSNAP_PROBE_new

static blk_mode_t __maybe_unused ddsnap_probe(struct dm_target *ti)
{
	return dm_table_get_mode(ti->table) & BLK_OPEN_WRITE;
}

#else

#ifdef BLK_OPEN_WRITE
#error "not the old form: to the compiler, both types are the same"
#endif

static fmode_t __maybe_unused ddsnap_probe(struct dm_target *ti)
{
	return dm_table_get_mode(ti->table) & FMODE_WRITE;
}

#endif
