// SPDX-License-Identifier: GPL-2.0
// A simulated block device, deterministic by seed: requests complete in random order, completed writes stay
// in a volatile cache until a flush, a power cut keeps any subset of what was not flushed, torn at sectors.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "snapstore/block_device.h"

namespace zumastor::test {

using snapstore::BlockDevice;
using snapstore::Bytes;
using snapstore::IoRequest;
using snapstore::IoStatus;

using Random = std::mt19937_64;

class SimDisk final : public BlockDevice {
public:
    struct Counters {
        std::uint64_t reads = 0;
        std::uint64_t writes = 0;
        std::uint64_t flushes = 0;
        std::uint64_t bytes_read = 0;
        std::uint64_t bytes_written = 0;
    };

    SimDisk(Bytes size, Random& random);

    Bytes size() const noexcept override { return size_; }
    void submit(IoRequest& request) noexcept override;

    // Executes and completes one of the requests in flight. False if there is none.
    bool pump();
    std::size_t in_flight() const noexcept { return pending_.size(); }

    // The power fails: of the writes not flushed, in flight ones included, any subset survives, torn at
    // blocks or 512-byte sectors; a sector ends as any of its versions since the last flush. From now on
    // every request fails, at pump(), until restore().
    void power_cut();
    // The program dies, the disk lives on: each request in flight is executed or not.
    void abandon();
    // Ends power_cut()'s or abandon()'s failing.
    void restore() noexcept { dead_ = false; }
    bool dead() const noexcept { return dead_; }

    // The `countdown`th request from now fails (1 = the next); with `forever` all later ones, too. 0 = none.
    void fail_request(std::uint64_t countdown, bool forever = false) noexcept
    {
        fail_countdown_ = countdown;
        fail_forever_ = forever;
    }
    bool fault_injected() const noexcept { return fault_injected_; }

    // The sector at `offset` cannot be read until it is written again; or not be written, ever.
    void spoil_reads(std::uint64_t offset) { unreadable_.insert(offset / 512); }
    void spoil_writes(std::uint64_t offset) { unwritable_.insert(offset / 512); }
    void heal()
    {
        unreadable_.clear();
        unwritable_.clear();
    }

    void grow(Bytes size)
    {
        size_ = size;
        content_.resize((size.value + 4095) / 4096 * 4096);
    }

    // Immediate access, past cache and queue, as a test's view of the content.
    std::span<std::byte> content() noexcept { return {content_.data(), content_.size()}; }
    const Counters& counters() const noexcept { return counters_; }

    // False: writes are durable at once, and after reserve() nothing is allocated any more.
    void set_volatile_cache(bool on) noexcept { volatile_cache_ = on; }
    void reserve(std::size_t requests) { pending_.reserve(requests); }

private:
    struct Pending {
        IoRequest* request;
        std::uint64_t covered; // flush: the last write completed before it was submitted
    };
    using Sector = std::array<std::byte, 512>;
    struct Version {
        std::uint64_t write; // its number; 0 = the durable content
        Sector data;
    };

    void execute(const IoRequest& request, std::uint64_t covered);
    void write(std::uint64_t offset, std::span<const std::byte> data);
    void read(std::uint64_t offset, std::span<std::byte> data);
    void flush(std::uint64_t covered);
    bool inject_error() noexcept;
    bool spoiled(const IoRequest& request);

    Bytes size_;
    Random& random_;
    std::vector<std::byte> content_;                          // what a read returns
    std::map<std::uint64_t, std::vector<Version>> unflushed_; // by sector, oldest version first
    std::vector<Pending> pending_;
    std::uint64_t write_number_ = 0;
    bool volatile_cache_ = true;
    bool dead_ = false;
    std::uint64_t fail_countdown_ = 0;
    bool fail_forever_ = false;
    bool fault_injected_ = false;
    std::set<std::uint64_t> unreadable_; // sectors
    std::set<std::uint64_t> unwritable_;
    Counters counters_;
};

} // namespace zumastor::test
