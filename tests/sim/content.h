// SPDX-License-Identifier: GPL-2.0
// The model of what a device with a volatile write cache may contain, sector by sector.
//
// A sector has one durable value and a history of writes since. While the device runs it reads as the last
// completed write; a write that is under way, or whose writer died, may or may not show. After a power cut
// it reads as the durable value or any of the writes since. Reading a sector decides what was open.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/stamp.h"

namespace sim {

class Content {
public:
    Content() = default;
    explicit Content(std::uint64_t sectors) : durable_(sectors, 0) {}

    std::uint64_t sectors() const noexcept { return durable_.size(); }

    // A copy whose present values are all durable: what a snapshot taken now must hold for ever.
    Content freeze() const;

    // Only the first sectors are kept.
    void truncate(std::uint64_t sectors);
    // Written by somebody else, durably; nothing that was open before counts any more.
    void overwrite(std::uint64_t sector, Stamp stamp);

    void write_started(std::uint64_t first, std::uint64_t count, Stamp stamp);
    void write_done(std::uint64_t first, std::uint64_t count, Stamp stamp);
    // The writer died: it may or may not have been executed, and nobody will ever say.
    void write_lost(std::uint64_t first, std::uint64_t count, Stamp stamp);

    std::uint64_t now() const noexcept { return clock_; } // counts completed writes
    // A flush covers what had completed when it was submitted.
    void flush_done(std::uint64_t started);

    void power_cut();

    // Has a write of the sector been completed since now() gave `since`? Then a read that began
    // there may have seen the value before.
    bool written_since(std::uint64_t sector, std::uint64_t since) const;

    bool allowed(std::uint64_t sector, Stamp seen) const;
    // Notes that the sector read as `seen`, which must be allowed(). `quiet`: the last I/O of every dead
    // writer has ended. Before that, what a dead writer left open stays open: it may still be executed.
    void observe(std::uint64_t sector, Stamp seen, bool quiet);
    // The sector's value, if there is only one that it may have now.
    std::optional<Stamp> known(std::uint64_t sector) const;
    // The values that the sector may have now, for messages.
    std::string expectation(std::uint64_t sector) const;

private:
    enum class State : std::uint8_t { under_way, done, lost, cut };
    struct Write {
        Stamp stamp;
        State state;
        std::uint64_t when; // clock at completion
    };
    using History = std::vector<Write>;

    template <class Function>
    void change(std::uint64_t first, std::uint64_t count, Stamp stamp, Function function);
    Stamp value(std::uint64_t sector) const;

    std::vector<Stamp> durable_;
    std::map<std::uint64_t, History> writes_;          // sectors with writes that are not known durable
    std::map<std::uint64_t, std::uint64_t> completed_; // sectors: clock of the last write
    std::uint64_t clock_ = 0;
};

} // namespace sim
