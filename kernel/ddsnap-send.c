// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-send.c - the sender's thread.
 *
 * It alone writes to an open session's socket, and may block there for as long as the daemon
 * does not read: nobody waits for it. It makes as many messages as there are into one buffer:
 * what is owed (HELD, INVALID_ACK, BYE), UNLOCKs, and the requests in unsent slots.
 *
 * A batch is made and sent under tx_mutex, which the receiver takes before it changes the
 * socket: messages of one session are never sent in the next. The receiver shuts the socket
 * down first, which ends a blocked send.
 */
#include <linux/kthread.h>
#include <linux/sched/mm.h>

#include "dm-ddsnap.h"

static void *put_header(void *at, u16 type, u64 id, size_t bytes)
{
	struct ddsnap_header *header = at;

	memset(at, 0, bytes);
	header->length = cpu_to_le32(bytes);
	header->type = cpu_to_le16(type);
	header->id = cpu_to_le64(id);
	return at;
}

static size_t make_request(struct ddsnap *d, void *at, struct ddsnap_slot *slot)
{
	struct ddsnap_request *request = put_header(at, slot->type, slot->id, sizeof(*request));

	request->first = cpu_to_le64(slot->first);
	request->count = cpu_to_le32(slot->count);
	if (slot->type == DDSNAP_WRITE)
		request->epoch = cpu_to_le32(d->epoch);
	slot->sent = true;
	list_move_tail(&slot->node, &d->sent);
	d->stats.queries++;
	d->stats.sent++;
	return sizeof(*request);
}

static size_t make_owed(struct ddsnap *d, void *at)
{
	size_t bytes = 0;

	if (test_and_clear_bit(DDSNAP_SEND_HELD, &d->control)) {
		struct ddsnap_epoch *held = put_header(at, DDSNAP_HELD, 0, sizeof(*held));

		held->epoch = cpu_to_le32(d->epoch);
		bytes += sizeof(*held);
		d->stats.sent++;
	}
	if (test_and_clear_bit(DDSNAP_SEND_INVALID_ACK, &d->control)) {
		put_header(at + bytes, DDSNAP_INVALID_ACK, 0, sizeof(struct ddsnap_header));
		bytes += sizeof(struct ddsnap_header);
		d->stats.sent++;
	}
	if (test_and_clear_bit(DDSNAP_SEND_BYE, &d->control)) {
		put_header(at + bytes, DDSNAP_BYE, 0, sizeof(struct ddsnap_header));
		bytes += sizeof(struct ddsnap_header);
		d->stats.sent++;
	}
	return bytes;
}

/* Returns the bytes made; *@freed is set if credits came back. */
static size_t make_batch(struct ddsnap *d, bool *freed)
{
	struct ddsnap_slot *slot, *next;
	unsigned long flags;
	size_t bytes = 0;

	*freed = false;
	spin_lock_irqsave(&d->lock, flags);
	if (d->state != DDSNAP_SESSION_OPEN)
		goto out;
	bytes = make_owed(d, d->tx_buffer);
	list_for_each_entry_safe(slot, next, &d->unlocking, node) {
		if (bytes + sizeof(struct ddsnap_header) > DDSNAP_MAX_MESSAGE)
			goto out;
		put_header(d->tx_buffer + bytes, DDSNAP_UNLOCK, slot->id,
			   sizeof(struct ddsnap_header));
		bytes += sizeof(struct ddsnap_header);
		d->stats.sent++;
		ddsnap_slot_release(d, slot);
		*freed = true;
	}
	/* While an origin is held it sends no WRITE; see HOLD in ddsnap-protocol.h. */
	if (d->closed)
		goto out;
	list_for_each_entry_safe(slot, next, &d->unsent, node) {
		if (bytes + sizeof(struct ddsnap_request) > DDSNAP_MAX_MESSAGE)
			goto out;
		bytes += make_request(d, d->tx_buffer + bytes, slot);
	}
out:
	spin_unlock_irqrestore(&d->lock, flags);
	return bytes;
}

static bool has_work(struct ddsnap *d)
{
	unsigned long flags;
	bool work;

	spin_lock_irqsave(&d->lock, flags);
	work = d->state == DDSNAP_SESSION_OPEN &&
	       (READ_ONCE(d->control) || !list_empty(&d->unlocking) ||
		(!list_empty(&d->unsent) && !d->closed));
	spin_unlock_irqrestore(&d->lock, flags);
	return work;
}

int ddsnap_sender(void *arg)
{
	struct ddsnap *d = arg;
	unsigned int noio = memalloc_noio_save();

	while (!kthread_should_stop()) {
		bool freed;
		size_t bytes;

		wait_event_idle(d->sender_wait, has_work(d) || kthread_should_stop());
		mutex_lock(&d->tx_mutex);
		bytes = make_batch(d, &freed);
		if (bytes && ddsnap_socket_send(d, d->tx_buffer, bytes))
			ddsnap_socket_shutdown(d); /* the receiver sees it end */
		mutex_unlock(&d->tx_mutex);
		if (freed)
			ddsnap_pump_soon(d);
	}
	memalloc_noio_restore(noio);
	return 0;
}
