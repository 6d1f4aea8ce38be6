/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ddsnap-protocol.h - the messages between ddsnapd and its clients.
 *
 * This file is the only definition of the data protocol. Clients are the kernel
 * target dm-ddsnap and the C++ client library (ddsnapd/client/). Both speak over
 * one AF_UNIX stream socket per device. docs/protocol.md describes the same
 * messages in prose, with the order in which they may come.
 *
 * Everything is little-endian and fixed in size. Every message begins with
 * struct ddsnap_header, whose length covers the whole message. A receiver that
 * sees an unknown type, a wrong length or a message out of order closes the
 * connection and says why in its log; nothing else depends on the peer's
 * goodwill.
 *
 * Units: a "chunk" is 1 << chunk_shift bytes of the origin, numbered from 0. A
 * "sector" is 512 bytes.
 */
#ifndef DDSNAP_PROTOCOL_H
#define DDSNAP_PROTOCOL_H

#include <linux/types.h>

#define DDSNAP_MAGIC 0x70736464u /* "ddsp" read as little-endian bytes 'd','d','s','p' */
#define DDSNAP_VERSION 1	 /* version this file describes */
#define DDSNAP_VERSION_MIN 1	 /* oldest version a peer of this file can speak */

/* No message is longer. A longer one closes the connection. */
#define DDSNAP_MAX_MESSAGE 4096u
/* Chunks that one WRITE, SNAP_READ or SNAP_WRITE may name, at most. */
#define DDSNAP_MAX_RANGE 1024u
/* Extents in one EXTENTS message, at most: (4096 - 32) / 24 = 169, rounded down. */
#define DDSNAP_MAX_EXTENTS 168u

#define DDSNAP_UUID_LEN 16u
#define DDSNAP_NAME_LEN 128u
#define DDSNAP_TEXT_LEN 128u

/* The type of a message. (c) = sent by a client, (d) = sent by the daemon. */
enum ddsnap_type {
	DDSNAP_HELLO = 1, /* (c) first message of a connection */
	DDSNAP_WELCOME = 2, /* (d) the answer: the session is open */
	DDSNAP_REFUSED = 3, /* (d) the answer: no session, with the reason; then close */

	DDSNAP_WRITE = 4, /* (c, origin) may these chunks be overwritten? */
	DDSNAP_GRANT = 5, /* (d) yes, until the epoch changes; also sent unasked */

	DDSNAP_SNAP_READ = 6, /* (c, snapshot) where are these chunks? */
	DDSNAP_SNAP_WRITE = 7, /* (c, snapshot) make these chunks writable: where are they? */
	DDSNAP_EXTENTS = 8, /* (d) the answer to both */
	DDSNAP_UNLOCK = 9, /* (c, snapshot) the reads of an answer with origin extents have ended */

	DDSNAP_HOLD = 10, /* (d, to origin) stop issuing writes, drain those in flight */
	DDSNAP_HELD = 11, /* (c, origin) done */
	DDSNAP_RESUME = 12, /* (d, to origin) go on, in the epoch given */
	DDSNAP_STATE = 13, /* (d, to origin) flags have changed within the epoch */

	DDSNAP_INVALID = 14, /* (d, to snapshot) squashed: fail all I/O, drain it */
	DDSNAP_INVALID_ACK = 15, /* (c, snapshot) drained; no extent of this session is in use */

	DDSNAP_BYE = 16, /* (c) the device goes away: nothing in flight, no grant kept */
	DDSNAP_BYE_ACK = 17, /* (d) the detachment is durable; close */
};

/* 16 bytes. id: chosen by the client for its requests, echoed by the answer; 0 if unasked. */
struct ddsnap_header {
	__le32 length; /* bytes of the whole message, this header included */
	__le16 type; /* enum ddsnap_type */
	__le16 reserved; /* 0 */
	__le64 id;
};

/* ---- opening a session -------------------------------------------------------------- */

enum ddsnap_role {
	DDSNAP_ROLE_ORIGIN = 1,
	DDSNAP_ROLE_SNAPSHOT = 2,
};

enum ddsnap_client_kind {
	DDSNAP_CLIENT_KERNEL = 1, /* major:minor and name identify a mapped device */
	DDSNAP_CLIENT_PROCESS = 2, /* the peer's process (SO_PEERCRED) and its start time */
};

/* ddsnap_hello.flags */
#define DDSNAP_HELLO_READ_ONLY (1u << 0) /* will send no WRITE or SNAP_WRITE */

/*
 * Optional features. A daemon ignores unknown bits, a client refuses what it has not offered.
 *
 * DRAINED, of a client that writes to a snapshot: its I/O of earlier sessions has ended, all of
 * it. Until WELCOME nothing is written, then, and what was written to the snapshot can be moved.
 */
