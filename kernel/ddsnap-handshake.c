// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-handshake.c - how a session begins: what HELLO says of this device, and what the daemon's
 * answer, WELCOME or REFUSED, means for it. Called by the receiver's thread.
 */
#include <linux/string.h>

#include "dm-ddsnap.h"

#define HANDSHAKE_SECONDS 10

static u64 offered_features(const struct ddsnap *d)
{
	return d->read_only ? 0 : d->ops->features;
}

static int send_hello(struct ddsnap *d)
{
	struct mapped_device *md = dm_table_get_md(d->ti->table);
	struct ddsnap_hello hello = {
		.header.length = cpu_to_le32(sizeof(hello)),
		.header.type = cpu_to_le16(DDSNAP_HELLO),
		.header.id = cpu_to_le64(1),
		.magic = cpu_to_le32(DDSNAP_MAGIC),
		.version = cpu_to_le16(DDSNAP_VERSION),
		.version_min = cpu_to_le16(DDSNAP_VERSION_MIN),
		.features = cpu_to_le64(offered_features(d)),
		.role = cpu_to_le32(d->ops->role),
		.flags = cpu_to_le32(d->read_only ? DDSNAP_HELLO_READ_ONLY : 0),
		.snapshot = cpu_to_le64(max_t(s64, d->snapshot, 0)),
		.sectors = cpu_to_le64(d->ti->len),
		.kind = cpu_to_le32(DDSNAP_CLIENT_KERNEL),
		.major = cpu_to_le32(MAJOR(disk_devt(dm_disk(md)))),
		.minor = cpu_to_le32(MINOR(disk_devt(dm_disk(md)))),
		.epoch = cpu_to_le32(d->has_epoch ? d->epoch : 0),
	};

	memcpy(hello.client, d->client, sizeof(hello.client));
	memcpy(hello.volume, d->volume_uuid, sizeof(hello.volume));
	memcpy(hello.snapshot_uuid, d->snapshot_uuid, sizeof(hello.snapshot_uuid));
	BUILD_BUG_ON(DDSNAP_NAME_LEN < DM_NAME_LEN);
	if (dm_copy_name_and_uuid(md, hello.name, NULL))
		strscpy(hello.name, ddsnap_name(d), sizeof(hello.name));
	d->stats.sent++;
	return ddsnap_socket_send(d, &hello, sizeof(hello));
}

/* Whatever the daemon says, it is one line of the log. */
static void make_printable(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '_';
}

/* -EBUSY: it may soon be otherwise; -EACCES: not likely. */
static int refused(struct ddsnap *d, struct ddsnap_refused *answer)
{
	u32 reason = le32_to_cpu(answer->reason);
	bool news;

	make_printable(answer->text, sizeof(answer->text));
	news = strcmp(d->reason, answer->text);
	ddsnap_set_reason(d, answer->text);
	if (reason == DDSNAP_ERR_STOPPING)
		return -EBUSY;
	if (news)
		DMWARN_LIMIT("%s: the daemon refuses this device (%u): %s", ddsnap_name(d), reason,
			     answer->text);
	if (reason == DDSNAP_ERR_BUSY)
		return -EBUSY;
	if (d->ops->refused)
		d->ops->refused(d, reason);
	return -EACCES;
}

static int check_welcome(struct ddsnap *d, const struct ddsnap_welcome *welcome)
{
	u16 shift = le16_to_cpu(welcome->chunk_shift);
	u16 version = le16_to_cpu(welcome->version);
	u32 range = le32_to_cpu(welcome->max_range);
	u64 unknown = le64_to_cpu(welcome->features) & ~offered_features(d);

	if (version > DDSNAP_VERSION || version < DDSNAP_VERSION_MIN || unknown) {
		DMERR_LIMIT("%s: the daemon's WELCOME is of version %u with features %#llx that were not offered: closing",
			    ddsnap_name(d), version, unknown);
		return -EPROTO;
	}
	if (shift < 12 || shift > 20 || !range || range > DDSNAP_MAX_RANGE || !welcome->credits) {
		DMERR_LIMIT("%s: the daemon's WELCOME is malformed: closing", ddsnap_name(d));
		return -EPROTO;
	}
	if (d->chunk_shift && d->chunk_shift != shift) {
		DMERR_LIMIT("%s: the chunk size has changed from %u to %u: closing",
			    ddsnap_name(d), 1u << d->chunk_shift, 1u << shift);
		return -EPROTO;
	}
	return 0;
}

static bool is_another(const u8 *mine, const u8 *theirs)
{
	return memchr_inv(mine, 0, DDSNAP_UUID_LEN) && memchr_inv(theirs, 0, DDSNAP_UUID_LEN) &&
	       memcmp(mine, theirs, DDSNAP_UUID_LEN);
}

