// SPDX-License-Identifier: GPL-2.0
// A simulated disk with a volatile write cache: I/O takes time and overtakes other I/O; a completed write
// survives a power cut only if a flush submitted after its completion has completed. Without that each of
// its sectors survives or not, alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/context.h"
#include "sim/stamp.h"
#include "snapstore/block_device.h"

namespace sim {

class Disk {
public:
    // `capacity`: to how many sectors it can grow() (0: not at all).
    Disk(Context& context, std::string name, std::uint64_t sectors, Micros latency,
         std::uint64_t capacity = 0);

    snapstore::Bytes size() const noexcept { return snapstore::Bytes{sectors_ * kSector}; }
    // `request` stays with the disk until it is completed, or forgotten by power_cut().
    void submit(snapstore::IoRequest& request);
    void power_cut();

    void grow(std::uint64_t sectors) { sectors_ = std::min<std::uint64_t>(sectors_ + sectors, capacity_); }
    // Somebody else, to whom this part of the disk has been given, writes to it: durable at once.
    void overwrite(std::uint64_t sector, std::span<const std::byte> bytes);

    // What a read would return now.
    std::span<const std::byte> peek(std::uint64_t sector) const
    {
        return std::span(content_.get(), bytes_).subspan(sector * kSector, kSector);
    }

private:
    struct Version {
        std::uint64_t when = 0;                 // clock at completion; 0 = not completed yet
        snapstore::IoRequest* writer = nullptr; // until it is completed
        std::vector<std::byte> bytes;
    };
    struct Unflushed {
        std::vector<std::byte> durable;
        std::deque<Version> versions;
    };

    void complete(snapstore::IoRequest& request, std::uint64_t submitted);
    void store(snapstore::IoRequest& request, std::uint64_t first, std::uint64_t count);
    void flush(std::uint64_t submitted);
    std::uint64_t first_sector(const snapstore::IoRequest& request) const
    {
        return request.offset.value / kSector;
    }

    Context& context_;
    std::string name_;
    std::uint64_t sectors_;
    std::uint64_t capacity_;
    Micros latency_;
    struct Free {
        void operator()(std::byte* memory) const noexcept { std::free(memory); }
    };
    std::size_t bytes_; // whole blocks
    std::unique_ptr<std::byte, Free>
        content_; // as the cache shows it; zeros that nobody wrote cost no memory
    std::map<std::uint64_t, Unflushed> unflushed_;
    std::list<snapstore::IoRequest*> pending_;
    std::uint64_t clock_ = 1;
    std::uint64_t generation_ = 0; // power cuts
};

} // namespace sim
