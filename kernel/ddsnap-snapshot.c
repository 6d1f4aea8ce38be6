// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-snapshot.c - a snapshot device.
 *
 * Every bio is clipped to one chunk, and goes where the daemon says that the chunk is: into the
 * store, to the origin (under a read lock), or nowhere because it is all zeros.
 *
 * Invariant: an extent is worth what its session is worth. The daemon may reuse or overwrite a
 * place as soon as it believes us gone; so an I/O that ends when its session has broken is not
 * believed: the bio is restored, and asked for and done again. (kernel-snapshot.test)
 *
 * Invariant: an answer to a SNAP_READ that was asked before a SNAP_WRITE of the same chunk was
 * answered is neither cached nor joined by later reads. (kernel-snapshot.test)
 */
#include "dm-ddsnap.h"

static u64 chunk_of(struct ddsnap *d, struct bio *bio)
{
	sector_t sector = dm_target_offset(d->ti, bio->bi_iter.bi_sector);

	return sector >> ddsnap_chunk_sectors_shift(d);
}

static u16 request_type(struct bio *bio)
{
	return op_is_write(bio_op(bio)) ? DDSNAP_SNAP_WRITE : DDSNAP_SNAP_READ;
}

/* As dm-bio-record.h does, which is not there for modules outside of the kernel's tree. */
static void record(struct ddsnap_io *io, struct bio *bio)
{
	io->bdev = bio->bi_bdev;
	io->iter = bio->bi_iter;
	io->bio_flags = bio->bi_flags;
}

static void restore(struct ddsnap_io *io, struct bio *bio)
{
	bio->bi_bdev = io->bdev;
	bio->bi_iter = io->iter;
	bio->bi_flags = io->bio_flags;
	bio->bi_status = BLK_STS_OK;
	atomic_set(&bio->__bi_remaining, 1);
}

/*
 * Sends a bio on its way to @place. Under lock, with the session open and, but for ZERO, a
 * reference of inflight. False: it is a read of zeros, to be filled and ended.
 */
static bool direct(struct ddsnap *d, struct ddsnap_io *io, const struct ddsnap_place *place)
{
	struct bio *bio = ddsnap_bio(io);
	sector_t sector = dm_target_offset(d->ti, bio->bi_iter.bi_sector);
	sector_t mask = (1ull << ddsnap_chunk_sectors_shift(d)) - 1;

	if (place->kind == DDSNAP_EXTENT_ZERO) {
		bio->bi_status = BLK_STS_OK;
		return false;
	}
	io->flags |= DDSNAP_IO_REF;
	io->session = d->session;
	if (place->kind == DDSNAP_EXTENT_STORE) {
		bio_set_dev(bio, d->store->bdev);
		bio->bi_iter.bi_sector = place->sector + (sector & mask);
	} else {
		bio_set_dev(bio, d->origin->bdev);
		bio->bi_iter.bi_sector = sector;
	}
	return true;
}

static bool usable(const struct ddsnap_place *place, struct bio *bio)
{
	return place->writable || !op_is_write(bio_op(bio));
}

/* If the bio's chunk is in the cache: directs it there. */
static bool map_cached(struct ddsnap *d, struct bio *bio, int *result)
{
	struct ddsnap_io *io = ddsnap_io(bio);
	struct ddsnap_place place;
	unsigned long flags;
	bool submit = false, hit = false;

	spin_lock_irqsave(&d->lock, flags);
	if (d->state == DDSNAP_SESSION_OPEN && !d->closed &&
	    ddsnap_cache_get(&d->cache, chunk_of(d, bio), &place) && usable(&place, bio) &&
	    (place.kind == DDSNAP_EXTENT_ZERO || percpu_ref_tryget_live(&d->inflight))) {
		hit = true;
		submit = direct(d, io, &place);
	}
	spin_unlock_irqrestore(&d->lock, flags);

	if (!hit)
		return false;
	this_cpu_inc(d->cpu_stats->cache_hits);
	*result = submit ? DM_MAPIO_REMAPPED : DM_MAPIO_SUBMITTED;
	if (!submit) {
		zero_fill_bio(bio);
		bio_endio(bio);
	}
	return true;
}

