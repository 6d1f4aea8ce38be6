// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-session.c - the receiver's thread: connects, opens sessions, receives, closes.
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
#include <linux/net.h>
#include <linux/sched/mm.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "dm-ddsnap.h"

#define RETRY_MIN_MS 20
#define RETRY_MAX_MS 1000
#define RETRY_REFUSED_MS 3000
#define RETRY_GARBAGE_MS 1000
#define HANDSHAKE_SECONDS 10
#define BYE_SECONDS 2

static bool leaving(struct ddsnap *d)
{
	return !READ_ONCE(d->run) || kthread_should_stop();
}

/* For the status line and, when it is news, the log. */
void ddsnap_set_reason(struct ddsnap *d, const char *reason)
{
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	strscpy(d->reason, reason, sizeof(d->reason));
	spin_unlock_irqrestore(&d->lock, flags);
}

/* ---- the socket ------------------------------------------------------------------------ */

/* Ends every send and receive on the socket; the receiver then closes the session. */
void ddsnap_session_shutdown(struct ddsnap *d)
{
	mutex_lock(&d->sock_mutex);
	if (d->sock)
		kernel_sock_shutdown(d->sock, SHUT_RDWR);
	mutex_unlock(&d->sock_mutex);
}

/*
 * Is it @session that is open, and is the daemon's end still there? A daemon that died has
 * shut our socket down before anyone can take its store over.
 */
bool ddsnap_session_alive(struct ddsnap *d, unsigned int session)
{
	lockdep_assert_held(&d->lock);
	return d->state == DDSNAP_SESSION_OPEN && d->session == session &&
	       READ_ONCE(d->sock->sk->sk_state) == TCP_ESTABLISHED &&
	       !(READ_ONCE(d->sock->sk->sk_shutdown) & RCV_SHUTDOWN);
}

static void set_sock(struct ddsnap *d, struct socket *sock)
{
	unsigned long flags;

	mutex_lock(&d->tx_mutex);
	mutex_lock(&d->sock_mutex);
	spin_lock_irqsave(&d->lock, flags);
	d->sock = sock;
	spin_unlock_irqrestore(&d->lock, flags);
	mutex_unlock(&d->sock_mutex);
	mutex_unlock(&d->tx_mutex);
}

/*
 * Memory may be all dirty pages that wait for what we send. Whoever then looks for memory to
 * reclaim looks for ever: a send takes of the reserves at once, or fails (-ENOBUFS) and is done
 * again. It is little, the credits bound it. The daemon's end: ddsnap-reserves.c.
 *
 * Not sk_set_memalloc(): while any socket has that, packets received from any network are taken out
 * of the reserves, too. Nothing is received from a network here, and a Unix stream's receiver
 * accepts what was allocated this way without it.
 */
static void never_reclaim(struct sock *sk)
{
	sk->sk_allocation = GFP_ATOMIC | __GFP_NOWARN | __GFP_MEMALLOC;
}

static int open_socket(struct ddsnap *d)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct socket *sock;
	int r;

	r = sock_create_kern(&init_net, AF_UNIX, SOCK_STREAM, 0, &sock);
	if (r)
		return r;
	never_reclaim(sock->sk);
	sock->sk->sk_rcvtimeo = HZ;

	strscpy(addr.sun_path, d->socket_path, sizeof(addr.sun_path));
	r = ddsnap_connect(sock, &addr, O_NONBLOCK);
	if (r) {
		sock_release(sock);
		return r;
	}
	d->rx_fill = 0;
	set_sock(d, sock);
	return 0;
}

static void close_socket(struct ddsnap *d)
{
	struct socket *sock = d->sock;

	ddsnap_session_shutdown(d); /* the sender may be blocked in it */
	set_sock(d, NULL);
	sock_release(sock);
}

/* 0 = timed out, for the caller to look around; else what is in the buffer has grown. */
static int receive_some(struct ddsnap *d)
{
	struct msghdr msg = { };
	struct kvec vec = {
		.iov_base = d->rx_buffer + d->rx_fill,
		.iov_len = DDSNAP_RX_BYTES - d->rx_fill,
	};
	int r = kernel_recvmsg(d->sock, &msg, &vec, 1, vec.iov_len, 0);

	if (r == -EAGAIN || r == -EINTR)
		return 0;
	if (r == 0)
		return -ECONNRESET;
	if (r > 0)
		d->rx_fill += r;
	return r;
}