#define DDSNAP_FEATURE_DRAINED (1ull << 0)
#define DDSNAP_FEATURES DDSNAP_FEATURE_DRAINED

/* 16 + 240 = 256 bytes */
struct ddsnap_hello {
	struct ddsnap_header header;
	__le32 magic; /* DDSNAP_MAGIC */
	__le16 version; /* newest version the client speaks */
	__le16 version_min; /* oldest version the client speaks */
	__le64 features;
	__le32 role; /* enum ddsnap_role */
	__le32 flags; /* DDSNAP_HELLO_* */
	__le64 snapshot; /* number of the snapshot; 0 for the origin */
	__le64 sectors; /* length of the client's device; 0 = not checked */
	__u8 volume[DDSNAP_UUID_LEN]; /* expected volume; all zero = any */
	/*
	 * Random, chosen once when the device (table) is made and kept through
	 * reconnects: a HELLO with the id of an attached client is that client
	 * coming back with its grants.
	 */
	__u8 client[DDSNAP_UUID_LEN];
	__le32 kind; /* enum ddsnap_client_kind */
	__le32 major; /* of the mapped device, kernel clients only */
	__le32 minor;
	__le32 epoch; /* epoch of the grants the client still holds; 0 = none */
	/*
	 * The snapshot that this client had open before; all zero = any. Numbers may be given
	 * again, uuids are not: another snapshot of the number is refused as NO_SNAPSHOT.
	 */
	__u8 snapshot_uuid[DDSNAP_UUID_LEN];
	__le64 reserved; /* 0 */
	char name[DDSNAP_NAME_LEN]; /* of the mapped device or program, NUL-terminated */
};

/* ddsnap_welcome.flags, ddsnap_epoch.flags */
#define DDSNAP_FLAG_NO_SNAPSHOTS (1u << 0) /* all origin writes may pass in this epoch */
#define DDSNAP_FLAG_MAY_CACHE (1u << 1) /* snapshot: STORE and ZERO extents stay true while the session lives */
#define DDSNAP_FLAG_SQUASHED (1u << 2) /* snapshot: all I/O is to fail */

/* 16 + 80 = 96 bytes */
struct ddsnap_welcome {
	struct ddsnap_header header; /* id: that of the HELLO */
	__le16 version; /* the version spoken from here on */
	__le16 chunk_shift; /* 12 … 20 */
	__le32 flags; /* DDSNAP_FLAG_* */
	__le64 features; /* those of both sides */
	/*
	 * The current epoch. A client that holds grants of another epoch drops
	 * them; one that holds grants of this epoch keeps them (invariant I2).
	 */
	__le32 epoch;
	__le32 credits; /* requests a client may have unanswered (or locked) at once */
	__le32 max_range; /* chunks in one request, at most; <= DDSNAP_MAX_RANGE */
	__le32 reserved;
	__le64 sectors; /* length of the origin, or of the snapshot */
	__u8 volume[DDSNAP_UUID_LEN];
	__le64 session; /* never the same twice in a daemon's life; for logs */
	__u8 snapshot_uuid[DDSNAP_UUID_LEN]; /* origin, or a daemon that does not say: zeros */
};

/* ddsnap_refused.reason; also ddsnap_grant.status and ddsnap_extents.status, 0 = ok */
enum ddsnap_status {
	DDSNAP_OK = 0,
	DDSNAP_ERR_VERSION = 1, /* no common version */
	DDSNAP_ERR_VOLUME = 2, /* another volume than expected */
	DDSNAP_ERR_NO_SNAPSHOT = 3, /* no such snapshot */
	DDSNAP_ERR_SQUASHED = 4, /* the snapshot was squashed */
	DDSNAP_ERR_BUSY = 5, /* another client is attached in this role */
	DDSNAP_ERR_SIZE = 6, /* the device is larger than the origin or snapshot */
	DDSNAP_ERR_RANGE = 7, /* chunks beyond the end */
	DDSNAP_ERR_IO = 8, /* a device failed */
	DDSNAP_ERR_NO_SPACE = 9, /* store full and nothing may be squashed */
	DDSNAP_ERR_CORRUPT = 10, /* a checksum did not match */
	DDSNAP_ERR_STOPPING = 11, /* the daemon is shutting down: connect again later */
	DDSNAP_ERR_INVALID = 12, /* malformed request */
};