int ddsnap_snapshot_map(struct ddsnap *d, struct bio *bio)
{
	unsigned int shift = READ_ONCE(d->chunk_shift) ?: 12; /* the smallest chunk there is */
	struct ddsnap_io *io = ddsnap_io(bio);
	unsigned int chunk_sectors = 1u << (shift - SECTOR_SHIFT);
	unsigned int left;
	int result;

	io->flags = 0;
	io->slot = NULL;
	if (!bio_sectors(bio)) { /* an empty flush; SNAP_WRITE answers are durable already */
		bio_set_dev(bio, d->store->bdev);
		return DM_MAPIO_REMAPPED;
	}
	switch (bio_op(bio)) {
	case REQ_OP_WRITE:
	case REQ_OP_WRITE_ZEROES:
		if (d->read_only)
			return DM_MAPIO_KILL;
		break;
	case REQ_OP_READ:
		break;
	default:
		return DM_MAPIO_KILL;
	}
	left = chunk_sectors - (dm_target_offset(d->ti, bio->bi_iter.bi_sector) &
				(chunk_sectors - 1));
	if (bio_sectors(bio) > left)
		dm_accept_partial_bio(bio, left);
	record(io, bio);
	if (READ_ONCE(d->flags) & DDSNAP_FLAG_MAY_CACHE && map_cached(d, bio, &result))
		return result;
	return ddsnap_defer(d, bio);
}

static enum ddsnap_asked snapshot_ask(struct ddsnap *d, struct ddsnap_io *io,
				      struct ddsnap_batch *batch)
{
	struct bio *bio = ddsnap_bio(io);
	u64 chunk = chunk_of(d, bio);

	return ddsnap_join(d, io, request_type(bio), chunk, chunk + 1) ? DDSNAP_ASKED :
									 DDSNAP_STUCK;
}

/* ---- the end of an I/O ------------------------------------------------------------------- */

static void unlock_read(struct ddsnap *d, struct ddsnap_io *io)
{
	struct ddsnap_slot *slot = io->slot;

	io->slot = NULL;
	if (slot && io->session == d->session && !--slot->readers) {
		list_move_tail(&slot->node, &d->unlocking);
		ddsnap_kick_sender(d);
	}
}

/* Its session has broken. What to tell device-mapper. */
static int redo(struct ddsnap *d, struct ddsnap_io *io, blk_status_t *error)
{
	struct bio *bio = ddsnap_bio(io);

	io->slot = NULL;
	switch (ddsnap_verdict(d)) {
	case DDSNAP_REQUEUE:
		return DM_ENDIO_REQUEUE;
	case DDSNAP_FAIL:
		*error = BLK_STS_IOERR;
		return DM_ENDIO_DONE;
	default:
		restore(io, bio);
		ddsnap_enqueue(d, io);
		d->stats.retries++;
		return DM_ENDIO_INCOMPLETE;
	}
}

int ddsnap_snapshot_end_io(struct ddsnap *d, struct ddsnap_io *io, blk_status_t *error)
{
	unsigned long flags;
	int r = DM_ENDIO_DONE;

	if (!(io->flags & DDSNAP_IO_REF))
		return r;
	io->flags &= ~DDSNAP_IO_REF;
	spin_lock_irqsave(&d->lock, flags);
	if (ddsnap_socket_alive(d, io->session))
		unlock_read(d, io);
	else
		r = redo(d, io, error);
	spin_unlock_irqrestore(&d->lock, flags);

	if (r == DM_ENDIO_INCOMPLETE)
		ddsnap_pump_soon(d);
	percpu_ref_put(&d->inflight);
	return r;
}

/* ---- answers: the receiver only ------------------------------------------------------------ */

static void to_place(struct ddsnap *d, const struct ddsnap_extent *extent, u64 chunk,
		     bool writable, struct ddsnap_place *place)
{
	place->kind = le32_to_cpu(extent->kind);
	place->sector = le64_to_cpu(extent->sector);
	place->sector += (chunk - le64_to_cpu(extent->first)) << ddsnap_chunk_sectors_shift(d);
	place->writable = writable;
}

/* One extent of an answer to a request for @first … @end - 1; 0 if it makes sense. */
static int check_extent(struct ddsnap *d, const struct ddsnap_extent *extent, u64 at, u64 end,
			bool writable)
{
	u64 sector = le64_to_cpu(extent->sector);
	u64 sectors = (u64)le32_to_cpu(extent->count) << ddsnap_chunk_sectors_shift(d);
	u64 device = bdev_nr_sectors(d->store->bdev);
	unsigned int block = bdev_logical_block_size(d->store->bdev) >> SECTOR_SHIFT;

	if (le64_to_cpu(extent->first) != at || !extent->count ||
	    le32_to_cpu(extent->count) > end - at)
		return -EPROTO;
	switch (le32_to_cpu(extent->kind)) {
	case DDSNAP_EXTENT_STORE:
		if (sector & (block - 1))
			return -EPROTO;
		return sectors > device || sector > device - sectors ? -EPROTO : 0;
	case DDSNAP_EXTENT_ZERO:
	case DDSNAP_EXTENT_ORIGIN:
		return writable ? -EPROTO : 0;
	default:
		return -EPROTO;
	}
}

