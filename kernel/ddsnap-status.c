// SPDX-License-Identifier: GPL-2.0
/*
 * ddsnap-status.c - what `dmsetup status` and `dmsetup table` show.
 *
 * The fields are told one by one in docs/dm-ddsnap.rst. Their order is fixed: new ones are
 * put before the last, which is the reason for not being connected.
 */
#include "dm-ddsnap.h"

/* What the status line ends with. The caller logs it, if it is news. */
void ddsnap_set_reason(struct ddsnap *d, const char *reason)
{
	unsigned long flags;

	spin_lock_irqsave(&d->lock, flags);
	strscpy(d->reason, reason, sizeof(d->reason));
	spin_unlock_irqrestore(&d->lock, flags);
}

static const char *state_name(enum ddsnap_session_state state)
{
	switch (state) {
	case DDSNAP_SESSION_DOWN:
		return "down";
	case DDSNAP_SESSION_STARTING:
		return "starting";
	case DDSNAP_SESSION_WAITING:
		return "waiting";
	case DDSNAP_SESSION_REFUSED:
		return "refused";
	case DDSNAP_SESSION_OPEN:
		return "connected";
	}
	return "unknown";
}

static struct ddsnap_cpu_stats sum(struct ddsnap *d)
{
	struct ddsnap_cpu_stats total = { };
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct ddsnap_cpu_stats *s = per_cpu_ptr(d->cpu_stats, cpu);

		total.passed += s->passed;
		total.discards_dropped += s->discards_dropped;
		total.cache_hits += s->cache_hits;
	}
	return total;
}

/* Four letters, each in its place, or '-': no-snapshots, held, invalid, cached. */
static void flag_letters(struct ddsnap *d, char *letters)
{
	strscpy(letters, "----", DDSNAP_LETTERS);
	if (d->invalid)
		letters[2] = 'i';
	d->ops->letters(d, letters);
}

/* One word, so that the number of fields does not depend on what a daemon says. */
static void one_word(char *text, size_t size)
{
	if (!*text)
		strscpy(text, "-", size);
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			*text = '_';
}

static unsigned int emit_info(struct ddsnap *d, char *result, unsigned int maxlen)
{
	struct ddsnap_cpu_stats cpu = sum(d);
	char reason[DDSNAP_TEXT_LEN], letters[DDSNAP_LETTERS];
	enum ddsnap_session_state state;
	unsigned int sz = 0, deferred_bios, chunk_sectors;
	struct ddsnap_stats stats;
	size_t deferred_bytes;
	unsigned long flags;
	u32 epoch;

	spin_lock_irqsave(&d->lock, flags);
	state = d->state;
	epoch = d->epoch;
	stats = d->stats;
	deferred_bios = d->deferred_bios;
	deferred_bytes = d->deferred_bytes;
	chunk_sectors = d->chunk_shift ? 1u << ddsnap_chunk_sectors_shift(d) : 0;
	flag_letters(d, letters);
	strscpy(reason, d->reason, sizeof(reason));
	spin_unlock_irqrestore(&d->lock, flags);
	one_word(reason, sizeof(reason));

	DMEMIT("%s %s %u %u %s", d->ops->name, state_name(state), epoch, chunk_sectors, letters);
	DMEMIT(" %lu", d->ops->known(d));
	DMEMIT(" %llu %llu %llu %llu", stats.queries, stats.answers, stats.sent, stats.received);
	DMEMIT(" %u %zu %llu", deferred_bios, deferred_bytes, stats.deferred);
	DMEMIT(" %llu %llu", stats.sessions, stats.retries);
	DMEMIT(" %llu %llu %llu", cpu.passed, cpu.discards_dropped, cpu.cache_hits);
	DMEMIT(" %s", reason);
	return sz;
}

/* For a measurement: a backslash before what stands between its values, as dm-ima does in names. */
static const char *escaped(const char *text, char *buffer, size_t size)
{
	size_t at = 0;

	for (; *text && at + 2 < size; text++) {
		if (strchr("\\,;=", *text))
			buffer[at++] = '\\';
		buffer[at++] = *text;
	}
	buffer[at] = '\0';
	return buffer;
}

void ddsnap_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
		   char *result, unsigned int maxlen)
{
	struct ddsnap *d = ti->private;
	char path[2 * UNIX_PATH_MAX];
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		emit_info(d, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %s %s %lld 1 %s", d->store->name, d->origin->name,
		       d->socket_path, d->snapshot,
		       d->fail_if_no_server ? "fail_if_no_server" : "queue_if_no_server");
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",store=%s,origin=%s,socket=%s,snapshot=%lld", d->store->name,
		       d->origin->name, escaped(d->socket_path, path, sizeof(path)), d->snapshot);
		DMEMIT(",fail_if_no_server=%c;", d->fail_if_no_server ? 'y' : 'n');
		break;
	}
}
