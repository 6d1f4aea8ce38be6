// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-table.c - the constructor and the destructor.
 *
 *   <start> <len> ddsnap <snapshot store> <origin> <socket> <snapshot id | -1>
 *                        [<#features> queue_if_no_server | fail_if_no_server ...]
 */
#include <linux/blkdev.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "dm-ddsnap.h"

/*
 * The smallest chunk there is, and what the store is read and written in. From Linux 6.15 on,
 * devices may have larger blocks.
 */
#define DDSNAP_LARGEST_BLOCK 4096u

static int parse_features(struct ddsnap *d, struct dm_arg_set *args)
{
	static const struct dm_arg max = { 0, 2, "Invalid number of feature arguments" };
	struct dm_target *ti = d->ti;
	unsigned int i, count;
	int r;

	if (!args->argc)
		return 0;
	r = dm_read_arg_group(&max, args, &count, &ti->error);
	if (r)
		return r;
	if (args->argc != count) {
		ti->error = "Too many arguments";
		return -EINVAL;
	}
	for (i = 0; i < count; i++) {
		const char *feature = dm_shift_arg(args);

		if (!strcasecmp(feature, "fail_if_no_server")) {
			d->fail_if_no_server = true;
		} else if (!strcasecmp(feature, "queue_if_no_server")) {
			d->fail_if_no_server = false;
		} else {
			ti->error = "Unrecognised feature argument";
			return -EINVAL;
		}
	}
	return 0;
}

/*
 * The table shows the path as it is, and whoever loads that again must get the same: libdevmapper
 * cannot quote a space, and doubles backslashes.
 */
static bool is_one_word(const char *path)
{
	for (; *path; path++)
		if (*path <= ' ' || *path > '~' || *path == '\\')
			return false;
	return true;
}

static int parse_words(struct ddsnap *d, const char *socket, const char *snapshot)
{
	struct dm_target *ti = d->ti;

	if (socket[0] != '/' || strscpy(d->socket_path, socket, sizeof(d->socket_path)) < 0) {
		ti->error = "The socket must be an absolute path of at most 107 bytes";
		return -EINVAL;
	}
	if (!is_one_word(socket)) {
		ti->error = "The socket's path must be of ASCII, without spaces and backslashes";
		return -EINVAL;
	}
	if (kstrtos64(snapshot, 10, &d->snapshot) || d->snapshot < -1) {
		ti->error = "Invalid snapshot number (-1 is the origin)";
		return -EINVAL;
	}
	d->ops = d->snapshot == -1 ? &ddsnap_origin_ops : &ddsnap_snapshot_ops;
	d->read_only = !(dm_table_get_mode(ti->table) & DDSNAP_MODE_WRITE);
	return 0;
}

static int get_devices(struct ddsnap *d, const char *store, const char *origin)
{
	struct dm_target *ti = d->ti;
	int r;

	r = dm_get_device(ti, store, dm_table_get_mode(ti->table), &d->store);
	if (r) {
		ti->error = "Cannot get the snapshot store device";
		return r;
	}
	r = dm_get_device(ti, origin, dm_table_get_mode(ti->table), &d->origin);
	if (r) {
		ti->error = "Cannot get the origin device";
		return r;
	}
	if (d->origin->bdev == d->store->bdev) {
		ti->error = "The origin and the snapshot store are the same device";
		return -EINVAL;
	}
	if (bdev_is_zoned(d->origin->bdev) || bdev_is_zoned(d->store->bdev)) {
		ti->error = "Zoned devices are not supported";
		return -EINVAL;
	}
	if (bdev_logical_block_size(d->origin->bdev) > DDSNAP_LARGEST_BLOCK ||
	    bdev_logical_block_size(d->store->bdev) > DDSNAP_LARGEST_BLOCK) {
		ti->error = "Devices with logical blocks over 4096 bytes are not supported";
		return -EINVAL;
	}
	if (d->ops->within_origin && ti->len > bdev_nr_sectors(d->origin->bdev)) {
		ti->error = "The target is larger than the origin";
		return -EINVAL;
	}
	return 0;
}

static void init_state(struct ddsnap *d)
{
	spin_lock_init(&d->lock);
	mutex_init(&d->tx_mutex);
	mutex_init(&d->sock_mutex);
	init_waitqueue_head(&d->receiver_wait);
	init_waitqueue_head(&d->sender_wait);
	init_waitqueue_head(&d->idle_wait);
	ddsnap_queue_init(d);
	ddsnap_grants_init(&d->grants);
	ddsnap_cache_init(&d->cache);
	get_random_bytes(d->client, sizeof(d->client));
}

static int alloc_memory(struct ddsnap *d)
{
	unsigned int i;

	d->cpu_stats = alloc_percpu(struct ddsnap_cpu_stats);
	d->slots = kcalloc(DDSNAP_SLOTS, sizeof(*d->slots), GFP_KERNEL);
	d->rx_buffer = kmalloc(DDSNAP_RX_BYTES, GFP_KERNEL);
	d->tx_buffer = kmalloc(DDSNAP_MAX_MESSAGE, GFP_KERNEL);
	if (!d->cpu_stats || !d->slots || !d->rx_buffer || !d->tx_buffer)
		return -ENOMEM;
	for (i = 0; i < DDSNAP_SLOTS; i++) {
		INIT_LIST_HEAD(&d->slots[i].node);
		INIT_LIST_HEAD(&d->slots[i].waiters);
	}
	return 0;
}

static void free_memory(struct ddsnap *d)
{
	kfree(d->tx_buffer);
	kfree(d->rx_buffer);
	kfree(d->slots);
	free_percpu(d->cpu_stats);
}

/* ---- memory pressure ---------------------------------------------------------------------- */

static struct ddsnap *shrunk(struct shrinker *shrinker)
{
	return container_of(to_ddsnap_shrinker(shrinker), struct ddsnap, shrinker);
}

static unsigned long shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct ddsnap *d = shrunk(shrinker);
	/* One of them is empty: a device has grants or places. */
	long count = atomic_long_read(&d->grants.nr_leaves) + atomic_long_read(&d->cache.count);

	return count > 0 ? count : SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct ddsnap *d = shrunk(shrinker);

	return d->ops->forget(d, sc->nr_to_scan) ?: SHRINK_STOP;
}

