// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-origin.c - the origin device.
 *
 * Reads and flushes are remapped. A write is remapped if all of its chunks are granted in this
 * epoch, or if the volume has no snapshots in this epoch; else it is deferred until they are.
 * Writes are never split: a grant of several parts is collected in ddsnap_io.done.
 *
 * Discards never wait. They are advisory, so that the chunks which a snapshot may still need
 * are left alone and the rest is passed on.
 *
 * Invariant: the decision (flag or grants) and the write are made under one reference of
 * inflight; so no write decided in one epoch is issued in another. (kernel-barrier.test)
 */
#include "dm-ddsnap.h"

static void chunk_range(struct ddsnap *d, struct bio *bio, u64 *first, u64 *end)
{
	unsigned int shift = ddsnap_chunk_sectors_shift(d);
	sector_t sector = dm_target_offset(d->ti, bio->bi_iter.bi_sector);

	*first = sector >> shift;
	*end = ((sector + bio_sectors(bio) - 1) >> shift) + 1;
}

static void remap(struct ddsnap *d, struct bio *bio)
{
	bio_set_dev(bio, d->origin->bdev);
	bio->bi_iter.bi_sector = dm_target_offset(d->ti, bio->bi_iter.bi_sector);
}

/* The caller has a reference of inflight. */
static bool may_write(struct ddsnap *d, struct bio *bio)
{
	u64 first, end;
	bool granted;

	if (READ_ONCE(d->flags) & DDSNAP_FLAG_NO_SNAPSHOTS)
		return true;
	if (!READ_ONCE(d->chunk_shift))
		return false;
	chunk_range(d, bio, &first, &end);
	return ddsnap_grants_run(&d->grants, first, end, &granted) == end && granted;
}

static int map_write(struct ddsnap *d, struct bio *bio)
{
	if (percpu_ref_tryget_live(&d->inflight)) {
		if (may_write(d, bio)) {
			ddsnap_io(bio)->flags = DDSNAP_IO_REF;
			this_cpu_inc(d->cpu_stats->passed);
			remap(d, bio);
			return DM_MAPIO_REMAPPED;
		}
		percpu_ref_put(&d->inflight);
	}
	return ddsnap_defer(d, bio);
}

