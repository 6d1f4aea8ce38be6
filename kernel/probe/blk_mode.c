// SPDX-License-Identifier: GPL-2.0
/* Since 6.5 a table's mode is a blk_mode_t with BLK_OPEN_* bits, before a fmode_t. */
#include <linux/device-mapper.h>

blk_mode_t ddsnap_probe(struct dm_target *ti);
blk_mode_t ddsnap_probe(struct dm_target *ti)
{
	return dm_table_get_mode(ti->table) & BLK_OPEN_WRITE;
}
