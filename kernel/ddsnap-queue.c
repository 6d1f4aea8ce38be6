// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-queue.c - bios that wait for the daemon, and the requests they wait for.
 *
 * A deferred bio is on ddsnap.todo, or among the waiters of one slot. ddsnap_pump() takes bios
 * from todo in order and finds each a slot: one that already asks for its first missing chunk,
 * the last unsent one made longer, or a fresh one as long as credits last. The sender sends
 * slots, the receiver answers them: its bios are then released, or return to todo for the rest
 * of their range.
 *
 * Nothing is allocated: links are in per-bio data, slots are made with the device. What bounds
 * the bios is that submitters wait in ddsnap_defer() beyond deferred_limit_kb.
 *
 * Invariant: a bio waits here only while someone will come for it: the receiver (answer, end of
 * session, reconnect), or ddsnap_let_go() when device-mapper suspends. (kernel-suspend.test)
 */
#include <linux/moduleparam.h>

#include "dm-ddsnap.h"

static unsigned int deferred_limit_kb = 32 << 10;
module_param(deferred_limit_kb, uint, 0644);
MODULE_PARM_DESC(deferred_limit_kb,
		 "KiB of deferred bios, 1 for each and its data, per device beyond which submitters wait (32768)");

static unsigned int suspend_grace_ms = 5000;
module_param(suspend_grace_ms, uint, 0644);
MODULE_PARM_DESC(suspend_grace_ms,
		 "ms without a daemon after which a suspend with flush fails deferred I/O (5000)");

/* Pumps of all devices. */
static struct workqueue_struct *pump_wq;

