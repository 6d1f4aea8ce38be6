/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dm-ddsnap.h - what the parts of the target share, and which of them may call which.
 *
 * The life of a bio, the crash cases and the order of locks are told at the top of
 * dm-ddsnap-target.c.
 *
 * Who calls whom
 * --------------
 *
 *  dm-ddsnap-target.c                  what device-mapper calls; the module
 *  ddsnap-table.c                      the constructor and the destructor
 *  ddsnap-session.c  ddsnap-send.c     the receiver's thread, resume, suspend; the sender's
 *  ddsnap-handshake.c                  how a session begins
 *  ddsnap-receive.c                    whole messages out of bytes, and whom they are for
 *  ddsnap-origin.c  ddsnap-snapshot.c  the two kinds of devices: their struct ddsnap_ops
 *  ddsnap-gate.c                       stops I/O and waits for what is in flight
 *  ddsnap-queue.c                      bios that wait for the daemon, the requests they wait for
 *  ddsnap-socket.c  ddsnap-status.c    the connection; what dmsetup shows
 *  ddsnap-grants.c  ddsnap-extents.c   what the daemon's answers are remembered in
 *
 *  A file calls functions of files below it, none of its own line and none above. The declarations
 *  at the end of this header are in that order. ddsnap-reserves.c stands by itself.
 *
 *  Two things lead up. The one is struct ddsnap_ops: ddsnap_pump() asks the kind of device what is
 *  to be done for a deferred bio (`ask`), ddsnap_status() what to show (`known`, `letters`). The
 *  other is waking the sender, by ddsnap_owe() and ddsnap_kick_sender(): nobody waits for it.
 */
#ifndef DM_DDSNAP_H
#define DM_DDSNAP_H

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/spinlock.h>
#include <linux/un.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#if BITS_PER_LONG != 64
#error "dm-ddsnap needs a 64-bit kernel: an index of its arrays is a chunk's number"
#endif

#include "compat.h"
#include "ddsnap-protocol.h"

#define DM_MSG_PREFIX "ddsnap"

/* Requests that may be unanswered at once; a daemon's larger credit is not used. */
#define DDSNAP_SLOTS 256u
#define DDSNAP_SLOT_BITS 8

/*
 * Bytes that a deferred bio is charged for itself, beside its data: the bio, device-mapper's part and
 * ours, the clone. Those without data (WRITE_ZEROES, SECURE_ERASE) are bounded by it alone.
 */
#define DDSNAP_BIO_BYTES 1024u

/* What we receive into: a whole number of the longest messages. */
#define DDSNAP_RX_BYTES (4 * DDSNAP_MAX_MESSAGE)

struct socket;
struct task_struct;
struct ddsnap;

/* ---- per-bio data ----------------------------------------------------------------- */

/* ddsnap_io.flags */
#define DDSNAP_IO_REF 0x1u /* holds a reference of ddsnap.inflight */
#define DDSNAP_IO_REQUEUE 0x2u /* end_io hands it back to device-mapper (noflush suspend) */
#define DDSNAP_IO_ALONE 0x4u /* its request failed together with others': ask for it alone */

struct ddsnap_io {
	struct list_head node; /* of ddsnap.todo or of its slot's waiters */
	struct ddsnap_slot *slot; /* snapshot: the read lock it holds */
	unsigned int done; /* origin: chunks granted, counted from its first */
	unsigned int session; /* snapshot: session whose extent it uses */
	unsigned int flags; /* DDSNAP_IO_* */
	unsigned int bytes; /* accounted while deferred */

	/* snapshot: the bio as it came, to do it again */
	struct block_device *bdev;
	struct bvec_iter iter;
	unsigned int bio_flags;
};

static inline struct ddsnap_io *ddsnap_io(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct ddsnap_io));
}

static inline struct bio *ddsnap_bio(struct ddsnap_io *io)
{
	return dm_bio_from_per_bio_data(io, sizeof(struct ddsnap_io));
}

