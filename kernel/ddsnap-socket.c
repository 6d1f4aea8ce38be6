// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-socket.c - the connection to the daemon: opening, closing, bytes out and in.
 *
 * What the bytes mean is not known here. The receiver's thread opens and closes the socket; the
 * sender may be blocked in it meanwhile, and anybody may shut it down.
 */
#include <linux/jiffies.h>
#include <linux/net.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "dm-ddsnap.h"

#define MEMORY_RETRY_MS 2

/* Ends every send and receive on the socket; the receiver then closes the session. */
void ddsnap_socket_shutdown(struct ddsnap *d)
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
bool ddsnap_socket_alive(struct ddsnap *d, unsigned int session)
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

/* Receiving ends once a second, until ddsnap_socket_no_timeout(). */
int ddsnap_socket_open(struct ddsnap *d)
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

void ddsnap_socket_close(struct ddsnap *d)
{
	struct socket *sock = d->sock;

	ddsnap_socket_shutdown(d); /* the sender may be blocked in it */
	set_sock(d, NULL);
	sock_release(sock);
}

/* From here on only a shutdown ends the wait for bytes that do not come. */
void ddsnap_socket_no_timeout(struct ddsnap *d)
{
	d->sock->sk->sk_rcvtimeo = MAX_SCHEDULE_TIMEOUT;
}

/* Waits for memory without looking for it; see never_reclaim(). A shutdown ends that, too. */
int ddsnap_socket_send(struct ddsnap *d, void *data, size_t bytes)
{
	size_t sent = 0;

	while (sent < bytes) {
		struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };
		struct kvec vec = { .iov_base = data + sent, .iov_len = bytes - sent };
		int r = kernel_sendmsg(d->sock, &msg, &vec, 1, vec.iov_len);

		if (r == -ENOBUFS || r == -ENOMEM) {
			schedule_timeout_uninterruptible(msecs_to_jiffies(MEMORY_RETRY_MS));
			continue;
		}
		if (r <= 0)
			return r ?: -EPIPE;
		sent += r;
	}
	return 0;
}

/* 0 = timed out, for the caller to look around; else what is in the buffer has grown. */
int ddsnap_socket_receive(struct ddsnap *d)
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