static int drop_discard(struct ddsnap *d, struct bio *bio)
{
	this_cpu_inc(d->cpu_stats->discards_dropped);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

/*
 * Invariant: what a snapshot needs is not discarded, what it does not need is.
 * (kernel-origin.test)
 */
static int map_discard(struct ddsnap *d, struct bio *bio)
{
	unsigned int shift;
	bool granted = true;
	sector_t sector;
	u64 first, end;

	if (!percpu_ref_tryget_live(&d->inflight))
		return drop_discard(d, bio);
	if (READ_ONCE(d->flags) & DDSNAP_FLAG_NO_SNAPSHOTS)
		goto pass;
	if (!READ_ONCE(d->chunk_shift)) {
		granted = false;
		goto drop;
	}
	chunk_range(d, bio, &first, &end);
	end = ddsnap_grants_run(&d->grants, first, end, &granted);
	shift = ddsnap_chunk_sectors_shift(d);
	sector = dm_target_offset(d->ti, bio->bi_iter.bi_sector);
	if (sector + bio_sectors(bio) > end << shift)
		dm_accept_partial_bio(bio, (end << shift) - sector);
	if (!granted)
		goto drop;
pass:
	ddsnap_io(bio)->flags = DDSNAP_IO_REF;
	remap(d, bio);
	return DM_MAPIO_REMAPPED;
drop:
	percpu_ref_put(&d->inflight);
	return drop_discard(d, bio);
}

int ddsnap_origin_map(struct ddsnap *d, struct bio *bio)
{
	struct ddsnap_io *io = ddsnap_io(bio);

	io->flags = 0;
	io->done = 0;
	/*
	 * Others may have the device open for writing since before it was loaded read-only. What they
	 * write would be in no barrier, as a daemon does not hold who cannot write.
	 */
	if (d->read_only && op_is_write(bio_op(bio)) && bio_sectors(bio))
		return DM_MAPIO_KILL;
	switch (bio_op(bio)) {
	case REQ_OP_DISCARD:
		return map_discard(d, bio);
	case REQ_OP_WRITE:
	case REQ_OP_WRITE_ZEROES:
	case REQ_OP_SECURE_ERASE:
		if (bio_sectors(bio))
			return map_write(d, bio);
		fallthrough; /* an empty flush */
	case REQ_OP_FLUSH:
	case REQ_OP_READ:
		remap(d, bio);
		return DM_MAPIO_REMAPPED;
	default:
		return DM_MAPIO_KILL;
	}
}

int ddsnap_origin_end_io(struct ddsnap *d, struct ddsnap_io *io, blk_status_t *error)
{
	if (io->flags & DDSNAP_IO_REF)
		percpu_ref_put(&d->inflight);
	return DM_ENDIO_DONE;
}

/* All of a deferred bio's chunks are granted: issue it, unless the gate is closed. */
static bool release(struct ddsnap *d, struct ddsnap_io *io, struct ddsnap_batch *batch)
{
	struct bio *bio = ddsnap_bio(io);

	if (d->closed || !percpu_ref_tryget_live(&d->inflight))
		return false;
	ddsnap_undefer(d, io);
	io->flags |= DDSNAP_IO_REF;
	remap(d, bio);
	bio_list_add(&batch->submit, bio);
	return true;
}

static enum ddsnap_asked origin_ask(struct ddsnap *d, struct ddsnap_io *io,
				    struct ddsnap_batch *batch)
{
	u64 first, end, next;
	bool granted;

	chunk_range(d, ddsnap_bio(io), &first, &end);
	next = first + io->done;
	if (next < end) {
		u64 stop = ddsnap_grants_run(&d->grants, next, end, &granted);

		if (granted)
			next = stop;
		io->done = next - first;
	}
	if (next == end || (d->flags & DDSNAP_FLAG_NO_SNAPSHOTS))
		return release(d, io, batch) ? DDSNAP_READY : DDSNAP_STUCK;
	return ddsnap_join(d, io, DDSNAP_WRITE, next, end) ? DDSNAP_ASKED : DDSNAP_STUCK;
}

/*
 * The bios that waited for a grant are released by what it says, not through the map, which
 * may have had no memory for it.
 */
static void granted(struct ddsnap *d, struct ddsnap_slot *slot, u64 grant_end,
		    struct ddsnap_batch *batch)
{
	struct ddsnap_io *io, *next;
	LIST_HEAD(rest);

	list_for_each_entry_safe(io, next, &slot->waiters, node) {
		u64 first, end;

		chunk_range(d, ddsnap_bio(io), &first, &end);
		io->done = max_t(u64, first + io->done, min(end, grant_end)) - first;
		if (first + io->done < end || !release(d, io, batch))
			list_move_tail(&io->node, &rest);
	}
	list_splice(&rest, &d->todo);
	ddsnap_slot_release(d, slot);
}

static int grant_answers(struct ddsnap *d, u64 id, u64 first, u64 end, u32 status)
{
	struct ddsnap_batch batch;
	struct ddsnap_slot *slot;
	unsigned long flags;
	int r = 0;

	ddsnap_batch_init(&batch, d);
	spin_lock_irqsave(&d->lock, flags);
	slot = ddsnap_slot_find(d, id);
	if (!slot)
		r = -EPROTO;
	else if (status != DDSNAP_OK)
		ddsnap_slot_failed(d, slot, status, &batch);
	else if (first > slot->first || end < slot->first + slot->count)
		r = -EPROTO;
	else
		granted(d, slot, end, &batch);
	spin_unlock_irqrestore(&d->lock, flags);

	ddsnap_batch_run(&batch);
	return r;
}

static int receive_grant(struct ddsnap *d, const struct ddsnap_grant *grant)
{
	u64 first = le64_to_cpu(grant->first);
	u64 end = first + le32_to_cpu(grant->count);
	u64 chunks = ((d->ti->len - 1) >> ddsnap_chunk_sectors_shift(d)) + 1;
	u32 status = le32_to_cpu(grant->status);
	u64 id = le64_to_cpu(grant->header.id);
	int r = 0;

	if (le32_to_cpu(grant->epoch) != d->epoch)
		return 0; /* overtaken by a RESUME or a WELCOME */
	if (status == DDSNAP_OK && (end <= first || first >= chunks))
		return -EPROTO;
	if (id)
		r = grant_answers(d, id, first, end, status);
	if (r)
		return r;
	if (status == DDSNAP_OK)
		ddsnap_grants_add(&d->grants, first, min(end, chunks));
	ddsnap_pump(d);
	return 0;
}

/* ---- answers and epochs: the receiver only ---------------------------------------------- */

static int receive_hold(struct ddsnap *d, const struct ddsnap_epoch *hold)
{
	if (d->closed || le32_to_cpu(hold->epoch) != d->epoch)
		return -EPROTO;
	ddsnap_gate_close(d, DDSNAP_SEND_HELD);
	return 0;
}

/* The gate is closed and drained, or nothing was ever granted. */
static void set_epoch(struct ddsnap *d, u32 epoch, u32 state_flags)
{
	struct ddsnap_io *io;
	unsigned long flags;

	ddsnap_grants_drop(&d->grants, ULONG_MAX);
	spin_lock_irqsave(&d->lock, flags);
	ddsnap_forget_requests(d);
	list_for_each_entry(io, &d->todo, node)
		io->done = 0;
	d->epoch = epoch;
	d->has_epoch = true;
	WRITE_ONCE(d->flags, state_flags);
	spin_unlock_irqrestore(&d->lock, flags);
}

static int receive_resume(struct ddsnap *d, const struct ddsnap_epoch *resume)
{
	u32 epoch = le32_to_cpu(resume->epoch);
	u32 state_flags = le32_to_cpu(resume->flags);

	if (!d->closed)
		return -EPROTO;
	ddsnap_gate_wait(d);
	if (epoch != d->epoch)
		set_epoch(d, epoch, state_flags);
	else
		WRITE_ONCE(d->flags, state_flags);
	ddsnap_gate_open(d);
	ddsnap_pump(d);
	return 0;
}

static int receive_state(struct ddsnap *d, const struct ddsnap_epoch *state)
{
	if (le32_to_cpu(state->epoch) != d->epoch)
		return -EPROTO;
	WRITE_ONCE(d->flags, le32_to_cpu(state->flags));
	ddsnap_pump(d);
	return 0;
}

static int origin_receive(struct ddsnap *d, const void *message, u16 type)
{
	switch (type) {
	case DDSNAP_GRANT:
		return receive_grant(d, message);
	case DDSNAP_HOLD:
		return receive_hold(d, message);
	case DDSNAP_RESUME:
		return receive_resume(d, message);
	case DDSNAP_STATE:
		return receive_state(d, message);
	default:
		return -EPROTO;
	}
}

/* What a WELCOME says of the time in which we were not connected. */
static void origin_welcome(struct ddsnap *d, u32 epoch, u32 state_flags)
{
	if (!d->has_epoch) {
		set_epoch(d, epoch, state_flags);
	} else if (d->epoch != epoch) {
		if (!d->closed)
			ddsnap_gate_close(d, -1);
		ddsnap_gate_wait(d);
		set_epoch(d, epoch, state_flags);
	} else {
		WRITE_ONCE(d->flags, state_flags);
	}
	ddsnap_gate_open(d);
}

static unsigned long origin_forget(struct ddsnap *d, unsigned long count)
{
	return ddsnap_grants_drop(&d->grants, count);
}

/* ---- status ---------------------------------------------------------------------------- */

static unsigned long origin_known(const struct ddsnap *d)
{
	return READ_ONCE(d->grants.chunks);
}

static void origin_letters(const struct ddsnap *d, char *letters)
{
	if (d->flags & DDSNAP_FLAG_NO_SNAPSHOTS)
		letters[0] = 'n';
	if (d->closed)
		letters[1] = 'h';
}

/* Not .lost: grants outlive the session. */
const struct ddsnap_ops ddsnap_origin_ops = {
	.name = "origin",
	.role = DDSNAP_ROLE_ORIGIN,
	.discards = true,
	.within_origin = true,
	.map = ddsnap_origin_map,
	.end_io = ddsnap_origin_end_io,
	.ask = origin_ask,
	.welcome = origin_welcome,
	.receive = origin_receive,
	.forget = origin_forget,
	.known = origin_known,
	.letters = origin_letters,
};