/* The first whole message in the buffer at @at; NULL: not all there; or an error. */
static struct ddsnap_header *next_message(struct ddsnap *d, unsigned int at)
{
	struct ddsnap_header *header = (void *)(d->rx_buffer + at);
	int r;

	if (d->rx_fill - at < sizeof(*header))
		return NULL;
	r = ddsnap_check_header(d, header);
	if (r)
		return ERR_PTR(r);
	return d->rx_fill - at < le32_to_cpu(header->length) ? NULL : header;
}

static void consume(struct ddsnap *d, unsigned int bytes)
{
	d->rx_fill -= bytes;
	memmove(d->rx_buffer, d->rx_buffer + bytes, d->rx_fill);
}

/* ---- opening --------------------------------------------------------------------------- */

/*
 * So that a writer's HELLO can say DDSNAP_FEATURE_DRAINED. The gate opens again with the WELCOME;
 * what ends here is restored, and waits for that, too.
 */
static void drain_earlier_sessions(struct ddsnap *d)
{
	if (d->is_origin || d->read_only)
		return;
	if (!d->closed)
		ddsnap_gate_close(d, -1);
	ddsnap_gate_wait(d);
}

/* HELLO and its answer. */
static int handshake(struct ddsnap *d)
{
	struct ddsnap_header *message;
	unsigned int seconds = 0;
	unsigned int length;
	int r;

	drain_earlier_sessions(d);
	r = ddsnap_send_hello(d);
	while (!r) {
		message = next_message(d, 0);
		if (IS_ERR(message))
			return PTR_ERR(message);
		if (message)
			break;
		r = receive_some(d);
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
		r = ddsnap_welcomed(d, (void *)message);
		consume(d, length);
		return r;
	case DDSNAP_REFUSED:
		return ddsnap_refused(d, (void *)message);
	default:
		DMERR_LIMIT("%s: the daemon answers HELLO with a message of type %u: closing",
			    ddsnap_name(d), le16_to_cpu(message->type));
		return -EPROTO;
	}
}

/* ---- an open session ------------------------------------------------------------------- */

static int handle_messages(struct ddsnap *d)
{
	struct ddsnap_header *message;
	struct blk_plug plug;
	unsigned int at = 0;
	int r = 0;

	blk_start_plug(&plug);
	while (!r && (message = next_message(d, at))) {
		if (IS_ERR(message)) {
			r = PTR_ERR(message);
			break;
		}
		at += le32_to_cpu(message->length);
		r = ddsnap_receive(d, message);
	}
	blk_finish_plug(&plug);
	consume(d, at);
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
	close_socket(d);
	d->control = 0;
	if (!d->is_origin)
		ddsnap_cache_drop(&d->cache);
	if (was_open && !leaving(d))
		DMWARN_LIMIT("%s: lost the connection to %s", ddsnap_name(d), d->socket_path);
}

/* One connection, from beginning to end; returns why it ended. */
static int run_session(struct ddsnap *d)
{
	int r = open_socket(d);

	if (r)
		return r;
	r = leaving(d) ? -ESHUTDOWN : handshake(d);
	if (!r)
		r = handle_messages(d); /* what came together with the WELCOME */
	while (!r) {
		r = receive_some(d);
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
	ddsnap_session_shutdown(d);
	wait_event_idle(d->idle_wait, is_idle(d));
	flush_work(&d->pump_work);

	/* Also waits for end_io() to have let go of the last reference. */
	if (!d->closed)
		ddsnap_gate_close(d, -1);
	ddsnap_gate_wait(d);
	ddsnap_grants_drop(&d->grants, ULONG_MAX);
	spin_lock_irqsave(&d->lock, flags);
	WARN_ON_ONCE(d->deferred_bios);
	d->flags = 0;
	d->has_epoch = false;
	d->invalid = false;
	d->chunk_shift = 0;
	spin_unlock_irqrestore(&d->lock, flags);
	ddsnap_gate_open(d);
}
