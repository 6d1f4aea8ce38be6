// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-gate.c - stop issuing I/O and wait for what is in flight; or fail it all.
 *
 * Whoever issues I/O that rests on a grant (origin) or an extent (snapshot) holds a reference
 * of ddsnap.inflight from before the decision until the I/O has ended. It is a percpu_ref, so
 * that an open gate costs a per-CPU increment. Closing the gate kills it: from then on
 * percpu_ref_tryget_live() fails, and when the last reference is gone ddsnap.drained
 * completes and, if so wanted, the sender owes the daemon a HELD or INVALID_ACK.
 *
 * The gate is opened and closed only by the receiver, or by the suspending thread while the
 * receiver is idle: never by two at once. It is never opened before it has drained; that bounds
 * each closing to exactly one call of gate_drained().
 *
 * Invariant: between HELD and RESUME no write reaches the origin. (kernel-barrier.test)
 */
#include "dm-ddsnap.h"

static void gate_drained(struct percpu_ref *ref)
{
	struct ddsnap *d = container_of(ref, struct ddsnap, inflight);

	if (d->announce >= 0)
		ddsnap_owe(d, d->announce);
	complete_all(&d->drained);
}

int ddsnap_gate_init(struct ddsnap *d)
{
	init_completion(&d->drained);
	d->announce = -1;
	return percpu_ref_init(&d->inflight, gate_drained, PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
}

void ddsnap_gate_exit(struct ddsnap *d)
{
	percpu_ref_exit(&d->inflight);
}

void ddsnap_gate_close(struct ddsnap *d, int announce)
{
	unsigned long flags;

	if (WARN_ON_ONCE(d->closed))
		return;
	reinit_completion(&d->drained);
	d->announce = announce;
	spin_lock_irqsave(&d->lock, flags);
	d->closed = true;
	spin_unlock_irqrestore(&d->lock, flags);
	percpu_ref_kill(&d->inflight);
}

/* Depends on the origin and store devices only, never on the daemon. */
void ddsnap_gate_wait(struct ddsnap *d)
{
	wait_for_completion(&d->drained);
}

void ddsnap_gate_open(struct ddsnap *d)
{
	unsigned long flags;

	if (!d->closed)
		return;
	ddsnap_gate_wait(d);
	clear_bit(DDSNAP_SEND_HELD, &d->control);
	percpu_ref_resurrect(&d->inflight);
	spin_lock_irqsave(&d->lock, flags);
	d->closed = false;
	spin_unlock_irqrestore(&d->lock, flags);
}

/*
 * Squashed or gone: everything fails from now on.
 *
 * Invariant: INVALID_ACK is sent after the last I/O that used an extent has ended.
 * (kernel-snapshot.test)
 */
void ddsnap_invalidate(struct ddsnap *d, int announce)
{
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	d->invalid = true;
	spin_unlock_irqrestore(&d->lock, flags);
	ddsnap_let_go(d);
	if (!d->closed) {
		ddsnap_gate_close(d, announce);
	} else if (announce >= 0) {
		ddsnap_gate_wait(d);
		ddsnap_owe(d, announce);
	}
}