/* Checks a whole answer; *@end is set to where it ends. */
static int check_extents(struct ddsnap *d, const struct ddsnap_extents *answer,
			 const struct ddsnap_slot *slot, u64 *end)
{
	const struct ddsnap_extent *extent = (const void *)(answer + 1);
	unsigned int i, n = le32_to_cpu(answer->extents);
	int r;

	if (!n || n > DDSNAP_MAX_EXTENTS)
		return -EPROTO;
	*end = slot->first;
	for (i = 0; i < n; i++) {
		r = check_extent(d, extent + i, *end, slot->first + slot->count,
				 slot->type == DDSNAP_SNAP_WRITE);
		if (r)
			return r;
		*end += le32_to_cpu(extent[i].count);
	}
	return 0;
}

static const struct ddsnap_extent *extent_of(const struct ddsnap_extents *answer, u64 chunk)
{
	const struct ddsnap_extent *extent = (const void *)(answer + 1);
	unsigned int i;

	for (i = 0; i < le32_to_cpu(answer->extents); i++, extent++)
		if (chunk < le64_to_cpu(extent->first) + le32_to_cpu(extent->count))
			return extent;
	return NULL;
}

/* Unanswered reads of what has just been made writable may get an answer of before. */
static void outdate_reads(struct ddsnap *d, u64 first, u64 end)
{
	struct ddsnap_slot *slot;

	list_for_each_entry(slot, &d->sent, node) {
		if (slot->type == DDSNAP_SNAP_READ && slot->first < end &&
		    first < slot->first + slot->count) {
			slot->closed = true;
			slot->no_cache = true;
		}
	}
}

static void remember(struct ddsnap *d, const struct ddsnap_extents *answer, bool writable)
{
	const struct ddsnap_extent *extent = (const void *)(answer + 1);
	unsigned int i;

	for (i = 0; i < le32_to_cpu(answer->extents); i++, extent++) {
		u64 chunk = le64_to_cpu(extent->first);
		u64 end = chunk + le32_to_cpu(extent->count);
		struct ddsnap_place place;

		for (; chunk < end; chunk++) {
			to_place(d, extent, chunk, writable, &place);
			if (place.kind == DDSNAP_EXTENT_ORIGIN)
				break;
			ddsnap_cache_put(&d->cache, chunk, &place);
		}
	}
}

/* Releases the bios that waited for an answer. Under lock. */
static void distribute(struct ddsnap *d, const struct ddsnap_extents *answer,
		       struct ddsnap_slot *slot, u64 end, struct ddsnap_batch *batch)
{
	bool writable = slot->type == DDSNAP_SNAP_WRITE;
	struct ddsnap_io *io, *next;
	LIST_HEAD(rest);

	list_for_each_entry_safe(io, next, &slot->waiters, node) {
		struct bio *bio = ddsnap_bio(io);
		u64 chunk = chunk_of(d, bio);
		struct ddsnap_place place;

		if (chunk >= end) {
			list_move_tail(&io->node, &rest);
			continue;
		}
		to_place(d, extent_of(answer, chunk), chunk, writable, &place);
		if (place.kind != DDSNAP_EXTENT_ZERO &&
		    (d->closed || !percpu_ref_tryget_live(&d->inflight))) {
			ddsnap_fail(d, io, BLK_STS_IOERR, batch);
			continue;
		}
		ddsnap_undefer(d, io);
		if (place.kind == DDSNAP_EXTENT_ORIGIN) {
			io->slot = slot;
			slot->readers++;
		}
		bio_list_add(direct(d, io, &place) ? &batch->submit : &batch->end, bio);
	}
	list_splice(&rest, &d->todo);
}

static bool has_origin_extent(const struct ddsnap_extents *answer)
{
	const struct ddsnap_extent *extent = (const void *)(answer + 1);
	unsigned int i;

	for (i = 0; i < le32_to_cpu(answer->extents); i++)
		if (le32_to_cpu(extent[i].kind) == DDSNAP_EXTENT_ORIGIN)
			return true;
	return false;
}

static void answered(struct ddsnap *d, const struct ddsnap_extents *answer,
		     struct ddsnap_slot *slot, u64 end, struct ddsnap_batch *batch)
{
	slot->sent = false;
	distribute(d, answer, slot, end, batch);
	if (!has_origin_extent(answer)) {
		ddsnap_slot_release(d, slot);
	} else if (slot->readers) {
		list_move_tail(&slot->node, &d->locked);
	} else {
		list_move_tail(&slot->node, &d->unlocking);
		ddsnap_kick_sender(d);
	}
}

