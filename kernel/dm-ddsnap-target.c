// SPDX-License-Identifier: GPL-2.0
/*
 * dm-ddsnap - snapshots decided by a daemon: the origin and snapshot devices.
 *
 * ddsnapd owns the snapshot store: it copies a chunk of the origin there before its first
 * overwrite after a snapshot, and knows where each snapshot's chunks are. This target asks it
 * as seldom as possible, over one Unix socket a device (ddsnap-protocol.h), and moves the data
 * itself.
 *
 * The life of a bio
 * -----------------
 *
 *  origin read, flush    remapped to the origin.
 *  origin write          map(): takes a reference of `inflight`; if the volume has no snapshots
 *                        or all of its chunks are granted, remapped; end_io() drops the
 *                        reference. Nothing shared with other CPUs is written on this path.
 *                        Else deferred: todo -> (pump) a slot's waiters -> (sender) WRITE ->
 *                        (receiver) GRANT -> issued, or back to todo for the rest.
 *  origin discard        granted runs are passed on, others are completed and not done.
 *  snapshot read, write  clipped to a chunk; remapped if its place is in the cache; else
 *                        deferred as above with SNAP_READ or SNAP_WRITE -> EXTENTS. end_io()
 *                        believes it if the session still stands, and unlocks what it read
 *                        from the origin; else does it again.
 *  snapshot flush        remapped to the store.
 *
 * The crash cases
 * ---------------
 *
 *  The daemon dies.      Grants stay good: it may not take a snapshot before it has reached us
 *                        again, so granted writes go on. What is deferred waits, and is asked
 *                        again after the reconnect (requests are idempotent). Extents and read
 *                        locks end with the session: see ddsnap-snapshot.c.
 *  ... between HOLD      The gate stays closed until the next WELCOME: its epoch tells whether
 *      and RESUME        the snapshot was made.
 *  ... and a snapshot    Not possible while we hold grants. If the WELCOME nevertheless tells
 *      is taken          another epoch (forced), we drain, drop all grants, and ask again.
 *  We go away.           Suspend says BYE when nothing is in flight and no grant is kept. A
 *                        reloaded table is thereby a new client, after the old one has left.
 *                        If nobody answers the BYE for two seconds, we leave without; the
 *                        daemon then finds out by itself that the device is gone.
 *  The power fails.      A grant is given after copy and record are durable, so that a write
 *                        that was issued is one that no snapshot needs to survive.
 *  The daemon talks      The message is refused before it is used, the session ends, and a new
 *      nonsense          one is tried a second later.
 *
 * Locks
 * -----
 *
 *  tx_mutex -> sock_mutex -> lock (spinlock, irq-safe: end_io takes it)
 *
 *  `lock` guards deferred bios, slots, session state and counters. It is not taken for granted
 *  origin writes. Not under `lock`: anything of the xarrays but lookups (their locks are not
 *  irq-safe), dropping a reference of inflight (the last one calls back), submitting and
 *  ending bios (gathered in a struct ddsnap_batch).
 *  The gate, the epoch and the session change in the receiver's thread alone, or in the
 *  suspending one while the receiver is known to be idle.
 */
#include <linux/indirect_call_wrapper.h>
#include <linux/module.h>

#include "dm-ddsnap.h"

/*
 * The next two run for every bio. Device-mapper has one map() and one end_io() for all devices of
 * a target, so that it cannot tell origin from snapshot for us. Where an indirect call goes
 * through a retpoline, which nothing predicts, INDIRECT_CALL_2() compares and calls directly: a
 * branch that is predicted, as a granted write does little else. Elsewhere it is an indirect call.
 */
static int ddsnap_map(struct dm_target *ti, struct bio *bio)
{
	struct ddsnap *d = ti->private;

	return INDIRECT_CALL_2(d->ops->map, ddsnap_origin_map, ddsnap_snapshot_map, d, bio);
}

static int ddsnap_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct ddsnap *d = ti->private;
	struct ddsnap_io *io = ddsnap_io(bio);

	if (io->flags & DDSNAP_IO_REQUEUE)
		return DM_ENDIO_REQUEUE;
	return INDIRECT_CALL_2(d->ops->end_io, ddsnap_origin_end_io, ddsnap_snapshot_end_io, d, io,
			       error);
}

/*
 * From here on nobody may be left waiting for a daemon that is not there: neither deferred
 * bios nor throttled submitters.
 */
static void ddsnap_presuspend(struct dm_target *ti)
{
	struct ddsnap *d = ti->private;
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	d->suspending = true;
	spin_unlock_irqrestore(&d->lock, flags);
	wake_up_all(&d->throttled);
	ddsnap_let_go(d);
}

static void ddsnap_presuspend_undo(struct dm_target *ti)
{
	struct ddsnap *d = ti->private;
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	d->suspending = false;
	spin_unlock_irqrestore(&d->lock, flags);
}

static void ddsnap_postsuspend(struct dm_target *ti)
{
	ddsnap_stop(ti->private);
}

static void ddsnap_resume(struct dm_target *ti)
{
	ddsnap_start(ti->private);
}

static int ddsnap_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			  unsigned int maxlen)
{
	struct ddsnap *d = ti->private;
	unsigned long flags;
	bool fail;

	if (argc == 1 && !strcasecmp(argv[0], "fail_if_no_server")) {
		fail = true;
	} else if (argc == 1 && !strcasecmp(argv[0], "queue_if_no_server")) {
		fail = false;
	} else {
		DMWARN("unrecognised message");
		return -EINVAL;
	}
	spin_lock_irqsave(&d->lock, flags);
	d->fail_if_no_server = fail;
	spin_unlock_irqrestore(&d->lock, flags);
	ddsnap_let_go(d);
	return 0;
}

static int ddsnap_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct ddsnap *d = ti->private;
	sector_t origin_len = min(ti->len, bdev_nr_sectors(d->origin->bdev));
	int r = fn(ti, d->origin, 0, origin_len, data);

	if (!r && d->ops->uses_store)
		r = fn(ti, d->store, 0, bdev_nr_sectors(d->store->bdev), data);
	return r;
}

static struct target_type ddsnap_target = {
	.name = "ddsnap",
	.features = DM_TARGET_SINGLETON,
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.ctr = ddsnap_ctr,
	.dtr = ddsnap_dtr,
	.map = ddsnap_map,
	.end_io = ddsnap_end_io,
	.presuspend = ddsnap_presuspend,
	.presuspend_undo = ddsnap_presuspend_undo,
	.postsuspend = ddsnap_postsuspend,
	.resume = ddsnap_resume,
	.status = ddsnap_status,
	.message = ddsnap_message,
	.iterate_devices = ddsnap_iterate_devices,
};

static int __init ddsnap_init(void)
{
	int r = ddsnap_grants_module_init();

	if (r)
		return r;
	r = ddsnap_queue_module_init();
	if (r)
		goto bad_queue;
	r = dm_register_target(&ddsnap_target);
	if (r)
		goto bad_target;
	return 0;

bad_target:
	ddsnap_queue_module_exit();
bad_queue:
	ddsnap_grants_module_exit();
	return r;
}

static void __exit ddsnap_exit(void)
{
	dm_unregister_target(&ddsnap_target);
	ddsnap_queue_module_exit();
	ddsnap_grants_module_exit();
}

module_init(ddsnap_init);
module_exit(ddsnap_exit);

MODULE_DESCRIPTION(DM_NAME " snapshots decided by a daemon");
MODULE_LICENSE("GPL");
