// SPDX-License-Identifier: GPL-2.0
#include "sim/setup.h"

#include <algorithm>

#include <fmt/format.h>

#include "sim/stamp.h"

namespace sim {

Setup choose_setup(Rng& rng, unsigned operations)
{
    Setup s;
    const std::uint64_t size = rng.below(10);
    s.chunk_shift = size < 7 ? 12 : size < 9 ? 14 : 16;
    const std::uint64_t chunks = s.chunk_shift == 12   ? rng.between(64, rng.percent(20) ? 512 : 200)
                                 : s.chunk_shift == 14 ? rng.between(64, 128)
                                                       : rng.between(16, 48);
    s.origin_sectors = chunks * s.chunk_sectors();
    if (rng.percent(50)) {
        s.origin_sectors -= rng.below(s.chunk_sectors());
    }
    s.snapshot_limit = static_cast<unsigned>(rng.between(2, 9));
    s.ample = rng.percent(60);
    s.resizes = rng.percent(40);
    s.capacity = s.origin_sectors;
    if (s.resizes) { // whole blocks, so that a volume's last write does not reach beyond its end
        s.origin_sectors -= s.origin_sectors % kSectorsPerBlock;
        s.capacity = s.origin_sectors + rng.below(chunks / 2) * s.chunk_sectors();
    }
    // Room for what live snapshots can need: a shared and a private copy of each chunk for each of them, and
    // as much again for what has been deleted and not swept yet.
    s.store_chunks = s.ample ? (s.capacity / s.chunk_sectors() + 1) * (3 * s.snapshot_limit + 6)
                             : rng.between(0, rng.percent(30) ? chunks : 24);
    s.separate_meta = rng.percent(40);
    s.journal_bytes = 4096 * rng.between(16, 48);
    s.process_client = rng.percent(30);
    s.origin_latency = rng.percent(30) ? 600 : 80;
    s.store_latency = rng.percent(30) ? 400 : 60;
    s.reconnect = rng.percent(40) ? 8000 : 400;
    s.gap = rng.percent(50) ? 40 : 250;
    s.zero_percent = static_cast<unsigned>(rng.between(5, 50));
    s.rounds = static_cast<unsigned>(rng.between(2, 5));
    s.operations =
        operations != 0 ? std::max(1U, operations / s.rounds) : static_cast<unsigned>(rng.between(40, 220));
    s.credits = static_cast<std::uint32_t>(rng.percent(30) ? rng.between(2, 4) : 32);
    s.max_extents = static_cast<std::uint32_t>(rng.percent(30) ? rng.between(1, 3) : 32);
    if (s.resizes && rng.percent(50)) { // a store that fills up: what is in use lies all over it
        s.store_shrinks = true;
        s.ample = false;
        s.store_chunks = rng.between(24, 100);
    }
    return s;
}

std::string Setup::describe() const
{
    return fmt::format(
        "{} chunks of {} bytes, origin {} sectors, store of {} chunks ({}){}, journal {}, {} rounds "
        "of {} operations, {} client{}",
        chunks(), 1U << chunk_shift, origin_sectors, store_chunks, ample ? "ample" : "small",
        separate_meta ? ", own metadata device" : "", journal_bytes, rounds, operations,
        process_client ? "process" : "kernel",
        store_shrinks ? ", resized, the store mostly"
        : resizes     ? ", resized"
                      : "");
}

} // namespace sim