/* Bios to be submitted or ended once the lock has been let go. */
struct ddsnap_batch {
	struct ddsnap *d;
	struct bio_list submit;
	struct bio_list end; /* bi_status is set; OK is a read of zeros */

	/* A request that failed, for the log; status 0: none did */
	u64 failed_first;
	unsigned int failed_count;
	u32 failed_status;
};

/* ---- requests ----------------------------------------------------------------------- */

/*
 * One request to the daemon. A slot is on exactly one of ddsnap's lists: idle (usable within
 * the credits), unsent, sent, locked (answered with origin extents that are being read),
 * unlocking; or on none while no session is open.
 */
struct ddsnap_slot {
	struct list_head node;
	struct list_head waiters; /* deferred bios that its answer decides on */
	u64 id; /* in messages; 0 while unused */
	u64 first; /* chunk */
	unsigned int count;
	unsigned int bios; /* that ever waited for it */
	unsigned int readers; /* bios that read the origin under its lock */
	u16 type; /* DDSNAP_WRITE, DDSNAP_SNAP_READ or DDSNAP_SNAP_WRITE */
	bool sent; /* and not answered */
	bool closed; /* no further bio may join */
	bool no_cache; /* its answer may be out of date for bios to come */
};

/* ---- grants and extents --------------------------------------------------------------- */

struct ddsnap_grants {
	struct xarray leaves;
	unsigned long chunks; /* granted; under the xarray's lock */
	atomic_long_t nr_leaves;
};

struct ddsnap_extent_cache {
	struct xarray chunks;
	atomic_long_t count;
};

/* One chunk's place, as an EXTENTS message gave it. */
struct ddsnap_place {
	enum ddsnap_extent_kind kind;
	sector_t sector; /* of the store, of the chunk's beginning */
	bool writable; /* it is the snapshot's own */
};

/* ---- origin or snapshot ----------------------------------------------------------------- */

/* What ddsnap_pump() may find out about the first deferred bio. */
enum ddsnap_asked {
	DDSNAP_READY, /* moved to the batch */
	DDSNAP_ASKED, /* waits for a slot's answer */
	DDSNAP_STUCK, /* nothing can be done for it, or for those behind it, now */
};

/* The status line's flags: four letters, each in its place, and the NUL. */
#define DDSNAP_LETTERS 5

/*
 * All that an origin and a snapshot device do differently. Nothing else in the target asks which
 * of the two a device is.
 */
struct ddsnap_ops {
	const char *name; /* in the status line */
	enum ddsnap_role role; /* in HELLO */
	u64 features; /* DDSNAP_FEATURE_*, offered by a device that may write */
	bool discards; /* it takes discards and secure erases */
	bool uses_store; /* its bios go to the store, too */
	bool within_origin; /* it is not longer than the origin's disk */

	/* Every bio: device-mapper's map(), which may wait, and end_io(), which may not. */
	int (*map)(struct ddsnap *d, struct bio *bio);
	int (*end_io)(struct ddsnap *d, struct ddsnap_io *io, blk_status_t *error);

	/*
	 * For ddsnap_pump(): what is to be done for @io? Under lock, with an open session; so it
	 * may join a request or take the bio off its list, not submit or end it.
	 */
	enum ddsnap_asked (*ask)(struct ddsnap *d, struct ddsnap_io *io,
				 struct ddsnap_batch *batch);

	/*
	 * The receiver's thread: how a session begins, a message in it whose length is right
	 * (-EPROTO: it makes no sense), its end. `refused` and `lost` may be NULL.
	 */
	void (*welcome)(struct ddsnap *d, u32 epoch, u32 state_flags);
	void (*refused)(struct ddsnap *d, u32 reason);
	int (*receive)(struct ddsnap *d, const void *message, u16 type);
	void (*lost)(struct ddsnap *d);

