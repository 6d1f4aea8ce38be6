// SPDX-License-Identifier: GPL-2.0
// Everything about a run that a seed chooses before it begins.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/rng.h"
#include "sim/scheduler.h"

namespace sim {

// Bugs that live in the simulated clients; those of engine and service are in their planted_bugs.h.
enum class ClientBug : std::uint8_t { none, read_on_dead_lock, held_before_drained, grants_outlive_epoch };

struct Setup {
    std::uint32_t chunk_shift = 12;
    std::uint64_t origin_sectors = 0;
    std::uint64_t store_chunks = 0; // beside the few that the smallest store has
    std::uint64_t capacity = 0;     // sectors of the origin's device, at least origin_sectors
    bool resizes = false;
    bool store_shrinks = false; // often
    bool separate_meta = false; // a metadata device
    std::uint64_t journal_bytes = 0;
    bool ample = true;           // the store holds every copy that can be made
    bool process_client = false; // the origin's client is a process, which can be killed alone
    Micros origin_latency = 80;
    Micros store_latency = 80;
    Micros reconnect = 500;
    Micros gap = 60; // between operations
    unsigned zero_percent = 20;
    unsigned snapshot_limit = 8;
    unsigned rounds = 4;       // crashes, but for those during recovery
    unsigned operations = 150; // in each round
    std::uint32_t credits = 16;
    std::uint32_t max_extents = 8;

    std::uint32_t chunk_sectors() const { return 1U << (chunk_shift - 9U); }
    std::uint64_t chunks() const { return (origin_sectors + chunk_sectors() - 1) / chunk_sectors(); }
    std::string describe() const;
};

// `operations`: in all rounds together; 0 = the seed's choice.
Setup choose_setup(Rng& rng, unsigned operations);

} // namespace sim
