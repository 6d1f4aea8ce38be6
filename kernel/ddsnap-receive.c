// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-receive.c - what the daemon says: whole messages out of bytes, and whom they are for.
 *
 * Nothing it says is trusted: a length is checked against the one its type must have before
 * anything is read, ranges and places are checked before they are used, and whatever makes no
 * sense ends the session with a line in the log. (kernel-hostile.test)
 */
#include "dm-ddsnap.h"

static const char *type_name(u16 type)
{
	static const char * const names[] = {
		[DDSNAP_HELLO] = "HELLO",	[DDSNAP_WELCOME] = "WELCOME",
		[DDSNAP_REFUSED] = "REFUSED",	[DDSNAP_WRITE] = "WRITE",
		[DDSNAP_GRANT] = "GRANT",	[DDSNAP_SNAP_READ] = "SNAP_READ",
		[DDSNAP_SNAP_WRITE] = "SNAP_WRITE", [DDSNAP_EXTENTS] = "EXTENTS",
		[DDSNAP_UNLOCK] = "UNLOCK",	[DDSNAP_HOLD] = "HOLD",
		[DDSNAP_HELD] = "HELD",		[DDSNAP_RESUME] = "RESUME",
		[DDSNAP_STATE] = "STATE",	[DDSNAP_INVALID] = "INVALID",
		[DDSNAP_INVALID_ACK] = "INVALID_ACK", [DDSNAP_BYE] = "BYE",
		[DDSNAP_BYE_ACK] = "BYE_ACK",
	};

	return type < ARRAY_SIZE(names) && names[type] ? names[type] : "unknown";
}

/* The length that a message of this type must have, at least; 0 = not one for us. */
static u32 least_length(u16 type)
{
	switch (type) {
	case DDSNAP_WELCOME:
		return sizeof(struct ddsnap_welcome);
	case DDSNAP_REFUSED:
		return sizeof(struct ddsnap_refused);
	case DDSNAP_GRANT:
		return sizeof(struct ddsnap_grant);
	case DDSNAP_EXTENTS:
		return sizeof(struct ddsnap_extents);
	case DDSNAP_HOLD:
	case DDSNAP_RESUME:
	case DDSNAP_STATE:
		return sizeof(struct ddsnap_epoch);
	case DDSNAP_INVALID:
	case DDSNAP_BYE_ACK:
		return sizeof(struct ddsnap_header);
	default:
		return 0;
	}
}

/* From the header alone, before the rest has come. */
static int check_header(struct ddsnap *d, const struct ddsnap_header *header)
{
	u32 length = le32_to_cpu(header->length);
	u16 type = le16_to_cpu(header->type);
	u32 least = least_length(type);

	if (least && length == least)
		return 0;
	if (type == DDSNAP_EXTENTS && length > least && length <= DDSNAP_MAX_MESSAGE &&
	    (length - least) % sizeof(struct ddsnap_extent) == 0)
		return 0;
	DMERR_LIMIT("%s: the daemon sent a message of type %u (%s) and length %u: closing",
		    ddsnap_name(d), type, type_name(type),
		    length);
	return -EPROTO;
}

/* The first whole message in the buffer at @at; NULL: not all there; or an error. */
struct ddsnap_header *ddsnap_next_message(struct ddsnap *d, unsigned int at)
{
	struct ddsnap_header *header = (void *)(d->rx_buffer + at);
	int r;

	if (d->rx_fill - at < sizeof(*header))
		return NULL;
	r = check_header(d, header);
	if (r)
		return ERR_PTR(r);
	return d->rx_fill - at < le32_to_cpu(header->length) ? NULL : header;
}

/* The messages in the first @bytes of the buffer have been done. */
void ddsnap_consume(struct ddsnap *d, unsigned int bytes)
{
	d->rx_fill -= bytes;
	memmove(d->rx_buffer, d->rx_buffer + bytes, d->rx_fill);
}

/* A whole message of an open session. Negative = close it. */
int ddsnap_receive(struct ddsnap *d, const struct ddsnap_header *header)
{
	u16 type = le16_to_cpu(header->type);
	unsigned long flags;
	int r;

	spin_lock_irqsave(&d->lock, flags);
	d->stats.received++;
	if (type == DDSNAP_GRANT || type == DDSNAP_EXTENTS)
		d->stats.answers++;
	spin_unlock_irqrestore(&d->lock, flags);

	if (type == DDSNAP_BYE_ACK && !READ_ONCE(d->run))
		return -ESHUTDOWN;
	r = d->ops->receive(d, header, type);
	if (r == -EPROTO)
		DMERR_LIMIT("%s: the daemon sent an unexpected %s: closing",
			    ddsnap_name(d), type_name(type));
	return r;
}