	/*
	 * Drops @count of what the daemon's answers are remembered by (leaves of grants; places:
	 * all at once) and returns how many it dropped. Costs queries, nothing else, at any time.
	 */
	unsigned long (*forget)(struct ddsnap *d, unsigned long count);

	/* The status line: chunks that need not be asked for; letters, the latter under lock. */
	unsigned long (*known)(const struct ddsnap *d);
	void (*letters)(const struct ddsnap *d, char *letters);
};

/* ---- the device ----------------------------------------------------------------------- */

enum ddsnap_session_state {
	DDSNAP_SESSION_DOWN, /* not resumed */
	DDSNAP_SESSION_STARTING, /* resumed, the first attempt to connect is not over */
	DDSNAP_SESSION_WAITING, /* no daemon */
	DDSNAP_SESSION_REFUSED, /* the daemon does not want us; tried again all the same */
	DDSNAP_SESSION_OPEN,
};

/* Bits of ddsnap.control: messages that the sender owes. */
#define DDSNAP_SEND_HELD 0
#define DDSNAP_SEND_INVALID_ACK 1
#define DDSNAP_SEND_BYE 2

/* Counters of the paths that take no lock. */
struct ddsnap_cpu_stats {
	u64 passed; /* writes that went to the origin without being deferred */
	u64 discards_dropped;
	u64 cache_hits;
};

/* Counters under ddsnap.lock. */
struct ddsnap_stats {
	u64 queries;
	u64 answers; /* GRANTs or EXTENTS, asked for or not */
	u64 sent;
	u64 received;
	u64 deferred;
	u64 sessions;
	u64 retries;
};

struct ddsnap {
	/* Read on every bio; written when sessions, epochs and snapshots come and go. */
	struct dm_target *ti;
	struct dm_dev *origin;
	struct dm_dev *store;
	const struct ddsnap_ops *ops; /* what kind of device it is */
	bool read_only;
	unsigned int flags; /* DDSNAP_FLAG_*: what the daemon says of the epoch or the snapshot */
	unsigned int chunk_shift; /* of bytes; 0 = not known yet */
	struct ddsnap_cpu_stats __percpu *cpu_stats;
	struct ddsnap_grants grants; /* origin */
	struct ddsnap_extent_cache cache; /* snapshot */
	/*
	 * Origin: writes in flight. Snapshot: all I/O in flight that uses an extent. Killed
	 * while the gate is closed, see ddsnap-gate.c.
	 */
	struct percpu_ref inflight;

	spinlock_t lock ____cacheline_aligned_in_smp; /* all from here to `throttled` */
	enum ddsnap_session_state state;
	unsigned int session; /* counts sessions: changes whenever one breaks */
	struct socket *sock; /* also stable under tx_mutex or sock_mutex */
	unsigned long down_since; /* jiffies: resumed or lost the session */
	bool closed; /* the gate; changed by the receiver only */
	bool invalid; /* snapshot squashed or gone: all I/O fails */
	bool suspending; /* between presuspend and postsuspend (or presuspend_undo) */
	bool fail_if_no_server;
	bool has_epoch;
	u32 epoch;
	unsigned int max_range;
	struct list_head todo; /* deferred bios that no request has been made for */
	struct list_head idle;
	struct list_head unsent;
	struct list_head sent;
	struct list_head locked;
	struct list_head unlocking;
	u64 last_id;
	unsigned int deferred_bios;
	size_t deferred_bytes;
	struct ddsnap_stats stats;
	char reason[DDSNAP_TEXT_LEN]; /* of the last refusal or broken session; "" */
	wait_queue_head_t throttled;

	/* The gate, see ddsnap-gate.c. */
	struct completion drained;
	int announce; /* the DDSNAP_SEND_* to owe when drained, or -1 */
	unsigned long control; /* bits DDSNAP_SEND_*, atomic */

