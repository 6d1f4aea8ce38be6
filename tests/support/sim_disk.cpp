// SPDX-License-Identifier: GPL-2.0
#include "tests/support/sim_disk.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace zumastor::test {

namespace {
constexpr std::uint64_t kSector = 512;

// Which sectors of which writes survive a power cut: of each write, all or nothing, or it is torn at blocks
// or at sectors.
struct Cut {
    std::uint64_t seed;
    std::uint64_t kept;

    static std::uint64_t mix(std::uint64_t x) noexcept
    {
        x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15ULL;
        x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9ULL;
        return x ^ (x >> 32);
    }
    bool keeps(std::uint64_t write, std::uint64_t sector) const noexcept
    {
        constexpr std::array<std::uint64_t, 3> kUnit{1, 8, std::uint64_t{1} << 40}; // sectors
        const std::uint64_t of_write = mix(seed + write);
        const std::uint64_t unit = sector / kUnit[of_write % kUnit.size()];
        return mix(of_write + unit) % 1000 < kept;
    }
};

void require(bool condition, const char* what) noexcept
{
    if (!condition) {
        (void)std::fprintf(stderr, "SimDisk: %s\n", what);
        std::abort();
    }
}
} // namespace

SimDisk::SimDisk(Bytes size, Random& random)
    : size_(size), random_(random), content_((size.value + 4095) / 4096 * 4096)
{}

void SimDisk::submit(IoRequest& request) noexcept
{
    const std::uint64_t length = request.buffer.size();
    if (request.op == IoRequest::Op::flush) {
        require(length == 0 && request.offset.value == 0, "flush with a range");
    } else {
        require(length > 0 && length % 4096 == 0 && request.offset.value % 4096 == 0, "unaligned range");
        require(reinterpret_cast<std::uintptr_t>(request.buffer.data()) % 4096 == 0, "unaligned buffer");
        require(request.offset.value + length <= content_.size(), "I/O beyond the end");
    }
    pending_.push_back({&request, write_number_});
}

bool SimDisk::inject_error() noexcept
{
    if (fail_countdown_ == 0 || --fail_countdown_ > 0) {
        return false;
    }
    fail_countdown_ = fail_forever_ ? 1 : 0;
    fault_injected_ = true;
    return true;
}

// A write that fails may have written what lies before the bad sector; a torn range is what that leaves.
bool SimDisk::spoiled(const IoRequest& request)
{
    const std::uint64_t first = request.offset.value / kSector;
    const std::uint64_t end = first + request.buffer.size() / kSector;
    if (request.op == IoRequest::Op::read) {
        const auto bad = unreadable_.lower_bound(first);
        return bad != unreadable_.end() && *bad < end;
    }
    if (request.op == IoRequest::Op::flush) {
        return false;
    }
    const auto bad = unwritable_.lower_bound(first);
    const std::uint64_t done = bad == unwritable_.end() || *bad >= end ? end : *bad;
    unreadable_.erase(unreadable_.lower_bound(first), unreadable_.lower_bound(done));
    if (done < end && done > first) {
        write(request.offset.value, request.buffer.first((done - first) * kSector));
    }
    return done < end;
}

bool SimDisk::pump()
{
    if (pending_.empty()) {
        return false;
    }
    const std::size_t index = random_() % pending_.size();
    const Pending chosen = pending_[index];
    pending_[index] = pending_.back();
    pending_.pop_back();
    IoRequest& request = *chosen.request;
    if (dead_ || inject_error() || spoiled(request)) {
        request.status = IoStatus::error;
    } else {
        execute(request, chosen.covered);
        request.status = IoStatus::ok;
    }
    request.on_complete(request);
    return true;
}

void SimDisk::execute(const IoRequest& request, std::uint64_t covered)
{
    switch (request.op) {
    case IoRequest::Op::read:
        ++counters_.reads;
        counters_.bytes_read += request.buffer.size();
        read(request.offset.value, request.buffer);
        break;
    case IoRequest::Op::write:
        ++counters_.writes;
        counters_.bytes_written += request.buffer.size();
        write(request.offset.value, request.buffer);
        break;
    case IoRequest::Op::flush:
        ++counters_.flushes;
        flush(covered);
        break;
    }
}

void SimDisk::read(std::uint64_t offset, std::span<std::byte> data)
{
    std::memcpy(data.data(), content_.data() + offset, data.size());
    const std::uint64_t end = size_.value;
    if (offset + data.size() > end) { // beyond the end: zeros
        const std::uint64_t kept = end > offset ? end - offset : 0;
        std::memset(data.data() + kept, 0, data.size() - kept);
    }
}

void SimDisk::write(std::uint64_t offset, std::span<const std::byte> data)
{
    ++write_number_;
    for (std::uint64_t done = 0; done < data.size() && volatile_cache_; done += kSector) {
        auto& versions = unflushed_[(offset + done) / kSector];
        Version version{};
        if (versions.empty()) {
            std::memcpy(version.data.data(), content_.data() + offset + done, kSector);
            versions.push_back(version);
        }
        version.write = write_number_;
        std::memcpy(version.data.data(), data.data() + done, kSector);
        versions.push_back(version);
    }
    std::memcpy(content_.data() + offset, data.data(), data.size());
}

void SimDisk::flush(std::uint64_t covered)
{
    for (auto at = unflushed_.begin(); at != unflushed_.end();) {
        auto& versions = at->second;
        const auto newer = std::find_if(versions.begin() + 1, versions.end(),
                                        [covered](const Version& v) { return v.write > covered; });
        versions.erase(versions.begin(), newer - 1); // the newest covered one becomes the durable content
        at = versions.size() == 1 ? unflushed_.erase(at) : std::next(at);
    }
}

void SimDisk::power_cut()
{
    for (const Pending& p : pending_) {
        if (!dead_ && p.request->op == IoRequest::Op::write) {
            write(p.request->offset.value, p.request->buffer);
        }
    }
    constexpr std::array<std::uint64_t, 5> kKept{20, 100, 500, 900, 990}; // of a thousand
    const Cut cut{random_(), kKept[random_() % kKept.size()]};
    for (const auto& [sector, versions] : unflushed_) {
        const auto is_kept = [&cut, at = sector](const Version& v) { return cut.keeps(v.write, at); };
        const auto kept = std::find_if(versions.rbegin(), versions.rend() - 1, is_kept);
        std::memcpy(content_.data() + sector * kSector, kept->data.data(), kSector);
    }
    unflushed_.clear();
    dead_ = true;
}

void SimDisk::abandon()
{
    for (const Pending& p : pending_) {
        if (!dead_ && p.request->op == IoRequest::Op::write && random_() % 2 == 0) {
            write(p.request->offset.value, p.request->buffer);
        }
    }
    dead_ = true;
}

} // namespace zumastor::test