/*
 * A path says nothing of whose daemon listens there, a number nothing of which snapshot has it now.
 * Grants and extents of one are nothing worth with another: no I/O is done by them. The volume may
 * come back, a snapshot that was deleted does not.
 *
 * Invariant: the volume and the snapshot of a device are those of its first session.
 * (kernel-origin.test, kernel-snapshot.test)
 */
static int check_identity(struct ddsnap *d, const struct ddsnap_welcome *welcome)
{
	const char *reason = NULL;
	bool another_snapshot = is_another(d->snapshot_uuid, welcome->snapshot_uuid);

	if (is_another(d->volume_uuid, welcome->volume))
		reason = "the daemon serves another volume";
	else if (another_snapshot)
		reason = "another snapshot has this number now";
	if (!reason) {
		memcpy(d->volume_uuid, welcome->volume, DDSNAP_UUID_LEN);
		memcpy(d->snapshot_uuid, welcome->snapshot_uuid, DDSNAP_UUID_LEN);
		return 0;
	}
	if (strcmp(d->reason, reason))
		DMWARN_LIMIT("%s: %s: closing", ddsnap_name(d), reason);
	ddsnap_set_reason(d, reason);
	if (another_snapshot && !is_another(d->volume_uuid, welcome->volume))
		ddsnap_invalidate(d, -1);
	return -EACCES;
}

static int welcomed(struct ddsnap *d, const struct ddsnap_welcome *welcome)
{
	u32 epoch = le32_to_cpu(welcome->epoch);
	u32 state_flags = le32_to_cpu(welcome->flags);
	unsigned long flags;
	bool stopped;
	int r = check_welcome(d, welcome) ?: check_identity(d, welcome);

	if (r)
		return r;
	/* What the last session had left to say about a closed gate is said to nobody. */
	if (d->closed)
		ddsnap_gate_wait(d);
	WRITE_ONCE(d->chunk_shift, le16_to_cpu(welcome->chunk_shift));
	ddsnap_set_reason(d, "");
	d->control = 0;
	d->ops->welcome(d, epoch, state_flags);
	spin_lock_irqsave(&d->lock, flags);
	d->max_range = le32_to_cpu(welcome->max_range);
	ddsnap_slots_open(d, le32_to_cpu(welcome->credits));
	d->state = DDSNAP_SESSION_OPEN;
	d->stats.sessions++;
	stopped = !d->run;
	spin_unlock_irqrestore(&d->lock, flags);
	ddsnap_socket_no_timeout(d);
	if (stopped) /* ddsnap_stop() came first, and has seen no session to say BYE in */
		ddsnap_owe(d, DDSNAP_SEND_BYE);
	DMINFO_LIMIT("%s: connected to %s (session %llu, epoch %u)", ddsnap_name(d),
		     d->socket_path, le64_to_cpu(welcome->session), epoch);
	ddsnap_pump(d);
	return 0;
}

/*
 * Who says DDSNAP_FEATURE_DRAINED in its HELLO is: here. The gate opens again with the WELCOME;
 * what ends here is restored, and waits for that, too.
 */
static void drain_earlier_sessions(struct ddsnap *d)
{
	if (!(offered_features(d) & DDSNAP_FEATURE_DRAINED))
		return;
	if (!d->closed)
		ddsnap_gate_close(d, -1);
	ddsnap_gate_wait(d);
}

/* HELLO and its answer. Negative = there is no session. */
int ddsnap_handshake(struct ddsnap *d)
{
	struct ddsnap_header *message;
	unsigned int seconds = 0;
	unsigned int length;
	int r;

	drain_earlier_sessions(d);
	r = send_hello(d);
	while (!r) {
		message = ddsnap_next_message(d, 0);
		if (IS_ERR(message))
			return PTR_ERR(message);
		if (message)
			break;
		r = ddsnap_socket_receive(d);
		if (!r) {
			ddsnap_let_go(d);
			if (++seconds >= HANDSHAKE_SECONDS)
				r = -ETIMEDOUT;
		}
		r = min(r, 0);
	}
	if (r)
		return r;
	length = le32_to_cpu(message->length);
	d->stats.received++;
	switch (le16_to_cpu(message->type)) {
	case DDSNAP_WELCOME:
		r = welcomed(d, (void *)message);
		ddsnap_consume(d, length);
		return r;
	case DDSNAP_REFUSED:
		return refused(d, (void *)message);
	default:
		DMERR_LIMIT("%s: the daemon answers HELLO with a message of type %u: closing",
			    ddsnap_name(d), le16_to_cpu(message->type));
		return -EPROTO;
	}
}