	/* The two threads. */
	struct task_struct *receiver;
	struct task_struct *sender;
	bool run; /* resumed: keep a session open */
	bool idle_now; /* the receiver has seen !run, and touches nothing */
	wait_queue_head_t receiver_wait;
	wait_queue_head_t sender_wait;
	wait_queue_head_t idle_wait;
	struct mutex tx_mutex; /* a batch of messages is made and sent in one session */
	struct mutex sock_mutex; /* sock does not go away */
	struct work_struct pump_work;

	struct ddsnap_slot *slots;
	u8 *rx_buffer;
	unsigned int rx_fill;
	u8 *tx_buffer;
	struct ddsnap_shrinker shrinker;

	s64 snapshot; /* -1: the origin */
	u8 client[DDSNAP_UUID_LEN];
	/*
	 * Whose device this is, from the first WELCOME on; zeros before. The receiver's alone. Kept
	 * through suspends: only another table may be of another volume.
	 */
	u8 volume_uuid[DDSNAP_UUID_LEN];
	u8 snapshot_uuid[DDSNAP_UUID_LEN];
	char socket_path[UNIX_PATH_MAX];
};

static inline unsigned int ddsnap_chunk_sectors_shift(const struct ddsnap *d)
{
	return d->chunk_shift - SECTOR_SHIFT;
}

/* For the log. */
static inline const char *ddsnap_name(const struct ddsnap *d)
{
	return dm_device_name(dm_table_get_md(d->ti->table));
}

/* Any context. */
static inline void ddsnap_kick_sender(struct ddsnap *d)
{
	wake_up(&d->sender_wait);
}

/* @bit: a DDSNAP_SEND_*. Any context. */
static inline void ddsnap_owe(struct ddsnap *d, int bit)
{
	set_bit(bit, &d->control);
	ddsnap_kick_sender(d);
}

/* ---- the files, each above those it calls ------------------------------------------------ */

/* ddsnap-table.c */
int ddsnap_ctr(struct dm_target *ti, unsigned int argc, char **argv);
void ddsnap_dtr(struct dm_target *ti);

/* ddsnap-session.c: the receiver's thread; resume and suspend */
int ddsnap_receiver(void *arg);
void ddsnap_start(struct ddsnap *d);
void ddsnap_stop(struct ddsnap *d);

/* ddsnap-send.c: the sender's thread */
int ddsnap_sender(void *arg);

/* ddsnap-handshake.c: the receiver only. Negative = there is no session. */
int ddsnap_handshake(struct ddsnap *d);

/* ddsnap-receive.c: the receiver only. Negative or an error = close the session. */
struct ddsnap_header *ddsnap_next_message(struct ddsnap *d, unsigned int at);
void ddsnap_consume(struct ddsnap *d, unsigned int bytes);
int ddsnap_receive(struct ddsnap *d, const struct ddsnap_header *header);

/* ddsnap-origin.c, ddsnap-snapshot.c: by their names from dm-ddsnap-target.c only, see there */
extern const struct ddsnap_ops ddsnap_origin_ops;
extern const struct ddsnap_ops ddsnap_snapshot_ops;
int ddsnap_origin_map(struct ddsnap *d, struct bio *bio);
int ddsnap_origin_end_io(struct ddsnap *d, struct ddsnap_io *io, blk_status_t *error);
int ddsnap_snapshot_map(struct ddsnap *d, struct bio *bio);
int ddsnap_snapshot_end_io(struct ddsnap *d, struct ddsnap_io *io, blk_status_t *error);

/*
 * ddsnap-gate.c: the receiver only, or who suspends, while the receiver is idle. @announce: the
 * DDSNAP_SEND_* to owe when all I/O in flight has ended, or -1.
 */
int ddsnap_gate_init(struct ddsnap *d);
void ddsnap_gate_exit(struct ddsnap *d);
void ddsnap_gate_close(struct ddsnap *d, int announce);
void ddsnap_gate_wait(struct ddsnap *d);
void ddsnap_gate_open(struct ddsnap *d);
void ddsnap_invalidate(struct ddsnap *d, int announce);

