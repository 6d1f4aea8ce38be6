// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/counters.h"

#include <fmt/format.h>

#include "ddsnapd/daemon/control_json.h"

namespace ddsnap::daemon {

std::vector<Counter> all_counters(const ControlContext& context)
{
    const auto& e = context.service.store().counters();
    const auto& s = context.service.counters();
    std::vector<Counter> all{
        {"copied_chunks", e.copied_chunks, "Chunks copied out, zero ones included"},
        {"zero_chunks", e.zero_chunks, "Chunks copied out that were all zeros"},
        {"origin_reads", e.origin_reads, "Read requests to the origin"},
        {"store_writes", e.store_writes, "Data write requests to the store"},
        {"store_bytes", e.store_bytes, "Data bytes written to the store"},
        {"commits", e.commits, "Journal commits"},
        {"journal_blocks", e.journal_blocks, "Journal blocks written"},
        {"flushes", e.flushes, "Device flushes"},
        {"checkpoints", e.checkpoints, "Checkpoints"},
        {"node_writes", e.node_writes, "Tree nodes written"},
        {"swept_entries", e.swept_entries, "Exceptions removed in the background"},
        {"squashed", e.squashed, "Snapshots squashed because the store was full"},
        {"delta_nodes", e.delta_nodes, "Tree nodes looked into for deltas"},
        {"moved_chunks", e.moved_chunks, "Chunks moved because the store was made smaller"},
        {"messages_in", s.messages_in, "Messages from devices"},
        {"messages_out", s.messages_out, "Messages to devices"},
        {"grants", s.grants, "Grants given"},
        {"stale_writes", s.stale_writes, "Write requests dropped because their epoch was over"},
        {"lock_waits", s.lock_waits, "Write requests that waited for a snapshot reader"},
        {"sessions", s.sessions, "Sessions opened"},
        {"refused", s.refused, "Sessions refused"},
        {"protocol_errors", s.protocol_errors, "Sessions closed for what their client sent"},
        {"slow_clients", s.slow_clients, "Sessions closed because their client did not read"},
        {"barriers", s.barriers, "Epoch barriers completed"},
        {"barrier_failures", s.barrier_failures, "Epoch barriers given up"},
        {"io_errors", context.io_errors(), "Device requests that failed"},
        {"log_dropped", context.log_dropped(), "Log lines dropped"},
    };
    if (context.allocations) {
        all.push_back({"allocations", (*context.allocations)(), "Heap allocations of the daemon's thread"});
    }
    return all;
}

std::string metrics_text(const ControlContext& context)
{
    const auto info = context.service.store().info();
    const auto chunk = std::uint64_t{1} << info.chunk_shift;
    std::string text;
    for (const Counter& c : all_counters(context)) {
        text += fmt::format(
            "# HELP ddsnapd_{0}_total {1}.\n# TYPE ddsnapd_{0}_total counter\nddsnapd_{0}_total {2}\n",
            c.name, c.help, c.value);
    }
    const Counter gauges[] = {
        {"store_size_bytes", info.store_chunks * chunk, "Data area of the store"},
        {"store_free_bytes", info.free_chunks * chunk, "Unused, usable now"},
        {"store_pending_bytes", info.pending_chunks * chunk, "Freed, usable after the next checkpoint"},
        {"meta_blocks", info.meta_blocks, "Metadata blocks"},
        {"meta_free_blocks", info.free_meta_blocks, "Metadata blocks unused"},
        {"journal_size_blocks", info.journal_blocks, "Journal ring"},
        {"journal_used_blocks", info.journal_used, "Journal ring in use"},
        {"exceptions", info.exceptions, "Entries of the exception tree"},
        {"snapshots", info.snapshots, "Snapshots that can be read"},
        {"sweeping", info.sweeping ? 1u : 0u, "A deletion is being swept"},
        {"failed", info.failed ? 1u : 0u, "An I/O error has put the store out of service"},
        {"clients", context.service.clients().size(), "Devices connected or attached"},
        {"uptime_seconds", (context.now() - context.started_ns) / 1'000'000'000, "Since the daemon's start"},
    };
    for (const Counter& g : gauges) {
        text += fmt::format("# HELP ddsnapd_{0} {1}.\n# TYPE ddsnapd_{0} gauge\nddsnapd_{0} {2}\n", g.name,
                            g.help, g.value);
    }
    return text;
}

} // namespace ddsnap::daemon
