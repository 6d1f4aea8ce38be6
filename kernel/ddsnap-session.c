// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-session.c - the receiver's thread: one session after the other; resume and suspend.
 *
 *      resume                 connected, HELLO          WELCOME
 *   DOWN ----> STARTING ----------------------------------------> OPEN
 *    ^            | no daemon                                      |
 *    |            v                                                | broken
 *    |         WAITING <-------------------------------------------+
 *    |            |  ^ retry (also from REFUSED)
 *    |            v  |
 *    |         REFUSED
 *    +---- stop (from any of them; an open session says BYE first)
 *
 * The receiver never sends but for the HELLO, which a fresh socket has room for: so a daemon
 * that is blocked sending to us is always read from, whatever our own sends are waiting for.
 * Where it waits otherwise, it waits for the origin's or the store's disk only.
 */
#include <linux/blkdev.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>

#include "dm-ddsnap.h"

#define RETRY_MIN_MS 20
#define RETRY_MAX_MS 1000
#define RETRY_REFUSED_MS 3000
#define RETRY_GARBAGE_MS 1000
#define BYE_SECONDS 2

static bool leaving(struct ddsnap *d)
{
	return !READ_ONCE(d->run) || kthread_should_stop();
}

static int handle_messages(struct ddsnap *d)
{
	struct ddsnap_header *message;
	struct blk_plug plug;
	unsigned int at = 0;
	int r = 0;

	blk_start_plug(&plug);
	while (!r && (message = ddsnap_next_message(d, at))) {
		if (IS_ERR(message)) {
			r = PTR_ERR(message);
			break;
		}
		at += le32_to_cpu(message->length);
		r = ddsnap_receive(d, message);
	}
	blk_finish_plug(&plug);
	ddsnap_consume(d, at);
	return r;
}

static void session_close(struct ddsnap *d)
{
	unsigned long flags;
	bool was_open;

	spin_lock_irqsave(&d->lock, flags);
	was_open = d->state == DDSNAP_SESSION_OPEN;
	if (was_open) {
		d->state = DDSNAP_SESSION_WAITING;
		d->down_since = jiffies;
		d->session++;
		ddsnap_slots_drop(d);
	}
	spin_unlock_irqrestore(&d->lock, flags);
	ddsnap_socket_close(d);
	d->control = 0;
	if (d->ops->lost)
		d->ops->lost(d);
	if (was_open && !leaving(d))
		DMWARN_LIMIT("%s: lost the connection to %s", ddsnap_name(d), d->socket_path);
}

/* One connection, from beginning to end; returns why it ended. */
static int run_session(struct ddsnap *d)
{
	int r = ddsnap_socket_open(d);

	if (r)
		return r;
	r = leaving(d) ? -ESHUTDOWN : ddsnap_handshake(d);
	if (!r)
		r = handle_messages(d); /* what came together with the WELCOME */
	while (!r) {
		r = ddsnap_socket_receive(d);
		if (r > 0)
			r = handle_messages(d);
	}
	session_close(d);
	return r;
}

static unsigned int retry_delay(unsigned int before, int why)
{
	switch (why) {
	case -EACCES:
		return RETRY_REFUSED_MS;
	case -ECONNREFUSED:
	case -ENOENT:
	case -EAGAIN:
	case -EBUSY:
		return clamp(before * 2, RETRY_MIN_MS + 0u, RETRY_MAX_MS + 0u);
	case -EPROTO:
	case -ETIMEDOUT:
		return RETRY_GARBAGE_MS;
	default:
		return RETRY_MIN_MS;
	}
}

/* After a session, or an attempt at one, has ended. */
static unsigned int after_session(struct ddsnap *d, unsigned int delay, int why)
{
	bool was_refused = why == -EACCES || why == -EBUSY;
	unsigned long flags;

	if (why == -EPROTO)
		ddsnap_set_reason(d, "protocol error");
	else if (!was_refused && !d->invalid)
		ddsnap_set_reason(d, "");
	spin_lock_irqsave(&d->lock, flags);
	d->state = was_refused ? DDSNAP_SESSION_REFUSED : DDSNAP_SESSION_WAITING;
	spin_unlock_irqrestore(&d->lock, flags);
	ddsnap_let_go(d);
	return retry_delay(delay, why);
}

static void be_idle(struct ddsnap *d)
{
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	if (!d->run) { /* a ddsnap_start() after the caller looked has us busy: it must stay so */
		d->state = DDSNAP_SESSION_DOWN;
		d->idle_now = true;
	}
	spin_unlock_irqrestore(&d->lock, flags);
	wake_up_all(&d->idle_wait);
	wait_event_idle(d->receiver_wait, READ_ONCE(d->run) || kthread_should_stop());
}

int ddsnap_receiver(void *arg)
{
	struct ddsnap *d = arg;
	unsigned int noio = memalloc_noio_save();
	unsigned int delay = 0;

	while (!kthread_should_stop()) {
		if (!READ_ONCE(d->run)) {
			be_idle(d);
			delay = 0;
			continue;
		}
		delay = after_session(d, delay, run_session(d));
		wait_event_idle_timeout(d->receiver_wait, leaving(d), msecs_to_jiffies(delay));
	}
	memalloc_noio_restore(noio);
	return 0;
}

/* ---- resume and suspend ------------------------------------------------------------------ */

void ddsnap_start(struct ddsnap *d)
{
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	d->state = DDSNAP_SESSION_STARTING;
	d->down_since = jiffies;
	d->suspending = false;
	d->idle_now = false;
	d->run = true;
	spin_unlock_irqrestore(&d->lock, flags);
	wake_up_all(&d->receiver_wait);
}

static bool is_idle(struct ddsnap *d)
{
	unsigned long flags;
	bool idle;

	spin_lock_irqsave(&d->lock, flags);
	idle = d->idle_now;
	spin_unlock_irqrestore(&d->lock, flags);
	return idle;
}

/*
 * No bio is left and none comes until ddsnap_start(): so there is nothing that a grant or an
 * extent is needed for, and the daemon is told so. Whoever resumes next, this table or another
 * one, begins anew.
 */
void ddsnap_stop(struct ddsnap *d)
{
	unsigned long flags;
	bool open;

	spin_lock_irqsave(&d->lock, flags);
	d->run = false;
	open = d->state == DDSNAP_SESSION_OPEN;
	spin_unlock_irqrestore(&d->lock, flags);

	wake_up_all(&d->receiver_wait);
	if (open)
		ddsnap_owe(d, DDSNAP_SEND_BYE);
	/* Also in the middle of a handshake: a daemon that attaches us is to hear the BYE. */
	if (!wait_event_idle_timeout(d->idle_wait, is_idle(d), BYE_SECONDS * HZ))
		DMWARN("%s: the daemon does not answer BYE", ddsnap_name(d));
	ddsnap_socket_shutdown(d);
	wait_event_idle(d->idle_wait, is_idle(d));
	flush_work(&d->pump_work);

	/* Also waits for end_io() to have let go of the last reference. */
	if (!d->closed)
		ddsnap_gate_close(d, -1);
	ddsnap_gate_wait(d);
	d->ops->forget(d, ULONG_MAX);
	spin_lock_irqsave(&d->lock, flags);
	WARN_ON_ONCE(d->deferred_bios);
	d->flags = 0;
	d->has_epoch = false;
	d->invalid = false;
	d->chunk_shift = 0;
	spin_unlock_irqrestore(&d->lock, flags);
	ddsnap_gate_open(d);
}