/* What is to become of a bio that needs the daemon. */
enum ddsnap_verdict {
	DDSNAP_WAIT,
	DDSNAP_REQUEUE, /* a noflush suspend: device-mapper keeps it */
	DDSNAP_FAIL,
};

/* ddsnap-queue.c: not under lock ... */
int ddsnap_queue_module_init(void);
void ddsnap_queue_module_exit(void);
void ddsnap_queue_init(struct ddsnap *d);
int ddsnap_defer(struct ddsnap *d, struct bio *bio);
void ddsnap_let_go(struct ddsnap *d);
void ddsnap_pump(struct ddsnap *d);
void ddsnap_pump_soon(struct ddsnap *d);
void ddsnap_batch_init(struct ddsnap_batch *batch, struct ddsnap *d);
void ddsnap_batch_run(struct ddsnap_batch *batch);

/* ... and under lock */
enum ddsnap_verdict ddsnap_verdict(struct ddsnap *d);
void ddsnap_enqueue(struct ddsnap *d, struct ddsnap_io *io);
void ddsnap_undefer(struct ddsnap *d, struct ddsnap_io *io);
void ddsnap_fail(struct ddsnap *d, struct ddsnap_io *io, blk_status_t status,
		 struct ddsnap_batch *batch);
struct ddsnap_slot *ddsnap_join(struct ddsnap *d, struct ddsnap_io *io, u16 type, u64 first,
				u64 end);
struct ddsnap_slot *ddsnap_slot_find(struct ddsnap *d, u64 id);
void ddsnap_slot_release(struct ddsnap *d, struct ddsnap_slot *slot);
void ddsnap_slot_failed(struct ddsnap *d, struct ddsnap_slot *slot, u32 status,
			struct ddsnap_batch *batch);
void ddsnap_slots_open(struct ddsnap *d, unsigned int credits);
void ddsnap_slots_drop(struct ddsnap *d);
void ddsnap_forget_requests(struct ddsnap *d);

/* ddsnap-socket.c: the receiver only; the sender sends */
int ddsnap_socket_open(struct ddsnap *d);
void ddsnap_socket_close(struct ddsnap *d);
void ddsnap_socket_no_timeout(struct ddsnap *d);
int ddsnap_socket_send(struct ddsnap *d, void *data, size_t bytes);
int ddsnap_socket_receive(struct ddsnap *d);
void ddsnap_socket_shutdown(struct ddsnap *d); /* anybody who may sleep */
bool ddsnap_socket_alive(struct ddsnap *d, unsigned int session); /* anybody, under lock */

/* ddsnap-status.c */
void ddsnap_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
		   char *result, unsigned int maxlen);
void ddsnap_set_reason(struct ddsnap *d, const char *reason);

/* ddsnap-grants.c */
int ddsnap_grants_module_init(void);
void ddsnap_grants_module_exit(void);
void ddsnap_grants_init(struct ddsnap_grants *grants);
u64 ddsnap_grants_run(struct ddsnap_grants *grants, u64 first, u64 end, bool *granted);
void ddsnap_grants_add(struct ddsnap_grants *grants, u64 first, u64 end);
unsigned long ddsnap_grants_drop(struct ddsnap_grants *grants, unsigned long leaves);

/* ddsnap-extents.c */
void ddsnap_cache_init(struct ddsnap_extent_cache *cache);
bool ddsnap_cache_get(struct ddsnap_extent_cache *cache, u64 chunk, struct ddsnap_place *place);
void ddsnap_cache_put(struct ddsnap_extent_cache *cache, u64 chunk,
		      const struct ddsnap_place *place);
void ddsnap_cache_drop(struct ddsnap_extent_cache *cache);

#endif /* DM_DDSNAP_H */