int ddsnap_queue_module_init(void)
{
	/*
	 * Unbound: the pump has nothing of the CPU that queued it, may submit for long, and is often
	 * queued by an interrupt, whose CPU has enough to do. All kernels know it; those of 7.3 warn
	 * of a workqueue that does not say.
	 */
	pump_wq = alloc_workqueue("ddsnap", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return pump_wq ? 0 : -ENOMEM;
}

void ddsnap_queue_module_exit(void)
{
	destroy_workqueue(pump_wq);
}

/* ---- what is decided under lock and done when it has been let go -------------------------- */

void ddsnap_batch_init(struct ddsnap_batch *batch, struct ddsnap *d)
{
	batch->d = d;
	batch->failed_status = DDSNAP_OK;
	bio_list_init(&batch->submit);
	bio_list_init(&batch->end);
}

void ddsnap_batch_run(struct ddsnap_batch *batch)
{
	struct bio *bio;

	if (batch->failed_status != DDSNAP_OK)
		DMERR_LIMIT("%s: the daemon failed a request for %u chunks at %llu: status %u",
			    ddsnap_name(batch->d),
			    batch->failed_count, batch->failed_first, batch->failed_status);
	while ((bio = bio_list_pop(&batch->submit)))
		dm_submit_bio_remap(bio, NULL);
	while ((bio = bio_list_pop(&batch->end))) {
		if (!bio->bi_status)
			zero_fill_bio(bio);
		bio_endio(bio);
	}
}

/* ---- deferring ------------------------------------------------------------------------ */

enum ddsnap_verdict ddsnap_verdict(struct ddsnap *d)
{
	unsigned long grace = msecs_to_jiffies(READ_ONCE(suspend_grace_ms));

	lockdep_assert_held(&d->lock);
	if (d->invalid)
		return DDSNAP_FAIL;
	if (d->suspending && dm_noflush_suspending(d->ti))
		return DDSNAP_REQUEUE;
	if (d->state == DDSNAP_SESSION_OPEN)
		return DDSNAP_WAIT;
	if (d->fail_if_no_server && d->state != DDSNAP_SESSION_STARTING)
		return DDSNAP_FAIL;
	/* A suspend with flush would wait for ever for bios that nobody can decide on. */
	if (d->suspending && time_after(jiffies, d->down_since + grace))
		return DDSNAP_FAIL;
	return DDSNAP_WAIT;
}

void ddsnap_enqueue(struct ddsnap *d, struct ddsnap_io *io)
{
	struct bio *bio = ddsnap_bio(io);

	lockdep_assert_held(&d->lock);
	io->bytes = bio_has_data(bio) ? bio->bi_iter.bi_size : 0;
	d->deferred_bios++;
	d->deferred_bytes += io->bytes;
	d->stats.deferred++;
	list_add_tail(&io->node, &d->todo);
}

/* Takes a bio off the list that it is on, for good. */
void ddsnap_undefer(struct ddsnap *d, struct ddsnap_io *io)
{
	lockdep_assert_held(&d->lock);
	list_del(&io->node);
	d->deferred_bios--;
	d->deferred_bytes -= io->bytes;
	/* A waiter queues itself before it looks, under the lock that we hold: none is missed. */
	if (waitqueue_active(&d->throttled))
		wake_up_all(&d->throttled);
}

void ddsnap_fail(struct ddsnap *d, struct ddsnap_io *io, blk_status_t status,
		 struct ddsnap_batch *batch)
{
	struct bio *bio = ddsnap_bio(io);

	ddsnap_undefer(d, io);
	bio->bi_status = status;
	bio_list_add(&batch->end, bio);
}

static bool may_defer(struct ddsnap *d, unsigned int bytes)
{
	size_t limit = (size_t)READ_ONCE(deferred_limit_kb) << 10;
	unsigned long flags;
	size_t charged;
	bool may;

	spin_lock_irqsave(&d->lock, flags);
	charged = d->deferred_bytes + (size_t)d->deferred_bios * DDSNAP_BIO_BYTES;
	may = !charged || charged + DDSNAP_BIO_BYTES + bytes <= limit || d->suspending ||
	      ddsnap_verdict(d) != DDSNAP_WAIT;
	spin_unlock_irqrestore(&d->lock, flags);
	return may;
}

/*
 * From map(), with no reference of inflight. A suspending device-mapper waits until all have
 * left map(), so that presuspend wakes those throttled.
 */
int ddsnap_defer(struct ddsnap *d, struct bio *bio)
{
	struct ddsnap_io *io = ddsnap_io(bio);
	enum ddsnap_verdict verdict;
	unsigned long flags;

	wait_event_idle(d->throttled,
			may_defer(d, bio_has_data(bio) ? bio->bi_iter.bi_size : 0));

	spin_lock_irqsave(&d->lock, flags);
	verdict = ddsnap_verdict(d);
	if (verdict == DDSNAP_WAIT)
		ddsnap_enqueue(d, io);
	spin_unlock_irqrestore(&d->lock, flags);

	switch (verdict) {
	case DDSNAP_REQUEUE:
		return DM_MAPIO_REQUEUE;
	case DDSNAP_FAIL:
		return DM_MAPIO_KILL;
	default:
		ddsnap_pump(d);
		return DM_MAPIO_SUBMITTED;
	}
}

/* Ends all deferred bios, if nobody is going to decide on them. */
void ddsnap_let_go(struct ddsnap *d)
{
	struct ddsnap_io *io, *next;
	struct ddsnap_slot *slot;
	struct ddsnap_batch batch;
	enum ddsnap_verdict verdict;
	LIST_HEAD(all);
	unsigned long flags;

	ddsnap_batch_init(&batch, d);
	spin_lock_irqsave(&d->lock, flags);
	verdict = ddsnap_verdict(d);
	if (verdict != DDSNAP_WAIT) {
		list_for_each_entry(slot, &d->sent, node)
			list_splice_tail_init(&slot->waiters, &all);
		list_for_each_entry(slot, &d->unsent, node)
			list_splice_tail_init(&slot->waiters, &all);
		list_splice_tail_init(&d->todo, &all);
	}
	list_for_each_entry_safe(io, next, &all, node) {
		if (verdict == DDSNAP_REQUEUE)
			io->flags |= DDSNAP_IO_REQUEUE;
		ddsnap_fail(d, io, BLK_STS_IOERR, &batch);
	}
	spin_unlock_irqrestore(&d->lock, flags);

	wake_up_all(&d->throttled);
	ddsnap_batch_run(&batch);
}

/* ---- requests ------------------------------------------------------------------------- */

static struct ddsnap_slot *slot_take(struct ddsnap *d, u16 type, u64 first, u64 end)
{
	struct ddsnap_slot *slot = list_first_entry_or_null(&d->idle, struct ddsnap_slot, node);

	if (!slot)
		return NULL;
	slot->id = (++d->last_id << DDSNAP_SLOT_BITS) | (slot - d->slots);
	slot->first = first;
	slot->count = end - first;
	slot->bios = 0;
	slot->readers = 0;
	slot->type = type;
	slot->sent = false;
	slot->closed = false;
	slot->no_cache = false;
	list_move_tail(&slot->node, &d->unsent);
	return slot;
}

void ddsnap_slot_release(struct ddsnap *d, struct ddsnap_slot *slot)
{
	lockdep_assert_held(&d->lock);
	WARN_ON_ONCE(!list_empty(&slot->waiters));
	slot->id = 0;
	slot->sent = false;
	list_move(&slot->node, &d->idle);
}

/* The unanswered request for chunk @first, if any; else *@end is cut where the next begins. */
static struct ddsnap_slot *slot_covering(struct list_head *slots, u16 type, u64 first, u64 *end)
{
	struct ddsnap_slot *slot;

	list_for_each_entry(slot, slots, node) {
		if (slot->type != type || slot->closed)
			continue;
		if (slot->first <= first && first < slot->first + slot->count)
			return slot;
		if (slot->first > first)
			*end = min(*end, slot->first);
	}
	return NULL;
}

/* Makes the last unsent request longer, if @first is where it ends. */
static struct ddsnap_slot *slot_extend(struct ddsnap *d, u16 type, u64 first, u64 end)
{
	struct ddsnap_slot *slot;

	if (list_empty(&d->unsent))
		return NULL;
	slot = list_last_entry(&d->unsent, struct ddsnap_slot, node);
	if (slot->type != type || slot->closed || slot->first + slot->count != first ||
	    slot->count >= d->max_range)
		return NULL;
	slot->count += min_t(u64, end - first, d->max_range - slot->count);
	return slot;
}

/*
 * Finds or makes the request that covers chunk @first, and as much of the chunks up to @end as
 * one request can. The bio becomes a waiter of it. NULL: out of credits.
 */
struct ddsnap_slot *ddsnap_join(struct ddsnap *d, struct ddsnap_io *io, u16 type, u64 first,
				u64 end)
{
	struct ddsnap_slot *slot = NULL;

	lockdep_assert_held(&d->lock);
	end = min(end, first + d->max_range);
	if (!(io->flags & DDSNAP_IO_ALONE)) {
		slot = slot_covering(&d->unsent, type, first, &end);
		if (!slot)
			slot = slot_covering(&d->sent, type, first, &end);
		if (!slot)
			slot = slot_extend(d, type, first, end);
	}
	if (!slot) {
		slot = slot_take(d, type, first, end);
		if (!slot)
			return NULL;
		slot->closed = io->flags & DDSNAP_IO_ALONE;
	}
	slot->bios++;
	list_move_tail(&io->node, &slot->waiters);
	return slot;
}

/* The request that an answer is for; NULL if there is no such unanswered request. */
struct ddsnap_slot *ddsnap_slot_find(struct ddsnap *d, u64 id)
{
	struct ddsnap_slot *slot = &d->slots[id & (DDSNAP_SLOTS - 1)];

	lockdep_assert_held(&d->lock);
	return id && slot->id == id && slot->sent ? slot : NULL;
}

static blk_status_t to_blk_status(u32 status)
{
	return status == DDSNAP_ERR_NO_SPACE ? BLK_STS_NOSPC : BLK_STS_IOERR;
}

/*
 * The daemon could not do it. Which chunk it was is not said, so that of a request made for
 * several bios each is asked for alone: one bad chunk must not fail its neighbours.
 */
void ddsnap_slot_failed(struct ddsnap *d, struct ddsnap_slot *slot, u32 status,
			struct ddsnap_batch *batch)
{
	struct ddsnap_io *io, *next;

	batch->failed_first = slot->first;
	batch->failed_count = slot->count;
	batch->failed_status = status;
	list_for_each_entry_safe(io, next, &slot->waiters, node) {
		if (slot->bios > 1) {
			io->flags |= DDSNAP_IO_ALONE;
			list_move_tail(&io->node, &d->todo);
		} else {
			ddsnap_fail(d, io, to_blk_status(status), batch);
		}
	}
	ddsnap_slot_release(d, slot);
}

void ddsnap_slots_open(struct ddsnap *d, unsigned int credits)
{
	unsigned int i;

	lockdep_assert_held(&d->lock);
	for (i = 0; i < min(credits, DDSNAP_SLOTS); i++)
		list_move_tail(&d->slots[i].node, &d->idle);
}

static void requests_to_todo(struct ddsnap *d)
{
	struct ddsnap_slot *slot;

	list_for_each_entry_reverse(slot, &d->unsent, node)
		list_splice_init(&slot->waiters, &d->todo);
	list_for_each_entry_reverse(slot, &d->sent, node)
		list_splice_init(&slot->waiters, &d->todo);
}

/* The session is over: whoever waits for an answer asks again in the next one. */
void ddsnap_slots_drop(struct ddsnap *d)
{
	unsigned int i;

	lockdep_assert_held(&d->lock);
	requests_to_todo(d);
	for (i = 0; i < DDSNAP_SLOTS; i++) {
		d->slots[i].id = 0;
		d->slots[i].sent = false;
		list_del_init(&d->slots[i].node);
	}
}

/* The epoch is over: the daemon answers none of the WRITEs it has. */
void ddsnap_forget_requests(struct ddsnap *d)
{
	struct ddsnap_slot *slot, *next;

	lockdep_assert_held(&d->lock);
	requests_to_todo(d);
	list_for_each_entry_safe(slot, next, &d->unsent, node)
		ddsnap_slot_release(d, slot);
	list_for_each_entry_safe(slot, next, &d->sent, node)
		ddsnap_slot_release(d, slot);
}

/* ---- the pump --------------------------------------------------------------------------- */

/* Makes requests for deferred bios, releases those that need none any more. */
void ddsnap_pump(struct ddsnap *d)
{
	enum ddsnap_asked asked = DDSNAP_ASKED;
	struct ddsnap_batch batch;
	struct ddsnap_io *io;
	unsigned long flags;
	bool kick;

	ddsnap_batch_init(&batch, d);
	spin_lock_irqsave(&d->lock, flags);
	while (d->state == DDSNAP_SESSION_OPEN && !d->closed && !list_empty(&d->todo) &&
	       asked != DDSNAP_STUCK) {
		io = list_first_entry(&d->todo, struct ddsnap_io, node);
		asked = d->ops->ask(d, io, &batch);
	}
	kick = !list_empty(&d->unsent);
	spin_unlock_irqrestore(&d->lock, flags);

	if (kick)
		ddsnap_kick_sender(d);
	ddsnap_batch_run(&batch);
}

static void pump_work(struct work_struct *work)
{
	ddsnap_pump(container_of(work, struct ddsnap, pump_work));
}

/* For those who cannot submit bios where they are. */
void ddsnap_pump_soon(struct ddsnap *d)
{
	queue_work(pump_wq, &d->pump_work);
}

void ddsnap_queue_init(struct ddsnap *d)
{
	init_waitqueue_head(&d->throttled);
	INIT_LIST_HEAD(&d->todo);
	INIT_LIST_HEAD(&d->idle);
	INIT_LIST_HEAD(&d->unsent);
	INIT_LIST_HEAD(&d->sent);
	INIT_LIST_HEAD(&d->locked);
	INIT_LIST_HEAD(&d->unlocking);
	INIT_WORK(&d->pump_work, pump_work);
}
