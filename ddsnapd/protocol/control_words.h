// SPDX-License-Identifier: GPL-2.0
// The words of the control protocol, for both sides. What they mean is in docs/control.md; a word that is
// changed here is a change of the protocol.
#pragma once

namespace ddsnap::control {

// What `op` may say.
namespace ops {
inline constexpr const char* hello = "hello";
inline constexpr const char* create = "create";
inline constexpr const char* remove = "delete";
inline constexpr const char* list = "list";
inline constexpr const char* get = "get";
inline constexpr const char* priority = "priority";
inline constexpr const char* usecount = "usecount";
inline constexpr const char* status = "status";
inline constexpr const char* checkpoint = "checkpoint";
inline constexpr const char* quiesce = "quiesce";
inline constexpr const char* check = "check";
inline constexpr const char* resize = "resize";
inline constexpr const char* delta = "delta";
inline constexpr const char* metrics = "metrics";
inline constexpr const char* shutdown = "shutdown";
} // namespace ops

namespace fields {
// of every request and answer
inline constexpr const char* op = "op";
inline constexpr const char* ok = "ok";
inline constexpr const char* error = "error";
inline constexpr const char* code = "code";
inline constexpr const char* message = "message";

// of requests
inline constexpr const char* snapshot = "snapshot";
inline constexpr const char* name = "name";
inline constexpr const char* tag = "tag";
inline constexpr const char* priority = "priority";
inline constexpr const char* timeout_ms = "timeout_ms";
inline constexpr const char* uuid = "uuid";
inline constexpr const char* created_ns = "created_ns";
inline constexpr const char* force = "force";
inline constexpr const char* diff = "diff";
inline constexpr const char* data = "data";
inline constexpr const char* origin_sectors = "origin_sectors";
inline constexpr const char* store_bytes = "store_bytes";
inline constexpr const char* meta_bytes = "meta_bytes";
inline constexpr const char* from = "from";
inline constexpr const char* to = "to";
inline constexpr const char* start = "start";
inline constexpr const char* limit = "limit";

// of answers
inline constexpr const char* daemon = "daemon";
inline constexpr const char* version = "version";
inline constexpr const char* protocol = "protocol";
inline constexpr const char* pid = "pid";
inline constexpr const char* volume = "volume";
inline constexpr const char* store = "store";
inline constexpr const char* origin = "origin";
inline constexpr const char* meta = "meta";
inline constexpr const char* data_socket = "data_socket";
inline constexpr const char* snapshots = "snapshots";
inline constexpr const char* use_count = "use_count";
inline constexpr const char* text = "text";
inline constexpr const char* exceptions = "exceptions";
inline constexpr const char* data_verified = "data_verified";
inline constexpr const char* leaked_chunks = "leaked_chunks";
inline constexpr const char* damage = "damage";
inline constexpr const char* damage_found = "damage_found";
inline constexpr const char* ranges = "ranges";
inline constexpr const char* next = "next";
inline constexpr const char* done = "done";
inline constexpr const char* from_epoch = "from_epoch";
inline constexpr const char* to_epoch = "to_epoch";

// of a snapshot
inline constexpr const char* id = "id";
inline constexpr const char* epoch = "epoch";
inline constexpr const char* created = "created";
inline constexpr const char* sectors = "sectors";
inline constexpr const char* state = "state";
inline constexpr const char* clients = "clients";

// of a volume
inline constexpr const char* chunk_size = "chunk_size";
inline constexpr const char* store_chunks = "store_chunks";
inline constexpr const char* free_chunks = "free_chunks";
inline constexpr const char* pending_chunks = "pending_chunks";
inline constexpr const char* meta_blocks = "meta_blocks";
inline constexpr const char* free_meta_blocks = "free_meta_blocks";
inline constexpr const char* journal_blocks = "journal_blocks";
inline constexpr const char* journal_used = "journal_used";
inline constexpr const char* sweeping = "sweeping";
inline constexpr const char* failure = "failure";
inline constexpr const char* given_up = "given_up";
inline constexpr const char* lost_chunks = "lost_chunks";
inline constexpr const char* lost = "lost";
inline constexpr const char* bad_chunks = "bad_chunks";
inline constexpr const char* origin_samples = "origin_samples";
inline constexpr const char* policy = "policy";
inline constexpr const char* uptime_ms = "uptime_ms";
inline constexpr const char* counters = "counters";

// of a client
inline constexpr const char* role = "role";
inline constexpr const char* kind = "kind";
inline constexpr const char* device = "device";
inline constexpr const char* connected = "connected";
inline constexpr const char* attached = "attached";

// of a lost chunk, and of damage
inline constexpr const char* chunk = "chunk";
inline constexpr const char* what = "what";
inline constexpr const char* where = "where";
} // namespace fields

// What a field may say.
namespace values {
inline constexpr const char* ddsnapd = "ddsnapd";
inline constexpr const char* origin = "origin";
inline constexpr const char* snapshot = "snapshot";
inline constexpr const char* kernel = "kernel";
inline constexpr const char* process = "process";
inline constexpr const char* normal = "normal";
inline constexpr const char* squashed = "squashed";
inline constexpr const char* failed = "failed";
inline constexpr const char* snapshot_first = "snapshot-first";
inline constexpr const char* origin_first = "origin-first";
} // namespace values

// What `code` may say.
namespace codes {
inline constexpr const char* not_found = "not_found";
inline constexpr const char* exists = "exists";
inline constexpr const char* busy = "busy";
inline constexpr const char* squashed = "squashed";
inline constexpr const char* invalid = "invalid";
inline constexpr const char* no_space = "no_space";
inline constexpr const char* io_error = "io_error";
inline constexpr const char* corrupt = "corrupt";
inline constexpr const char* failed = "failed";
inline constexpr const char* stopping = "stopping";
inline constexpr const char* timeout = "timeout";
inline constexpr const char* detached = "detached";
inline constexpr const char* unsupported = "unsupported";
} // namespace codes

} // namespace ddsnap::control