static int extents_answer(struct ddsnap *d, const struct ddsnap_extents *answer)
{
	u32 status = le32_to_cpu(answer->status);
	bool writable, cache = false;
	struct ddsnap_batch batch;
	struct ddsnap_slot *slot;
	u64 first, end = 0;
	unsigned long flags;
	int r = -EPROTO;

	ddsnap_batch_init(&batch, d);
	/* Slots change under the receiver only, but for their waiters and readers. */
	spin_lock_irqsave(&d->lock, flags);
	slot = ddsnap_slot_find(d, le64_to_cpu(answer->header.id));
	if (slot && status != DDSNAP_OK) {
		ddsnap_slot_failed(d, slot, status, &batch);
		r = 0;
	} else if (slot) {
		r = check_extents(d, answer, slot, &end);
	}
	if (r || status != DDSNAP_OK)
		goto out;
	first = slot->first;
	writable = slot->type == DDSNAP_SNAP_WRITE;
	if (writable)
		outdate_reads(d, first, end);
	slot->closed = true;
	cache = (d->flags & DDSNAP_FLAG_MAY_CACHE) && !slot->no_cache;
	spin_unlock_irqrestore(&d->lock, flags);

	/* Before the bios go: what is written is read at its new place ever after. */
	if (cache)
		remember(d, answer, writable);

	spin_lock_irqsave(&d->lock, flags);
	answered(d, answer, slot, end, &batch);
out:
	spin_unlock_irqrestore(&d->lock, flags);
	ddsnap_batch_run(&batch);
	if (!r)
		ddsnap_pump(d);
	return r;
}

/* The length of an EXTENTS is that of as many extents as it says. */
static int receive_extents(struct ddsnap *d, const struct ddsnap_extents *answer)
{
	u32 bytes = le32_to_cpu(answer->header.length) - sizeof(*answer);
	u32 extents = le32_to_cpu(answer->extents);

	if (extents > DDSNAP_MAX_EXTENTS || extents * sizeof(struct ddsnap_extent) != bytes ||
	    (extents && le32_to_cpu(answer->status) != DDSNAP_OK))
		return -EPROTO;
	return extents_answer(d, answer);
}

static int snapshot_receive(struct ddsnap *d, const void *message, u16 type)
{
	switch (type) {
	case DDSNAP_EXTENTS:
		return receive_extents(d, message);
	case DDSNAP_INVALID:
		DMWARN("%s: snapshot %lld was squashed: all I/O on it fails from now on",
		       ddsnap_name(d), d->snapshot);
		ddsnap_set_reason(d, "squashed");
		ddsnap_invalidate(d, DDSNAP_SEND_INVALID_ACK);
		return 0;
	default:
		return -EPROTO;
	}
}

/* ---- sessions: the receiver only ------------------------------------------------------------ */

static void snapshot_welcome(struct ddsnap *d, u32 epoch, u32 state_flags)
{
	unsigned long flags;

	d->epoch = epoch;
	WRITE_ONCE(d->flags, state_flags);
	if (state_flags & DDSNAP_FLAG_SQUASHED) {
		ddsnap_set_reason(d, "squashed");
		ddsnap_invalidate(d, -1);
		return;
	}
	ddsnap_gate_open(d);
	spin_lock_irqsave(&d->lock, flags);
	d->invalid = false; /* it had only been refused, if anything */
	spin_unlock_irqrestore(&d->lock, flags);
}

static void snapshot_refused(struct ddsnap *d, u32 reason)
{
	if (reason == DDSNAP_ERR_SQUASHED || reason == DDSNAP_ERR_NO_SNAPSHOT)
		ddsnap_invalidate(d, -1);
}

/* All places at once: @count is not looked at. */
static unsigned long snapshot_forget(struct ddsnap *d, unsigned long count)
{
	unsigned long places = atomic_long_read(&d->cache.count);

	ddsnap_cache_drop(&d->cache);
	return places;
}

static void snapshot_lost(struct ddsnap *d)
{
	ddsnap_cache_drop(&d->cache);
}

/* ---- status --------------------------------------------------------------------------------- */

static unsigned long snapshot_known(const struct ddsnap *d)
{
	return atomic_long_read(&d->cache.count);
}

static void snapshot_letters(const struct ddsnap *d, char *letters)
{
	if (d->flags & DDSNAP_FLAG_MAY_CACHE)
		letters[3] = 'c';
}

const struct ddsnap_ops ddsnap_snapshot_ops = {
	.name = "snapshot",
	.role = DDSNAP_ROLE_SNAPSHOT,
	.features = DDSNAP_FEATURE_DRAINED,
	.uses_store = true,
	.map = ddsnap_snapshot_map,
	.end_io = ddsnap_snapshot_end_io,
	.ask = snapshot_ask,
	.welcome = snapshot_welcome,
	.refused = snapshot_refused,
	.receive = snapshot_receive,
	.lost = snapshot_lost,
	.forget = snapshot_forget,
	.known = snapshot_known,
	.letters = snapshot_letters,
};
