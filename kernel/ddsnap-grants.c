// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-grants.c - which chunks of the origin may be overwritten in this epoch.
 *
 * Bitmap leaves in an xarray. The map is only a memory of what the daemon said: a leaf that
 * could not be allocated, or that the shrinker took, costs a query and nothing else.
 *
 * Readers take no lock and touch no cacheline that others write, but for the leaf itself.
 * Bits are set by the receiver alone. Leaves go away through RCU, because the shrinker may
 * take one that is being read.
 *
 * Invariant: bits are of the current epoch. All are dropped between the moment the gate is
 * closed and drained and the moment it opens in the next epoch, so that no reader who holds a
 * reference of ddsnap.inflight can see a bit of another epoch. (kernel-barrier.test)
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "dm-ddsnap.h"

#define LEAF_SHIFT 15
#define LEAF_CHUNKS 32768u /* 1 << LEAF_SHIFT: a page of bits */

struct leaf {
	struct rcu_head rcu;
	unsigned int chunks; /* bits set; under the xarray's lock */
	unsigned long bits[BITS_TO_LONGS(LEAF_CHUNKS)];
};

static struct kmem_cache *leaf_cache;

int ddsnap_grants_module_init(void)
{
	leaf_cache = kmem_cache_create("dm_ddsnap_grants", sizeof(struct leaf), 0,
				       SLAB_RECLAIM_ACCOUNT, NULL);
	return leaf_cache ? 0 : -ENOMEM;
}

void ddsnap_grants_module_exit(void)
{
	rcu_barrier(); /* leaves on their way out */
	kmem_cache_destroy(leaf_cache);
}

void ddsnap_grants_init(struct ddsnap_grants *grants)
{
	xa_init(&grants->leaves);
	atomic_long_set(&grants->nr_leaves, 0);
}

/*
 * The run that begins at @first: sets *@granted to whether that chunk is granted, and returns
 * the end of the run of chunks alike, @end at most.
 */
u64 ddsnap_grants_run(struct ddsnap_grants *grants, u64 first, u64 end, bool *granted)
{
	u64 at = first;

	rcu_read_lock();
	while (at < end) {
		struct leaf *leaf = xa_load(&grants->leaves, at >> LEAF_SHIFT);
		u64 base = at & ~(u64)(LEAF_CHUNKS - 1);
		unsigned int from = at - base;
		unsigned int to = min_t(u64, end - base, LEAF_CHUNKS);
		unsigned int stop;

		if (at == first)
			*granted = leaf && test_bit(from, leaf->bits);
		if (*granted)
			stop = leaf ? find_next_zero_bit(leaf->bits, to, from) : from;
		else
			stop = leaf ? find_next_bit(leaf->bits, to, from) : to;
		at = base + stop;
		if (stop < to)
			break;
	}
	rcu_read_unlock();
	return min(at, end);
}

static struct leaf *leaf_get(struct ddsnap_grants *grants, unsigned long index)
{
	const gfp_t gfp = GFP_NOIO | __GFP_NOWARN | __GFP_NORETRY;
	struct leaf *leaf = xa_load(&grants->leaves, index);

	if (leaf)
		return leaf;
	leaf = kmem_cache_zalloc(leaf_cache, gfp);
	if (!leaf)
		return NULL;
	if (xa_insert(&grants->leaves, index, leaf, gfp)) {
		kmem_cache_free(leaf_cache, leaf);
		return NULL;
	}
	atomic_long_inc(&grants->nr_leaves);
	return leaf;
}

static void leaf_add(struct ddsnap_grants *grants, struct leaf *leaf, unsigned int from,
		     unsigned int to)
{
	unsigned int bit, fresh = 0;

	for (bit = find_next_zero_bit(leaf->bits, to, from); bit < to;
	     bit = find_next_zero_bit(leaf->bits, to, bit + 1))
		fresh++;
	bitmap_set(leaf->bits, from, to - from);
	leaf->chunks += fresh;
	grants->chunks += fresh;
}

/* Receiver only. */
void ddsnap_grants_add(struct ddsnap_grants *grants, u64 first, u64 end)
{
	u64 at = first;

	while (at < end) {
		unsigned long index = at >> LEAF_SHIFT;
		u64 base = (u64)index << LEAF_SHIFT;
		unsigned int to = min_t(u64, end - base, LEAF_CHUNKS);

		if (leaf_get(grants, index)) {
			struct leaf *leaf;

			/* Under the lock: the shrinker may have been here meanwhile. */
			xa_lock(&grants->leaves);
			leaf = xa_load(&grants->leaves, index);
			if (leaf)
				leaf_add(grants, leaf, at - base, to);
			xa_unlock(&grants->leaves);
		}
		at = base + to;
	}
}

static void leaf_free(struct rcu_head *rcu)
{
	kmem_cache_free(leaf_cache, container_of(rcu, struct leaf, rcu));
}

/* Drops up to @leaves leaves and returns how many it dropped. */
unsigned long ddsnap_grants_drop(struct ddsnap_grants *grants, unsigned long leaves)
{
	unsigned long index, dropped = 0;
	struct leaf *leaf;

	xa_for_each(&grants->leaves, index, leaf) {
		if (dropped == leaves)
			break;
		xa_lock(&grants->leaves);
		leaf = __xa_erase(&grants->leaves, index);
		if (leaf)
			grants->chunks -= leaf->chunks;
		xa_unlock(&grants->leaves);
		if (!leaf)
			continue;
		atomic_long_dec(&grants->nr_leaves);
		call_rcu(&leaf->rcu, leaf_free);
		dropped++;
	}
	return dropped;
}
