// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-extents.c - a snapshot's places that need not be asked for again.
 *
 * Only STORE and ZERO places are kept, only when the daemon said MAY_CACHE, and only for as
 * long as the session lives. One xarray value a chunk: bit 0 writable, bit 1 zero, the rest
 * the sector. Bounded by dropping everything; memory pressure drops everything too: a place
 * that is not here costs a query.
 *
 * The receiver alone adds and forgets; lookups take no lock. Nothing here may be called under
 * ddsnap.lock but ddsnap_cache_get(): the xarray's lock is not safe against interrupts.
 */
#include "dm-ddsnap.h"

#define CACHE_CHUNKS_MAX BIT(18)

void ddsnap_cache_init(struct ddsnap_extent_cache *cache)
{
	xa_init(&cache->chunks);
	atomic_long_set(&cache->count, 0);
}

bool ddsnap_cache_get(struct ddsnap_extent_cache *cache, u64 chunk, struct ddsnap_place *place)
{
	void *entry = xa_load(&cache->chunks, chunk);
	unsigned long value;

	if (!entry)
		return false;
	value = xa_to_value(entry);
	place->writable = value & 1;
	place->kind = value & 2 ? DDSNAP_EXTENT_ZERO : DDSNAP_EXTENT_STORE;
	place->sector = value >> 2;
	return true;
}

static void forget(struct ddsnap_extent_cache *cache, u64 chunk)
{
	if (xa_erase(&cache->chunks, chunk))
		atomic_long_dec(&cache->count);
}

void ddsnap_cache_put(struct ddsnap_extent_cache *cache, u64 chunk,
		      const struct ddsnap_place *place)
{
	unsigned long value = place->sector << 2;
	void *old;

	if (place->kind == DDSNAP_EXTENT_ZERO)
		value |= 2;
	if (place->writable)
		value |= 1;
	if (value > LONG_MAX)
		return;
	if (atomic_long_read(&cache->count) >= (long)CACHE_CHUNKS_MAX)
		ddsnap_cache_drop(cache);
	old = xa_store(&cache->chunks, chunk, xa_mk_value(value),
		       GFP_NOIO | __GFP_NOWARN | __GFP_NORETRY);
	if (!old)
		atomic_long_inc(&cache->count);
	else if (xa_is_err(old))
		forget(cache, chunk);
}

void ddsnap_cache_drop(struct ddsnap_extent_cache *cache)
{
	xa_destroy(&cache->chunks);
	/* May be off by those put at this moment: it only bounds. */
	atomic_long_set(&cache->count, 0);
}