/* ---- constructor, destructor ---------------------------------------------------------------- */

static int start_threads(struct ddsnap *d)
{
	const char *name = ddsnap_name(d);

	d->receiver = kthread_run(ddsnap_receiver, d, "ddsnap-rx/%s", name);
	if (IS_ERR(d->receiver))
		return PTR_ERR(d->receiver);
	d->sender = kthread_run(ddsnap_sender, d, "ddsnap-tx/%s", name);
	if (IS_ERR(d->sender)) {
		kthread_stop(d->receiver);
		return PTR_ERR(d->sender);
	}
	return 0;
}

static void set_target(struct ddsnap *d)
{
	struct dm_target *ti = d->ti;

	ti->private = d;
	ti->per_io_data_size = sizeof(struct ddsnap_io);
	ti->num_flush_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->num_discard_bios = d->ops->discards;
	ti->num_secure_erase_bios = d->ops->discards;
	ti->accounts_remapped_io = true;
}

static int start_machinery(struct ddsnap *d)
{
	struct dm_target *ti = d->ti;
	int r;

	r = ddsnap_gate_init(d);
	if (r)
		goto bad_memory;
	r = ddsnap_shrinker_register(&d->shrinker, shrink_count, shrink_scan,
				     dm_device_name(dm_table_get_md(ti->table)));
	if (r)
		goto bad_shrinker;
	r = start_threads(d);
	if (r)
		goto bad_threads;
	return 0;

bad_threads:
	ddsnap_shrinker_unregister(&d->shrinker);
bad_shrinker:
	ddsnap_gate_exit(d);
bad_memory:
	ti->error = "Cannot allocate the device's memory and threads";
	return r;
}

int ddsnap_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set args = { .argc = argc - 4, .argv = argv + 4 };
	struct ddsnap *d;
	int r;

	if (argc < 4) {
		ti->error = "Usage: <store> <origin> <socket> <snapshot | -1> [<#features> ...]";
		return -EINVAL;
	}
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d) {
		ti->error = "Cannot allocate the device";
		return -ENOMEM;
	}
	d->ti = ti;
	init_state(d);
	r = alloc_memory(d);
	if (r) {
		ti->error = "Cannot allocate the device's buffers";
		goto bad;
	}
	r = parse_words(d, argv[2], argv[3]);
	if (!r)
		r = parse_features(d, &args);
	if (!r)
		r = get_devices(d, argv[0], argv[1]);
	if (!r)
		r = start_machinery(d);
	if (r)
		goto bad;
	set_target(d);
	return 0;

bad:
	if (d->origin)
		dm_put_device(ti, d->origin);
	if (d->store)
		dm_put_device(ti, d->store);
	free_memory(d);
	kfree(d);
	return r;
}

/* Suspended, or never resumed: no bio, no session. */
void ddsnap_dtr(struct dm_target *ti)
{
	struct ddsnap *d = ti->private;

	kthread_stop(d->receiver);
	kthread_stop(d->sender);
	cancel_work_sync(&d->pump_work);
	ddsnap_shrinker_unregister(&d->shrinker);
	d->ops->forget(d, ULONG_MAX);
	ddsnap_gate_exit(d);
	dm_put_device(ti, d->origin);
	dm_put_device(ti, d->store);
	free_memory(d);
	kfree(d);
}