/* 16 + 8 + 128 = 152 bytes */
struct ddsnap_refused {
	struct ddsnap_header header;
	__le32 reason; /* enum ddsnap_status */
	__le32 reserved;
	char text[DDSNAP_TEXT_LEN]; /* for the log and the user, NUL-terminated */
};

/* ---- origin -------------------------------------------------------------------------- */

/*
 * 32 bytes: WRITE, SNAP_READ, SNAP_WRITE. epoch: WRITE only, the client's epoch. A WRITE of
 * another epoch than the daemon's is dropped without an answer: a RESUME is on its way, after
 * which the client asks again for everything it still wants.
 */
struct ddsnap_request {
	struct ddsnap_header header;
	__le64 first; /* chunk */
	__le32 count; /* chunks, 1 … max_range */
	__le32 epoch;
};

/*
 * 40 bytes. Chunks first … first + count - 1 may be overwritten until the epoch changes. An
 * answer (id != 0) covers at least what was asked, if status is 0; with another status the
 * request failed and nothing is granted. Grants of another epoch than the client's are ignored.
 */
struct ddsnap_grant {
	struct ddsnap_header header;
	__le64 first;
	__le32 count;
	__le32 epoch;
	__le32 status; /* enum ddsnap_status */
	__le32 reserved;
};

/*
 * 24 bytes: HOLD, HELD, RESUME, STATE.
 *
 * HOLD(epoch = the current one): the client issues no further origin write, waits for those in
 * flight to complete, and answers HELD(epoch). From then on it sends no WRITE.
 * RESUME(epoch): if it differs from the client's, the client drops every grant, forgets every
 * unanswered WRITE, takes the new epoch and asks again for what is still deferred; if it is the
 * same, the snapshot was not created and everything stays as it was. Either way it takes over
 * the flags and issues writes again. A client whose session breaks between HOLD and RESUME stays
 * held until the next WELCOME, which tells the epoch.
 * STATE(epoch = the current one): takes over the flags (the last snapshot is gone).
 */
struct ddsnap_epoch {
	struct ddsnap_header header;
	__le32 epoch;
	__le32 flags; /* RESUME and STATE: DDSNAP_FLAG_NO_SNAPSHOTS or 0 */
};

/* ---- snapshot ------------------------------------------------------------------------ */

enum ddsnap_extent_kind {
	DDSNAP_EXTENT_STORE = 1, /* at `sector` of the snapshot store */
	DDSNAP_EXTENT_ZERO = 2, /* reads as zeros */
	DDSNAP_EXTENT_ORIGIN = 3, /* at the same place of the origin, locked until UNLOCK(id) */
};

/* 24 bytes */
struct ddsnap_extent {
	__le64 first; /* chunk */
	__le64 sector; /* of the snapshot store, kind STORE only; else 0 */
	__le32 count; /* chunks */
	__le32 kind; /* enum ddsnap_extent_kind */
};

/*
 * 32 + extents * 24 bytes. Extents are in order of chunks, without gaps, and begin at the first
 * chunk asked for; they may end before the last one asked for (then the client asks again for
 * the rest). SNAP_WRITE is answered with STORE extents only, already durable in the metadata:
 * making the client's own data durable needs no more than a flush of the store device.
 * An answer that holds an ORIGIN extent keeps its credit until UNLOCK with the same id.
 *
 * An extent (cached or just received) is worth what its session is worth: I/O that completes
 * after the session has broken is asked for and done again.
 */
struct ddsnap_extents {
	struct ddsnap_header header;
	__le32 status; /* enum ddsnap_status; if not 0, extents is 0 */
	__le32 extents;
	__le64 reserved;
	/* struct ddsnap_extent[extents] follows */
};

/* UNLOCK, INVALID, INVALID_ACK, BYE, BYE_ACK: the header alone (UNLOCK: id of the SNAP_READ). */

#ifdef __cplusplus
#define DDSNAP_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), #type)
#else
#define DDSNAP_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#endif

DDSNAP_ASSERT_SIZE(struct ddsnap_header, 16);
DDSNAP_ASSERT_SIZE(struct ddsnap_hello, 256);
DDSNAP_ASSERT_SIZE(struct ddsnap_welcome, 96);
DDSNAP_ASSERT_SIZE(struct ddsnap_refused, 152);
DDSNAP_ASSERT_SIZE(struct ddsnap_request, 32);
DDSNAP_ASSERT_SIZE(struct ddsnap_grant, 40);
DDSNAP_ASSERT_SIZE(struct ddsnap_epoch, 24);
DDSNAP_ASSERT_SIZE(struct ddsnap_extent, 24);
DDSNAP_ASSERT_SIZE(struct ddsnap_extents, 32);

#endif /* DDSNAP_PROTOCOL_H */
